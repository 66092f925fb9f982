"""The artefact: a forest as one flat, versioned file. docs/artefact.md says enough to write another reader.

Reading checks every field in time linear in the size: the checksum over all, counts against lengths, children after
their parents so that no walk can circle, every node reached once, features and sets in range, finite leaves.
"""

import hashlib
import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag

import numpy as np

from fanxing_core.errors import ModelError

MAGIC, VERSION = b"FXFOREST", 2
HEADER = struct.Struct("<8sIIIIIIIIIIIIIIdd32s16s16s48s")
"""magic, version, kind, comparison, sum, transform, features, outputs, trees, nodes, category sets, category words,
golden rows, whether covers are there, whether margins are sums, scale, divisor, SHA-256 of the source, library, its
version, zeros."""
ALIGNMENT, DIGEST_BYTES, DEPTH_MAX = 64, 32, 64
RESERVED = bytes(48)
FEATURES_MAX = 2**31 - 1
GOLDEN_MAX = 1000
"""Golden rows are tried at every load, so that without a bound it would not take linear time."""
NODE = np.dtype(
    [
        ("threshold", "<f8"),  # or the leaf's value
        ("feature", "<i4"),  # -1 in a leaf
        ("left", "<u4"),  # the place of the left child; the right one follows it
        ("flags", "<u4"),
        ("category_set", "<u4"),
    ]
)


class Kind(IntEnum):
    """What a leaf adds to. Rules, whose leaves are bit sets and whose nodes may be shared, will be another kind."""

    TREES = 0


class NodeFlag(IntFlag):
    """How a node parts rows. Without a flag: `x < t` goes left, everything else and NaN right."""

    LESS_EQUAL = 1
    MISSING_LEFT = 2
    CATEGORY_LEFT = 4
    """What is in the set goes left, all else right. Values are cut towards zero: -0.5 is category 0 (LightGBM)."""
    CATEGORY_RIGHT = 8
    """What is in the set goes right, all else left. What is below zero is in no set (XGBoost)."""


