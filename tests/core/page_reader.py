"""A reader of artefacts, written from docs/artefact.md and nothing else. It checks only the checksum."""

import hashlib
import math
import struct
from types import SimpleNamespace

import numpy as np

HEADER = {"magic": "8s", "version": "I", "kind": "I", "comparison": "I", "sum": "I", "transform": "I", "features": "I"}
HEADER |= {"outputs": "I", "trees": "I", "nodes": "I", "sets": "I", "words": "I", "golden": "I", "has_covers": "I"}
HEADER |= {"sums": "I", "scale": "d", "divisor": "d", "source": "32s", "library": "16s", "library_version": "16s"}
HEADER |= {"reserved": "48s"}


def by_the_page(content):
    """What docs/artefact.md says that the bytes hold. Lists, by name."""
    held = SimpleNamespace(
        **dict(zip(HEADER, struct.unpack_from("<" + "".join(HEADER.values()), content), strict=True))
    )
    start = 192

    def array(form, count):
        nonlocal start
        end = start + struct.calcsize("<" + form) * count
        values = list(struct.iter_unpack("<" + form, content[start:end]))
        start = -(-end // 64) * 64
        return values if len(form) > 1 else [value for (value,) in values]

    held.base, held.roots, held.tree_outputs = array("d", held.outputs), array("I", held.trees), array("I", held.trees)
    held.node = array("diIII", held.nodes)
    held.covers = array("d", held.nodes * held.has_covers)
    held.offsets, held.bits = array("I", held.sets + 1), array("I", held.words)
    held.golden_rows = array("d", held.golden * held.features)
    held.golden_margins = array("d", held.golden * held.outputs)
    assert content[start:] == hashlib.sha256(content[:start]).digest()
    return held


def margins_by_the_page(held, row):
    real, total = ({32: np.float32, 64: float}[bits] for bits in (held.comparison, held.sum))
    sums = [total(base) for base in held.base]
    for root, output in zip(held.roots, held.tree_outputs, strict=True):
        at = root
        while held.node[at][1] >= 0:
            at = held.node[at][2] + (not goes_left_by_the_page(held, held.node[at], float(real(row[held.node[at][1]]))))
        sums[output] += total(held.node[at][0])
    return [float(each if held.sums else each / total(held.divisor)) for each in sums]


def goes_left_by_the_page(held, node, x):
    threshold, _, _, flags, number = node
    if math.isnan(x):
        return flags & 2 != 0
    if flags & 12:
        first, end = held.offsets[number : number + 2]
        real = -1 < x < math.inf if flags & 4 else 0 <= x < math.inf
        category = int(x) if real else 0
        within = real and category < 32 * (end - first) and held.bits[first + category // 32] >> category % 32 & 1 == 1
        return within == (flags & 4 != 0)
    return x <= threshold if flags & 1 else x < threshold


def predictions_by_the_page(held, margins):
    sums = [float({32: np.float32, 64: float}[held.sum](m / held.divisor)) if held.sums else m for m in margins]

    def e(x):
        return math.exp(x) if x < 709.7 else math.inf

    if held.transform == 2:
        parts = [e(each - max(sums)) for each in sums]
        return [part / math.fsum(parts) for part in parts]
    one = {
        0: lambda x: x,
        1: lambda x: 1 / (1 + (e(min(-x, 88.7)) if held.sum == 32 else e(-held.scale * x))),
        3: e,
        4: lambda x: math.copysign(x * x, x),
        5: lambda x: math.log1p(e(x)),
        6: lambda x: float(x > 0),
    }[held.transform]
    return [one(each) for each in sums]
