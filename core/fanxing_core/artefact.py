"""The artefact: a forest as one flat, versioned file: HEADER, roots, NODEs, golden rows, their margins, SHA-256.

Reading checks every field in time linear in the size: the checksum over all, counts against lengths, children after
their parents so that no walk can circle, every node reached once, features in range, finite leaves and thresholds.
"""

import hashlib
import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fanxing_core.errors import ModelError

MAGIC = b"FXFOREST"
VERSION = 1
HEADER = struct.Struct("<8sIIIIIIdd32s")
"""magic, version, precision, features, trees, nodes, golden rows, base, sigmoid scale, SHA-256 of the source."""
FLOAT64 = 0
"""Precision: how the library that trained the model compares and sums. LightGBM: float64, in the order of the trees."""
NODE = np.dtype(
    [
        ("threshold", "<f8"),  # or the leaf's value
        ("feature", "<i4"),  # -1 in a leaf
        ("left", "<i4"),  # the place of the left child; the right one follows it
        ("flags", "<u4"),
        ("reserved", "<u4"),
    ]
)
LESS_EQUAL, MISSING_LEFT = 1, 2
"""Flags: `x <= t` goes left (else `x < t`); missing goes left."""
DEPTH_MAX = 64
DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a file holds. `roots` int32 (trees,), `nodes` NODE (nodes,), golden rows with their margins."""

    precision: int
    features: int
    base: float
    sigmoid: float
    source_sha256: bytes
    roots: np.ndarray
    nodes: np.ndarray
    golden_rows: np.ndarray
    golden_margins: np.ndarray


def write(artefact: Artefact) -> bytes:
    """The file's bytes."""
    header = HEADER.pack(
        MAGIC,
        VERSION,
        artefact.precision,
        artefact.features,
        len(artefact.roots),
        len(artefact.nodes),
        len(artefact.golden_margins),
        artefact.base,
        artefact.sigmoid,
        artefact.source_sha256,
    )
    arrays = (
        artefact.roots.astype("<i4"),
        artefact.nodes.astype(NODE),
        artefact.golden_rows.astype("<f8"),
        artefact.golden_margins.astype("<f8"),
    )
    body = header + b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return body + hashlib.sha256(body).digest()


def read(content: bytes | memoryview) -> Artefact:
    """A checked artefact whose arrays look into `content`, or ModelError."""
    view = memoryview(content)
    if len(view) < HEADER.size + DIGEST_BYTES:
        raise ModelError("too short for an artefact")
    magic, version, precision, features, trees, nodes, golden, base, sigmoid, source = HEADER.unpack_from(view)
    if magic != MAGIC:
        raise ModelError("not an artefact of Fanxing")
    if version != VERSION:
        raise ModelError(f"artefact version {version}; this core reads {VERSION}")
    sizes = (trees * 4, nodes * NODE.itemsize, golden * features * 8, golden * 8)
    if len(view) != HEADER.size + sum(sizes) + DIGEST_BYTES:
        raise ModelError("the counts disagree with the length")
    if hashlib.sha256(view[:-DIGEST_BYTES]).digest() != bytes(view[-DIGEST_BYTES:]):
        raise ModelError("the checksum is wrong: the file is damaged")
    ends = np.cumsum((HEADER.size, *sizes))
    parts = [view[start:end] for start, end in pairwise(ends)]
    artefact = Artefact(
        precision,
        features,
        base,
        sigmoid,
        source,
        np.frombuffer(parts[0], "<i4"),
        np.frombuffer(parts[1], NODE),
        np.frombuffer(parts[2], "<f8").reshape(golden, features),
        np.frombuffer(parts[3], "<f8"),
    )
    _check(artefact)
    return artefact


def _check(artefact: Artefact) -> None:
    roots, nodes = artefact.roots, artefact.nodes
    leaf = nodes["feature"] == -1
    inner = np.flatnonzero(~leaf)
    wrong = {
        "an unknown precision": artefact.precision != FLOAT64,
        "no tree": not len(roots),
        "no feature": not artefact.features,
        "a feature out of range": bool(((nodes["feature"] < -1) | (nodes["feature"] >= artefact.features)).any()),
        "a leaf that is not finite": not np.isfinite(nodes["threshold"][leaf]).all(),
        # An infinite threshold is honest: it parts what is missing from what is not.
        "a threshold that is no number": bool(np.isnan(nodes["threshold"]).any()),
        "a base or scale that is not finite": not np.isfinite([artefact.base, artefact.sigmoid]).all(),
        "an unknown flag": bool((nodes["flags"] > 3).any() or nodes["reserved"].any()),
        "a margin that is not finite": not np.isfinite(artefact.golden_margins).all(),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise ModelError(f"the artefact has {what}")
    _check_shape(roots, nodes["left"][inner].astype("i8"), inner, len(nodes))


def _check_shape(roots: np.ndarray, left: np.ndarray, inner: np.ndarray, count: int) -> None:
    """Children come after their parents and every node is one tree's, once; no tree is too deep."""
    if ((left <= inner) | (left + 1 >= count)).any():
        raise ModelError("the artefact has a child that does not come after its parent")
    if ((roots < 0) | (roots >= count)).any():
        raise ModelError("the artefact has a root out of range")
    reached = np.bincount(np.concatenate((roots, left, left + 1)), minlength=count)
    if (reached != 1).any():
        raise ModelError("the artefact has a node that is reached never or twice")
    level, depth = np.sort(roots), 0
    children = np.full(count, -1, dtype="i8")
    children[inner] = left
    while len(level):
        depth += 1
        if depth > DEPTH_MAX + 1:
            raise ModelError(f"the artefact has a tree deeper than {DEPTH_MAX}")
        first = children[level]
        first = first[first >= 0]
        level = np.concatenate((first, first + 1))