class Transform(IntEnum):
    """From margins to predictions; the first four in the sum's precision, the others in float64."""

    IDENTITY = 0
    SIGMOID = 1
    """1 / (1 + exp(-scale x)), each output for itself"""
    SOFTMAX = 2
    EXP = 3
    SIGNED_SQUARE = 4
    LOG1P_EXP = 5
    STEP = 6
    """1 where x > 0, else 0"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """What a file holds.

    comparison, sum: 32 or 64, the bits in which values (cast to it first) meet thresholds, and leaves are summed: onto
    `base`, in the order of the trees, each into its output. Where `divisor` is not 1 the sum is divided by it: that is
    the margin; but where `margins_are_sums` the sum itself is, and only predictions are made from the mean.

    base float64 (outputs,), roots and tree_outputs uint32 (trees,), nodes NODE (nodes,), covers float64 (nodes,) or
    (0,) where the library kept none, category_offsets uint32 (sets + 1,) into category_words uint32 (words,): bit
    c % 32 of word c // 32 of a set is category c. golden_rows float64 (rows, features), golden_margins float64
    (rows, outputs).
    """

    comparison: int
    sum: int
    transform: Transform
    features: int
    scale: float
    divisor: float
    margins_are_sums: bool = False
    source_sha256: bytes
    library: str
    library_version: str
    base: np.ndarray
    roots: np.ndarray
    tree_outputs: np.ndarray
    nodes: np.ndarray
    covers: np.ndarray
    category_offsets: np.ndarray
    category_words: np.ndarray
    golden_rows: np.ndarray
    golden_margins: np.ndarray

    @property
    def outputs(self) -> int:
        """How many margins a row has."""
        return len(self.base)

    @property
    def margin_divisor(self) -> float:
        """What the sum is divided by to be the margin."""
        return 1.0 if self.margins_are_sums else self.divisor

    @property
    def is_leaf(self) -> np.ndarray:
        """Which nodes are leaves, bool (nodes,)."""
        return np.asarray(self.nodes["feature"] < 0)


_ARRAYS = tuple(field.name for field in fields(Artefact) if field.type is np.ndarray)
_KINDS = dict.fromkeys(_ARRAYS, "<u4") | dict.fromkeys(("base", "covers", "golden_rows", "golden_margins"), "<f8")


def write(artefact: Artefact) -> bytes:
    """The file's bytes."""
    parts = [
        HEADER.pack(
            MAGIC,
            VERSION,
            Kind.TREES,
            artefact.comparison,
            artefact.sum,
            artefact.transform,
            artefact.features,
            artefact.outputs,
            len(artefact.roots),
            len(artefact.nodes),
            len(artefact.category_offsets) - 1,
            len(artefact.category_words),
            len(artefact.golden_rows),
            int(len(artefact.covers) > 0),
            int(artefact.margins_are_sums),
            artefact.scale,
            artefact.divisor,
            artefact.source_sha256,
            artefact.library.encode("ascii"),
            artefact.library_version.encode("ascii"),
            RESERVED,
        )
    ]
    for name in _ARRAYS:
        kind = NODE if name == "nodes" else _KINDS[name]
        part = np.ascontiguousarray(getattr(artefact, name), dtype=kind).tobytes()
        parts.append(part + bytes(-len(part) % ALIGNMENT))
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def read(content: bytes | memoryview) -> Artefact:
    """A checked artefact whose arrays look into `content`, or ModelError."""
    view = memoryview(content)
    if len(view) < HEADER.size + DIGEST_BYTES:
        raise ModelError("too short for an artefact")
    (magic, version, kind, comparison, total, transform, *counts, sums, scale, divisor, source, library,
     library_version, reserved) = HEADER.unpack_from(view)  # fmt: skip
    if magic != MAGIC:
        raise ModelError("not an artefact of Fanxing")
    if version != VERSION:
        raise ModelError(f"artefact version {version}; this core reads {VERSION}")
    if kind not in set(Kind) or transform not in set(Transform):
        raise ModelError(f"artefact of kind {kind} with transform {transform}; this core knows neither or only one")
    if reserved != RESERVED or sums > 1:
        raise ModelError("the artefact has bytes of which this core knows nothing")
    arrays = _arrays(view, *counts)
    if hashlib.sha256(view[:-DIGEST_BYTES]).digest() != bytes(view[-DIGEST_BYTES:]):
        raise ModelError("the checksum is wrong: the file is damaged")
    artefact = Artefact(
        comparison=comparison,
        sum=total,
        transform=Transform(transform),
        features=counts[0],
        scale=scale,
        divisor=divisor,
        margins_are_sums=bool(sums),
        source_sha256=source,
        library=_name(library),
        library_version=_name(library_version),
        **arrays,
    )
    _check(artefact, sets=counts[4])
    return artefact


def _name(field: bytes) -> str:
    name = field.rstrip(b"\0").decode("latin-1")
    if not (name.isascii() and name.isprintable()):
        raise ModelError("the artefact has a library name that cannot be printed")
    return name


