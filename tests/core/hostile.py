"""Artefacts of every shape, changed in any place under a right checksum, and what must hold of all of them."""

import hashlib
import struct
from dataclasses import replace
from functools import lru_cache

import numpy as np
from tests.core.forests import made_up
from tests.core.page_reader import HEADER, by_the_page
from tests.core.reference import margins, trying_rows

from fanxing_core import Forest, ModelError, Panel, _forest
from fanxing_core.artefact import Transform, read, write
from fanxing_core.explain import Explainer

MACHINES = _forest.MACHINES[: _forest.BEST + 1]
NODE_FIELDS = {"threshold": (0, "d"), "feature": (8, "i"), "left": (12, "I"), "flags": (16, "I"), "set": (20, "I")}


def made_bases():
    """Small artefacts of all shapes that walks have, with all that a file can hold."""
    common = {"features": 3, "covers": True}
    kinds = [
        {"trees": 3, "leaves": 6, "categories": 3},
        {"trees": 3, "leaves": 6, "outputs": 2, "comparison": 32, "transform": Transform.SOFTMAX},
        {"trees": 2, "leaves": 40, "depth": 8, "comparison": 32, "divisor": 7.0, "transform": Transform.SIGMOID},
        {"trees": 2, "leaves": 40, "chain": True, "transform": Transform.EXP, "scale": 3.0},
        {"trees": 3, "leaves": 12, "chain": True, "transform": Transform.STEP},
        {"trees": 3, "leaves": 9, "outputs": 2, "divisor": 3.0, "margins_are_sums": True},
    ]
    made = [made_up(seed, **(common | kind)) for seed, kind in enumerate(kinds, 1)]
    made[2] = replace(made[2], sum=64)
    rows = trying_rows(made[0], 2)
    return [*made, replace(made[0], golden_rows=rows, golden_margins=margins(made[0], rows))]


BASES = [write(base) for base in made_bases()]
SMALL = BASES[-1]
LIMITS = {"i": (-(2**31), 2**31), "I": (0, 2**32), "B": (0, 2**8)}


def signed(body):
    return bytes(body) + hashlib.sha256(body).digest()


@lru_cache
def spots(content):
    """Where each field's values stand: name to (places, form)."""
    held, found, at = by_the_page(content), {}, 0
    for name, form in HEADER.items():
        found[name] = [at], form if form in {"I", "d"} else "B"
        at += struct.calcsize("<" + form)
    arrays = [
        ("base", "d", held.outputs), ("root", "I", held.trees), ("tree_output", "I", held.trees),
        ("node", "diIII", held.nodes), ("cover", "d", held.nodes * held.has_covers), ("offset", "I", held.sets + 1),
        ("word", "I", held.words), ("golden_row", "d", held.golden * held.features),
        ("golden_margin", "d", held.golden * held.outputs),
    ]  # fmt: skip
    gaps = []
    for name, form, count in arrays:
        size = struct.calcsize("<" + form)
        places = range(at, at + size * count, size)
        if name == "node":
            found |= {key: ([place + within for place in places], kind) for key, (within, kind) in NODE_FIELDS.items()}
        elif count:
            found[name] = places, form
        at = -(-places.stop // 64) * 64
        gaps += range(places.stop, at)
    return found | {"gap": (gaps, "B")}


def edited(content, *edits):
    """With other values, (name, value) or (name, value, index), and a checksum that is right."""
    found, body = spots(content), bytearray(content[:-32])
    for name, value, *index in edits:
        places, form = found.get(name, ([], ""))
        if form in LIMITS:
            low, high = LIMITS[form]
            value = (int(value) - low) % (high - low) + low  # noqa: PLW2901
        if places:
            struct.pack_into("<" + form, body, places[(index or [0])[0] % len(places)], value)
    return signed(body)


def refused_or_right(content, seed=0):
    """ModelError, or every walk says what the plain one says, and reasons add up to it. True where it was right."""
    try:
        forests = [Forest(content, machine=machine) for machine in MACHINES]
    except ModelError:
        return False
    held = read(content)
    assert write(held) == content, "one artefact has one sequence of bytes"
    if held.features > 1000:
        assert forests[0].features == held.features
        return True
    rows = trying_rows(held, 40, seed)
    want, exact = margins(held, rows), margins(replace(held, sum=64), rows)
    for forest in forests:
        assert same(forest.predict_margin(rows), want)
        assert all(same(forest.predict_margin(row[None]), each) for row, each in zip(rows[:8], want, strict=False))
        assert same(forest.predict(rows), forests[0].predict(rows))
    others = np.roll(np.arange(held.features), 1)
    for several in (forests, forests[::-1]):
        panel = Panel(several, [others] * len(several), held.features)
        assert same(panel.predict_margin(rows[0, np.argsort(others)]), np.tile(want[0], len(several)))
    if len(held.covers):
        reasons = [Explainer(held, portable=portable).explain(rows[:8]) for portable in (False, True)]
        assert same(*reasons)
        weight = (np.abs(held.base).max() + np.abs(held.nodes["threshold"][held.is_leaf]).sum()) / held.margin_divisor
        if weight < 1e100:
            sums = reasons[0].reshape(8, held.outputs, -1).sum(2)
            np.testing.assert_allclose(sums, exact[:8], rtol=0, atol=1e-9 * weight + 1e-300)
    return True


def same(got, want):
    """To the bit, but for which NaN it is."""
    got, want = np.ravel(got), np.ravel(want)
    return np.where(np.isnan(got), np.nan, got).tobytes() == np.where(np.isnan(want), np.nan, want).tobytes()
