"""The plain walk over an artefact, written to be read: what every other walk must equal to the bit; and rows to try."""

import numpy as np

from fanxing_core.artefact import Artefact, NodeFlag


def margins(artefact: Artefact, rows: np.ndarray) -> np.ndarray:
    """Sums of leaves, float64 (n, outputs), of rows (n, features)."""
    comparison, total = (np.dtype(f"f{bits // 8}") for bits in (artefact.comparison, artefact.sum))
    with np.errstate(over="ignore"):
        values = np.asarray(rows).astype(comparison)
    sums = np.tile(artefact.base.astype(total), (len(rows), 1))
    for root, output in zip(artefact.roots, artefact.tree_outputs, strict=True):
        leaves = _leaves(artefact, int(root), values)
        sums[:, output] += artefact.nodes["threshold"][leaves].astype(total)
    if artefact.margin_divisor != 1:
        sums /= total.type(artefact.margin_divisor)
    return sums.astype("f8")


def _leaves(artefact: Artefact, root: int, values: np.ndarray) -> np.ndarray:
    """Which leaf each row comes to, (n,)."""
    places = np.full(len(values), root)
    travelling = np.arange(len(values))
    while True:
        travelling = travelling[artefact.nodes["feature"][places[travelling]] >= 0]
        if not len(travelling):
            return places
        nodes = artefact.nodes[places[travelling]]
        left = _goes_left(artefact, nodes, values[travelling, nodes["feature"]])
        places[travelling] = nodes["left"] + ~left


def _goes_left(artefact: Artefact, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    def has(flag: NodeFlag) -> np.ndarray:
        return (nodes["flags"] & flag) != 0

    thresholds = nodes["threshold"].astype(values.dtype)
    left = np.where(has(NodeFlag.LESS_EQUAL), values <= thresholds, values < thresholds)
    categorical = np.flatnonzero(has(NodeFlag.CATEGORY_LEFT) | has(NodeFlag.CATEGORY_RIGHT))
    if len(categorical):
        within = _in_set(artefact, nodes[categorical], values[categorical])
        left[categorical] = within == has(NodeFlag.CATEGORY_LEFT)[categorical]
    return np.where(np.isnan(values), has(NodeFlag.MISSING_LEFT), left)


def _in_set(artefact: Artefact, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether each value, cut towards zero, is in its node's set.

    LightGBM (its sets go left) takes -0.5 for category 0; XGBoost (its sets go right) takes whatever is below zero for
    no category.
    """
    sets = nodes["category_set"].astype("i8")
    starts = artefact.category_offsets[sets].astype("i8")
    bits = 32 * (artefact.category_offsets[sets + 1].astype("i8") - starts)
    lightgbm = (nodes["flags"] & NodeFlag.CATEGORY_LEFT) != 0
    real = np.where(lightgbm, values > -1, values >= 0) & (values < bits) & (bits > 0)  # NaN is neither
    category = np.where(real, values, 0).astype("i8")
    words = artefact.category_words[np.where(real, starts + category // 32, 0)] if len(artefact.category_words) else 0
    return real & ((words >> (category % 32).astype("u4") & 1) == 1)


def trying_rows(artefact: Artefact, count: int, seed: int = 0) -> np.ndarray:
    """Rows, float64 (count, features): at cuts and beside them, missing, extreme, zeros of either sign, odd sets."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, artefact.features))
    nodes = artefact.nodes
    categorical = (nodes["flags"] & (NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT)) != 0
    for feature in range(artefact.features):
        here = nodes["feature"] == feature
        cuts = nodes["threshold"][here & ~categorical & np.isfinite(nodes["threshold"])]
        odd = np.array([0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38, 1.0])
        if (here & categorical).any():
            sets = nodes["category_set"][here & categorical].astype("i8")
            most = int(np.diff(artefact.category_offsets.astype("i8"))[sets].max()) * 32
            cuts = rng.integers(-3, most + 3, size=200).astype("f8")
            odd = np.array([-0.0, -0.5, 0.5, 3.99, -1.5, 1e6, 3e9, -3e9])
        near = cuts.astype("f4")
        around = [near, np.nextafter(near, np.float32(9e9)), np.nextafter(near, np.float32(-9e9))]
        if artefact.comparison == 64:
            around += [cuts, np.nextafter(cuts, 9e99), np.nextafter(cuts, -9e99)]
        if len(cuts):
            rows[:, feature] = rng.choice(np.concatenate(around).astype("f8"), size=count)
        column = rows[:, feature]
        strange = rng.random(count) < 0.1
        column[strange] = rng.choice(odd, size=int(strange.sum()))
        column[rng.random(count) < 0.1] = np.nan
    return rows
