"""Why a forest answers so: exact SHAP values. The face checks, prepares and allocates; explain.h tells the method."""

from decimal import Decimal, localcontext
from functools import lru_cache
from math import cos, pi

import numpy as np

from fanxing_core import _explain, _forest
from fanxing_core.artefact import Artefact, NodeFlag
from fanxing_core.errors import ModelError

SPLIT = np.dtype(
    [
        ("threshold", "<f8"),
        ("share", "<f8"),
        ("above_share", "<f8"),
        ("value", "<u4"),
        ("flags", "<u4"),
        ("category_set", "<u4"),
        ("slot", "<u4"),
        ("children", "<u4"),
        ("above", "<u4"),
    ]
)
LEAF = np.dtype([("value", "<f8"), ("slot", "<u8")])
_SPECIAL = 2 * NodeFlag.CATEGORY_RIGHT
"""The flag of splits that `<` cannot answer, though they may have no other."""

assert SPLIT.itemsize == _explain.SPLIT_BYTES, "a split is written twice, and both agree"
assert LEAF.itemsize == _explain.LEAF_BYTES, "and so is a leaf"


class Explainer:
    """A checked artefact made ready to explain rows, in linear time and memory. Safe to share between threads.

    ModelError where the artefact has no covers. Where a split's covers are both 0 its children share equally.
    `portable` leaves wide registers unused; the bits are the same.
    """

    def __init__(self, artefact: Artefact, *, portable: bool = False) -> None:
        if not len(artefact.covers):
            raise ModelError("the model cannot be explained: its library kept no covers")
        self.features, self.outputs = artefact.features, artefact.outputs
        self._kernel = _kernel(artefact, portable=portable)

    def explain(self, rows: np.ndarray) -> np.ndarray:
        """Exact SHAP values of rows (n, features): float64 (n, outputs, features + 1), of one output (n, features + 1).

        First what each feature adds to the margin (path-dependent TreeSHAP, Lundberg et al. 2020, as `pred_contrib` of
        LightGBM and `pred_contribs` of XGBoost), last the margin that the training rows have on average, so that they
        sum up to the row's margin before any rounding to float32. ValueError for another
        shape, TypeError for another kind of numbers.
        """
        checked = _forest.as_rows(rows, self.features, 2).astype(np.float64, copy=False)
        out = np.empty((len(checked), self.outputs, self.features + 1))
        if len(checked):
            self._kernel.explain(checked, out, np.empty(self._kernel.scratch_size))
        return out[:, 0] if self.outputs == 1 else out


def explain(artefact: Artefact, rows: np.ndarray) -> np.ndarray:
    """`Explainer(artefact).explain(rows)`, for once; who explains more keeps the Explainer."""
    return Explainer(artefact).explain(rows)