def _arrays(
    view: memoryview, features: int, outputs: int, trees: int, nodes: int, sets: int, words: int, golden: int,
    has_covers: int,
) -> dict[str, np.ndarray]:  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "base": (outputs,),
        "roots": (trees,),
        "tree_outputs": (trees,),
        "nodes": (nodes,),
        "covers": (nodes if has_covers else 0,),
        "category_offsets": (sets + 1,),
        "category_words": (words,),
        "golden_rows": (golden, features),
        "golden_margins": (golden, outputs),
    }
    start, places = HEADER.size, {}
    for name, shape in shapes.items():
        kind = NODE if name == "nodes" else np.dtype(_KINDS[name])
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        places[name] = (start, kind, count, shape)
        start += -(-count * kind.itemsize // ALIGNMENT) * ALIGNMENT
    if len(view) != start + DIGEST_BYTES or has_covers > 1:
        raise ModelError("the counts disagree with the length")
    ends = [start + count * kind.itemsize for start, kind, count, _ in places.values()]
    if any(any(view[end : end + -end % ALIGNMENT]) for end in ends):
        raise ModelError("the artefact has something between its arrays")
    return {
        name: np.frombuffer(view, kind, count, offset).reshape(shape)
        for name, (offset, kind, count, shape) in places.items()
    }


def _check(artefact: Artefact, sets: int) -> None:
    nodes, leaf = artefact.nodes, artefact.is_leaf
    feature, flags, threshold = nodes["feature"], nodes["flags"], nodes["threshold"]
    categorical = (flags & (NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT)) != 0
    both = NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT
    sizes = np.diff(artefact.category_offsets.astype("i8"))
    precise = {32: np.float32, 64: np.float64}
    wrong = {
        "an unknown precision": artefact.comparison not in precise or artefact.sum not in precise,
        "no tree": not len(artefact.roots),
        "no feature, or more than can be told apart": not 0 < artefact.features <= FEATURES_MAX,
        "no output": not artefact.outputs,
        "an output out of range": bool((artefact.tree_outputs >= max(1, artefact.outputs)).any()),
        "a feature out of range": bool(((feature < -1) | (feature >= artefact.features)).any()),
        "a leaf that is not finite": not np.isfinite(threshold[leaf]).all(),
        # An infinite threshold is honest: it parts what is missing from what is not.
        "a threshold that is no number": bool(np.isnan(threshold).any()),
        "a base, scale or divisor that is not finite": not np.isfinite(
            [*artefact.base, artefact.scale, artefact.divisor]
        ).all(),
        "a divisor that is not positive": not artefact.divisor > 0,
        "margins that are sums though nothing divides them": artefact.margins_are_sums and artefact.divisor == 1,
        "a scale that sums of 32 bits do not know": artefact.sum == 32 and artefact.scale != 1,
        "a leaf with children": bool((leaf & (nodes["left"] != 0)).any()),
        "an unknown flag": bool(
            (flags >= 2 * NodeFlag.CATEGORY_RIGHT).any()
            or (leaf & (flags != 0)).any()
            or ((flags & both) == both).any()
            or (categorical & ((flags & NodeFlag.LESS_EQUAL) != 0)).any()
        ),
        "category sets that do not follow each other": bool(
            artefact.category_offsets[0] or artefact.category_offsets[-1] != len(artefact.category_words)
        )
        or bool((sizes < 0).any()),
        "a category set out of range": bool((nodes["category_set"] >= np.where(categorical, sets, 1)).any()),
        "a cover that is no finite count": not np.isfinite(artefact.covers).all() or bool((artefact.covers < 0).any()),
        "more golden rows than a load may try": len(artefact.golden_rows) > GOLDEN_MAX,
        "a margin that is not finite": not np.isfinite(artefact.golden_margins).all(),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise ModelError(f"the artefact has {what}")
    _check_precision(artefact, leaf, precise[artefact.comparison], precise[artefact.sum])
    inner = np.flatnonzero(~leaf)
    _check_shape(artefact.roots.astype("i8"), nodes["left"][inner].astype("i8"), inner, len(nodes))


def _check_precision(artefact: Artefact, leaf: np.ndarray, comparison: type, total: type) -> None:
    """Thresholds, leaves, base, divisor are numbers of the declared precision, so that no walk has to round them."""
    threshold = artefact.nodes["threshold"]
    with np.errstate(over="ignore"):
        kept = (
            (threshold[~leaf].astype(comparison) == threshold[~leaf]).all()
            and (threshold[leaf].astype(total) == threshold[leaf]).all()
            and (artefact.base.astype(total) == artefact.base).all()
            and float(total(artefact.divisor)) == artefact.divisor
        )
    if not kept:
        raise ModelError("the artefact has a number that its precision cannot hold")


def _check_shape(roots: np.ndarray, left: np.ndarray, inner: np.ndarray, count: int) -> None:
    """Children come after their parents and every node is one tree's, once; no tree is too deep."""
    if ((left <= inner) | (left + 1 >= count)).any():
        raise ModelError("the artefact has a child that does not come after its parent")
    if (roots >= count).any():
        raise ModelError("the artefact has a root out of range")
    reached = np.bincount(np.concatenate((roots, left, left + 1)), minlength=count)
    if (reached != 1).any():
        raise ModelError("the artefact has a node that is reached never or twice")
    level, depth = roots, 0
    children = np.full(count, -1, dtype="i8")
    children[inner] = left
    while len(level):
        depth += 1
        if depth > DEPTH_MAX + 1:
            raise ModelError(f"the artefact has a tree deeper than {DEPTH_MAX}")
        first = children[level]
        first = first[first >= 0]
        level = np.concatenate((first, first + 1))
