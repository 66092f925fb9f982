"""From the arrays that the reading process answers to the artefact's nodes. Nothing that it answers is trusted."""

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from fanxing_core.artefact import DEPTH_MAX, NODE, NodeFlag
from fanxing_core.errors import ModelError

Arrays = Mapping[str, np.ndarray]

FIELDS = {
    "meta": "u1",  # JSON: the artefact's scalars, and `orphans`, whether a tree may hold leaves that it dropped
    "base": "<f8",  # (outputs,)
    "sizes": "<i8",  # (trees,), how many nodes each has
    "tree_outputs": "<i8",  # (trees,), -1 where leaves are vectors
    "left": "<i8",  # (nodes,), within the tree, -1 in a leaf; the next six beside it
    "right": "<i8",
    "feature": "<i8",
    "value": "<f8",  # threshold, or the leaf's value
    "flags": "<u4",
    "covers": "<f8",  # (nodes,) or (0,)
    "vectors": "<f8",  # (nodes x outputs,) or (0,)
    "category_begin": "<i8",  # (nodes,), into categories
    "category_end": "<i8",
    "categories": "<i8",
    "probe_rows": "<f8",  # (n x features,) and (n x outputs,): Treelite's own margins
    "probe_margins": "<f8",
}
NODES_MAX, WORDS_MAX = 1 << 26, 1 << 24


class Layout(NamedTuple):
    """The arrays of an Artefact of the same names."""

    roots: np.ndarray
    tree_outputs: np.ndarray
    nodes: np.ndarray
    covers: np.ndarray
    category_offsets: np.ndarray
    category_words: np.ndarray


def pack(arrays: Arrays) -> bytes:
    """The arrays of FIELDS as bytes: eight bytes of length for each, then their contents."""
    parts = [np.ascontiguousarray(arrays[name], dtype=kind).ravel() for name, kind in FIELDS.items()]
    return np.array([len(part) for part in parts], dtype="<i8").tobytes() + b"".join(part.tobytes() for part in parts)


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """What `pack` was given, flat, or ModelError."""
    head = 8 * len(FIELDS)
    if len(content) < head:
        raise ModelError("the reader answered too little")
    lengths = np.frombuffer(content, "<i8", len(FIELDS)).tolist()
    sizes = [length * np.dtype(kind).itemsize for length, kind in zip(lengths, FIELDS.values(), strict=True)]
    if min(lengths) < 0 or head + sum(sizes) != len(content):
        raise ModelError("the reader's answer has another length than it says")
    starts = accumulate(sizes, initial=head)
    return {
        name: np.frombuffer(content, kind, length, start)
        for (name, kind), length, start in zip(FIELDS.items(), lengths, starts, strict=False)
    }


def lay_out(arrays: Arrays, *, outputs: int, orphans: bool) -> Layout:
    """The canonical nodes: each tree together, level by level, children adjacent and after their parents.

    Trees with vector leaves become one copy for each output. Leaves that no tree reaches are dropped where `orphans`
    (XGBoost keeps those that it pruned); ModelError for any other node reached never or twice.
    """
    left, right, starts = _checked(arrays, outputs)
    order = _order(left, right, starts, arrays["sizes"], orphans=orphans)
    place = np.full(len(left), -1, dtype="i8")
    place[order] = np.arange(len(order))
    inner = left[order] >= 0
    nodes = np.zeros(len(order), dtype=NODE)
    nodes["threshold"] = arrays["value"][order]
    nodes["feature"] = np.where(inner, arrays["feature"][order], -1)
    nodes["left"] = np.where(inner, place[left[order]], 0)
    nodes["flags"] = np.where(inner, arrays["flags"][order], 0)
    offsets, words = _category_sets(arrays, order, nodes)
    covers = arrays["covers"][order] if len(arrays["covers"]) else np.empty(0)
    layout = Layout(place[starts], arrays["tree_outputs"], nodes, covers, offsets, words)
    return _copied(layout, arrays["vectors"].reshape(-1, outputs)[order]) if len(arrays["vectors"]) else layout