def _kernel(artefact: Artefact, *, portable: bool) -> _explain.Kernel:
    """The forest as the kernel reads it: tree by tree, those of an output together, splits and leaves apart."""
    nodes = artefact.nodes
    feature, left = np.ascontiguousarray(nodes["feature"]), np.ascontiguousarray(nodes["left"])
    by_output = np.argsort(artefact.tree_outputs, kind="stable")
    tree, above, distinct = (np.zeros(len(nodes), "u4") for _ in range(3))
    kept, reach = np.zeros(len(nodes)), np.zeros(len(nodes))
    share = _shares(artefact, left)
    _explain.trace(artefact.roots[by_output], feature, left, share, tree, above, kept, reach, distinct)

    order = np.argsort(tree, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(tree))))
    slot = np.empty(len(nodes), "u4")
    slot[order] = np.arange(len(nodes)) - starts[tree[order]]
    inner, leaf = order[feature[order] >= 0], order[feature[order] < 0]
    columns, place = np.unique(feature[inner], return_inverse=True)

    splits, leaves = np.zeros(len(inner), SPLIT), np.zeros(len(leaf), LEAF)
    splits["threshold"], splits["flags"] = _questions(nodes[inner])
    splits["value"] = 2 * place + ((nodes["flags"][inner] & NodeFlag.MISSING_LEFT) == 0)
    splits["category_set"] = nodes["category_set"][inner]
    splits["share"], splits["above_share"], splits["above"] = share[left[inner]], kept[above[inner]], slot[above[inner]]
    splits["slot"], splits["children"] = slot[inner], slot[left[inner]]
    leaves["value"], leaves["slot"] = nodes["threshold"][leaf], slot[leaf]

    outputs = artefact.tree_outputs[by_output]
    means = np.bincount(outputs[tree[leaf]], reach[leaf] * leaves["value"], artefact.outputs)
    with np.errstate(over="ignore"):
        expectations = (artefact.base + means) / artefact.margin_divisor
    return _explain.Kernel(
        splits=splits,
        leaves=leaves,
        tree_starts=np.stack([_starts(tree[part], len(outputs)) for part in (inner, leaf)], axis=1).astype("u4"),
        output_starts=_starts(outputs, artefact.outputs).astype("u4"),
        columns=columns.astype("u4"),
        category_offsets=artefact.category_offsets,
        category_words=artefact.category_words,
        rule=_gauss_legendre(_points(int(distinct.max()))),
        expectations=expectations,
        divisor=artefact.margin_divisor,
        comparison=artefact.comparison,
        slots=int(np.diff(starts).max()),
        features=artefact.features,
        portable=portable,
    )


def _questions(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and flags of splits: `<` and no flag is quick to ask, so `x <= t` becomes `x < the next number`."""
    threshold, flags = nodes["threshold"], nodes["flags"]
    special = np.isinf(threshold) | ((flags & (NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT)) != 0)
    with np.errstate(over="ignore"):
        strict = np.where(flags & NodeFlag.LESS_EQUAL, np.nextafter(threshold, np.inf), threshold)
    return np.where(special, threshold, strict), np.where(special, flags | _SPECIAL, 0)


def _starts(groups: np.ndarray, count: int) -> np.ndarray:
    """Where each of the groups 0 to count - 1 begins in a sorted array of them, and where the last one ends."""
    return np.searchsorted(groups, np.arange(count + 1))


def _shares(artefact: Artefact, left: np.ndarray) -> np.ndarray:
    """Of the training rows at a node's parent, the part that came to it, float64 (nodes,). Siblings' add up to 1."""
    half = artefact.covers / 2  # two covers may be more than a float holds
    shares = np.ones(len(half))
    first = left[~artefact.is_leaf].astype("i8")
    total = half[first] + half[first + 1]
    shares[first] = np.divide(half[first], total, out=np.full(len(first), 0.5), where=total > 0)
    shares[first + 1] = 1 - shares[first]
    return shares


def _points(features: int) -> int:
    """Half as many as a path has features, in whole registers: four, eight, and eights from there on."""
    step = 8 if features > 8 else 4
    return max(1, -(-features // (2 * step))) * step


@lru_cache
def _gauss_legendre(points: int) -> np.ndarray:
    """Times and weights on [0, 1], float64 (2, points), rounded once, so that they are the same on every machine.

    Newton's method on the Legendre polynomial, with the usual first guess (Press et al., Numerical Recipes, gauleg).
    """
    rule = np.empty((2, points))
    with localcontext(prec=40):
        for place in range(points):
            x = Decimal(cos(pi * (place + 0.75) / (points + 0.5)))
            for _ in range(6):
                before, value = Decimal(0), Decimal(1)
                for degree in range(points):
                    before, value = value, ((2 * degree + 1) * x * value - degree * before) / (degree + 1)
                slope = points * (x * value - before) / (x * x - 1)
                x -= value / slope
            rule[:, place] = float((1 + x) / 2), float(1 / ((1 - x * x) * slope * slope))
    return rule
