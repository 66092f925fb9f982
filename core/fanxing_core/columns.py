"""Columns: what the walks compare. A row becomes one byte a column, once, and every node compares bytes.

A feature's cuts, sorted, are numbered; the byte of a value is how many of them are at most the value, so `x < t` is
"byte < the number of the cut above it". NaN is 255. A feature with more cuts than a byte holds has several columns,
each counting a range of them. A node that asks for a category set has a column of its own: 1 where it goes right.
"""

from dataclasses import dataclass

import numpy as np

from fanxing_core.artefact import Artefact, NodeFlag

CUTS_MAX = 253
"""Counts 0 to 253, one more where missing goes left (then NaN wraps to 0), and 255 for NaN."""
NEVER = CUTS_MAX + 1
"""The bin that no value reaches, only NaN."""
LINE = 16
"""Cuts are counted in lines of so many: first the line is found by its first cut, then the place in it."""
LINES_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Plain features come first, one column each; then the split ones; then one column for each category question.

    features int32 (plain + split + questions,): where in the row each reads. first_column int32, alike.
    cuts float64 (all,): the cuts of plain and split features behind each other; cut_starts int64 (plain + split + 1,).
    questions int32 (questions, 2): category set and node flags.
    node_columns int32 and node_bins uint8, one an inner node and 0 in leaves: a row goes right where its byte, plus one
    where missing goes left, is at least the bin.
    """

    plain: int
    split: int
    count: int
    features: np.ndarray
    first_column: np.ndarray
    cuts: np.ndarray
    cut_starts: np.ndarray
    questions: np.ndarray
    node_columns: np.ndarray
    node_bins: np.ndarray

    @classmethod
    def given(cls, count: int, node_columns: np.ndarray, node_bins: np.ndarray) -> "Columns":
        """Columns whose bytes come from elsewhere."""
        none = np.empty(0, "<i4")
        return cls(
            plain=0,
            split=0,
            count=count,
            features=none,
            first_column=none,
            cuts=np.empty(0),
            cut_starts=np.zeros(1, "<i8"),
            questions=none.reshape(0, 2),
            node_columns=node_columns,
            node_bins=node_bins,
        )

    def in_lines(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Plain features' cuts for counting, and the split features' as they are.

        Where each plain one's lines begin int64 (plain,), in lines; the lines' first cuts float64 (plain * LINE,); the
        lines float64, both padded with NaN; the split features' cuts float64.
        """
        counts = np.diff(self.cut_starts)[: self.plain]
        ends = np.cumsum(np.maximum(1, -(-counts // LINE)))
        starts = np.concatenate(([0], ends))[:-1].astype("i8")
        lines = np.full((int(ends[-1]) if self.plain else 0) * LINE, np.nan)
        last = int(self.cut_starts[self.plain])
        within = np.arange(last) - np.repeat(self.cut_starts[: self.plain], counts)
        lines[np.repeat(starts * LINE, counts) + within] = self.cuts[:last]
        pivots = np.full((self.plain, LINES_MAX), np.nan)
        firsts = lines[::LINE]
        feature = np.repeat(np.arange(self.plain), np.diff(np.append(starts, len(firsts))))
        pivots[feature, np.arange(len(firsts)) - starts[feature]] = firsts
        return starts, pivots.reshape(-1), lines, self.cuts[last:]

    def split_starts(self) -> np.ndarray:
        """int64 (split + 1,): where each split feature's cuts begin among the split ones."""
        return np.ascontiguousarray(self.cut_starts[self.plain :] - self.cut_starts[self.plain])


def rounded_up(cuts: np.ndarray) -> np.ndarray:
    """The least float32 that is at least the cut: what a float32 must reach to reach the cut."""
    with np.errstate(over="ignore"):
        near = cuts.astype("f4")
        return np.where(near < cuts, np.nextafter(near, np.float32(np.inf)), near)


def columns_of(artefact: Artefact) -> Columns:
    """The columns of a forest, in time n log n of its nodes."""
    nodes = artefact.nodes
    categorical = (nodes["flags"] & (NodeFlag.CATEGORY_LEFT | NodeFlag.CATEGORY_RIGHT)) != 0
    numeric = np.flatnonzero(~artefact.is_leaf & ~categorical)
    cut = _cuts(artefact, nodes[numeric])
    feature = nodes["feature"][numeric]
    order = np.lexsort((cut, feature))
    sorted_feature, sorted_cut = feature[order], cut[order]
    starts_feature = np.append(True, sorted_feature[1:] != sorted_feature[:-1])[: len(order)]
    is_new = (starts_feature | np.append(True, sorted_cut[1:] != sorted_cut[:-1])[: len(order)]) & ~np.isnan(sorted_cut)
    used = sorted_feature[starts_feature]
    of_feature = np.cumsum(starts_feature) - 1
    counts = np.bincount(of_feature, is_new, len(used)).astype("i8")
    starts = np.concatenate(([0], np.cumsum(counts)))
    number = np.cumsum(is_new) - 1 - starts[of_feature]  # of the cut within its feature

    is_split = counts > CUTS_MAX
    by_kind = np.argsort(is_split, kind="stable")
    widths = np.where(is_split, -(-counts // CUTS_MAX), 1)[by_kind]
    first = np.concatenate(([0], np.cumsum(widths)))
    column_of_feature = np.empty(len(used), "i8")
    column_of_feature[by_kind] = first[:-1]

    node_columns, node_bins = np.zeros(len(nodes), "<i4"), np.zeros(len(nodes), "u1")
    missing_left = (nodes["flags"][numeric[order]] & NodeFlag.MISSING_LEFT) != 0
    is_never = np.isnan(sorted_cut)
    node_columns[numeric[order]] = column_of_feature[of_feature] + np.where(is_never, 0, number // CUTS_MAX)
    node_bins[numeric[order]] = np.where(is_never, NEVER, number % CUTS_MAX + 1) + missing_left
    questions = _ask(artefact, np.flatnonzero(categorical), int(first[-1]), node_columns, node_bins)
    kept = sorted_cut[is_new]
    cuts = [kept[starts[place] : starts[place + 1]] for place in by_kind]
    return Columns(
        plain=int((~is_split).sum()),
        split=int(is_split.sum()),
        count=int(first[-1]) + len(questions),
        features=np.concatenate((used[by_kind], questions[:, 2])).astype("<i4"),
        first_column=np.concatenate((first[:-1], first[-1] + np.arange(len(questions)))).astype("<i4"),
        cuts=np.concatenate([*cuts, np.empty(0)]),
        cut_starts=np.concatenate(([0], np.cumsum(counts[by_kind]))).astype("<i8"),
        questions=np.ascontiguousarray(questions[:, :2], dtype="<i4"),
        node_columns=node_columns,
        node_bins=node_bins,
    )


def _cuts(artefact: Artefact, nodes: np.ndarray) -> np.ndarray:
    """The least value that goes right at each node, as float64; NaN where none does."""
    precision = np.float32 if artefact.comparison == 32 else np.float64
    threshold = nodes["threshold"].astype(precision)
    less_equal = (nodes["flags"] & NodeFlag.LESS_EQUAL) != 0
    above = np.where(less_equal, np.nextafter(threshold, precision(np.inf)), threshold).astype("f8")
    above[less_equal & (threshold == np.inf)] = np.nan
    return above + 0.0  # -0.0 and 0.0 are one cut


def _ask(
    artefact: Artefact, places: np.ndarray, first: int, node_columns: np.ndarray, node_bins: np.ndarray
) -> np.ndarray:
    """One column for each distinct question of the category nodes: rows (category set, flags, feature)."""
    nodes = artefact.nodes[places]
    asked = np.stack([nodes["category_set"], nodes["flags"], nodes["feature"]], axis=1).astype("i8").reshape(-1, 3)
    questions, which = np.unique(asked, axis=0, return_inverse=True)
    node_columns[places] = first + which.reshape(-1)
    node_bins[places] = 1
    return questions