def _checked(arrays: Arrays, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Children counted over all trees, and where trees start."""
    sizes, left, right = arrays["sizes"], arrays["left"], arrays["right"]
    count = len(left)
    fits = all(len(arrays[name]) == count for name in ("right", "feature", "value", "flags", "category_begin"))
    fits &= len(arrays["covers"]) in {0, count} and len(arrays["vectors"]) in {0, count * outputs}
    if not fits or len(arrays["category_end"]) != count:
        raise ModelError("the model's arrays differ in length")
    if not 0 < len(sizes) == len(arrays["tree_outputs"]) or count > NODES_MAX:
        raise ModelError("the model has no tree or too many nodes")
    if (sizes < 1).any() or (sizes > count).any() or sizes.sum() != count:
        raise ModelError("the model's trees do not add up to its nodes")
    starts, size = np.cumsum(sizes) - sizes, np.repeat(sizes, sizes)
    inner = left >= 0
    if (inner & ((left >= size) | (right < 0) | (right >= size) | (arrays["feature"] < 0))).any():
        raise ModelError("the model has a child or a feature out of range")
    if (arrays["feature"] > np.iinfo("i4").max).any() or (arrays["flags"] >> 4).any():
        raise ModelError("the model has a feature or a flag out of range")
    if ((arrays["tree_outputs"] < -1) | (arrays["tree_outputs"] >= outputs)).any():
        raise ModelError("the model has a tree for an output that it lacks")
    start = np.repeat(starts, sizes)
    return np.where(inner, left + start, -1), np.where(inner, right + start, -1), starts


def _order(left: np.ndarray, right: np.ndarray, starts: np.ndarray, sizes: np.ndarray, *, orphans: bool) -> np.ndarray:
    """The nodes' old places in their new order."""
    levels, level, reached = [], starts, 0
    while len(level):
        levels.append(level)
        reached += len(level)
        if len(levels) > DEPTH_MAX + 1:
            raise ModelError(f"the model has a tree deeper than {DEPTH_MAX}, or a circle")
        if reached > len(left):
            raise ModelError("the model has a node that is reached twice")
        inner = level[left[level] >= 0]
        level = np.stack((left[inner], right[inner]), axis=1).ravel()
    order = np.concatenate(levels)
    visits = np.bincount(order, minlength=len(left))
    if (visits > 1).any():
        raise ModelError("the model has a node that is reached twice")
    if not orphans and not visits.all():
        raise ModelError("the model has a node that no tree reaches")
    if (left[visits == 0] >= 0).any():
        raise ModelError("the model has a branch that no tree reaches")
    tree = np.repeat(np.arange(len(sizes)), sizes)[order]
    return order[np.argsort(tree, kind="stable")]


def _category_sets(arrays: Arrays, order: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and words of the sets, whose numbers are written into the nodes."""
    categorical = np.flatnonzero(nodes["flags"] & (NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT))
    begin, end = arrays["category_begin"][order][categorical], arrays["category_end"][order][categorical]
    categories = arrays["categories"]
    if ((begin < 0) | (end < begin) | (end > len(categories))).any() or (end - begin).sum() > len(categories):
        raise ModelError("the model has a category set out of range")
    nodes["category_set"][categorical] = np.arange(len(categorical))
    lengths = end - begin
    owner = np.repeat(np.arange(len(categorical)), lengths)
    listed = categories[np.arange(lengths.sum()) + np.repeat(begin - (np.cumsum(lengths) - lengths), lengths)]
    if ((listed < 0) | (listed >= 32 * WORDS_MAX)).any():
        raise ModelError("the model has a category out of range")
    widths = np.zeros(len(categorical), dtype="i8")
    np.maximum.at(widths, owner, listed // 32 + 1)
    offsets = np.concatenate(([0], np.cumsum(widths)))
    if offsets[-1] > WORDS_MAX:
        raise ModelError("the model's category sets are too large")
    words = np.zeros(offsets[-1], dtype="<u4")
    np.bitwise_or.at(words, offsets[owner] + listed // 32, (1 << (listed % 32)).astype("<u4"))
    return offsets, words


def _copied(layout: Layout, vectors: np.ndarray) -> Layout:
    """One copy of all trees for each column of `vectors` (nodes, outputs)."""
    count, outputs = vectors.shape
    if count * outputs > NODES_MAX:
        raise ModelError("the model has too many nodes")
    if (layout.tree_outputs >= 0).any():
        raise ModelError("the model has leaves that are numbers and leaves that are vectors")
    nodes = np.tile(layout.nodes, outputs)
    shift = np.repeat(np.arange(outputs) * count, count)
    inner = nodes["feature"] >= 0
    nodes["left"][inner] += shift[inner].astype("u4")
    nodes["threshold"][~inner] = vectors.T.ravel()[~inner]
    trees = len(layout.roots)
    return layout._replace(
        roots=np.tile(layout.roots, outputs) + np.repeat(np.arange(outputs) * count, trees),
        tree_outputs=np.repeat(np.arange(outputs), trees),
        nodes=nodes,
        covers=np.tile(layout.covers, outputs),
    )
