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
    """Numeric columns first, in the order of their features, then one for each category question.

    features int32 (numeric + questions,): where in the row each reads. cuts float64 (all,): the numeric columns' cuts
    behind each other; cut_starts int64 (numeric + 1,). questions int32 (questions, 2): category set and node flags.
    node_columns int32 and node_bins uint8, one an inner node and 0 in leaves: a row goes right where its byte, plus one
    where missing goes left, is at least the bin.
    """

    features: np.ndarray
    cuts: np.ndarray
    cut_starts: np.ndarray
    questions: np.ndarray
    node_columns: np.ndarray
    node_bins: np.ndarray

    @classmethod
    def given(cls, count: int, node_columns: np.ndarray, node_bins: np.ndarray) -> "Columns":
        """So many columns whose bytes come from elsewhere."""
        return cls(
            features=np.zeros(count, "<i4"),
            cuts=np.empty(0),
            cut_starts=np.zeros(1, "<i8"),
            questions=np.empty((0, 2), "<i4"),
            node_columns=node_columns,
            node_bins=node_bins,
        )

    @property
    def count(self) -> int:
        """Bytes of a row."""
        return len(self.features)

    @property
    def numeric(self) -> int:
        """How many count cuts."""
        return len(self.cut_starts) - 1

    def in_lines(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cuts for counting, padded with NaN, which nothing reaches.

        Where each numeric column's lines begin int64 (numeric,), in lines; the lines' first cuts float64
        (numeric * LINES_MAX,); the lines float64.
        """
        counts = np.diff(self.cut_starts)
        line_counts = np.maximum(1, -(-counts // LINE))
        starts = np.cumsum(line_counts) - line_counts
        lines = np.full(int(line_counts.sum()) * LINE, np.nan)
        within = np.arange(len(self.cuts)) - np.repeat(self.cut_starts[:-1], counts)
        lines[np.repeat(starts * LINE, counts) + within] = self.cuts
        pivots = np.full((self.numeric, LINES_MAX), np.nan)
        column = np.repeat(np.arange(self.numeric), line_counts)
        pivots[column, np.arange(len(column)) - starts[column]] = lines[::LINE]
        return starts.astype("i8"), pivots.reshape(-1), lines


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
    cut, feature = _cuts(artefact, nodes[numeric]), nodes["feature"][numeric]
    order = np.lexsort((cut, feature))
    numeric, cut, feature = numeric[order], cut[order], feature[order]
    starts_feature = _changes(feature)
    never = np.isnan(cut)  # sorted behind the others of its feature
    is_new = (starts_feature | _changes(cut)) & ~never
    number = np.cumsum(is_new) - 1  # of the cut among all
    of_feature = np.cumsum(starts_feature) - 1
    first = np.concatenate(([0], np.cumsum(np.bincount(of_feature, is_new)).astype("i8")))
    within = np.where(never, 0, number - first[of_feature])
    starts_column = starts_feature | (is_new & (within % CUTS_MAX == 0) & (within > 0))
    columns = np.cumsum(starts_column) - 1

    node_columns, node_bins = np.zeros(len(nodes), "<i4"), np.zeros(len(nodes), "u1")
    missing_left = (nodes["flags"][numeric] & NodeFlag.MISSING_LEFT) != 0
    node_columns[numeric] = columns
    node_bins[numeric] = np.where(never, NEVER, within % CUTS_MAX + 1) + missing_left
    count = int(starts_column.sum())
    questions = _ask(artefact, np.flatnonzero(categorical), count, node_columns, node_bins)
    return Columns(
        features=np.concatenate((feature[starts_column], questions[:, 2])).astype("<i4"),
        cuts=cut[is_new],
        cut_starts=np.concatenate(([0], np.cumsum(np.bincount(columns, is_new, count)))).astype("<i8"),
        questions=np.ascontiguousarray(questions[:, :2], dtype="<i4"),
        node_columns=node_columns,
        node_bins=node_bins,
    )


def _changes(values: np.ndarray) -> np.ndarray:
    """Where a value differs from the one before, the first included."""
    return np.concatenate(([True], values[1:] != values[:-1]))[: len(values)]


def _cuts(artefact: Artefact, nodes: np.ndarray) -> np.ndarray:
    """The least value that goes right at each node, as float64; NaN where none does."""
    precision = np.float32 if artefact.comparison == 32 else np.float64
    threshold = nodes["threshold"].astype(precision)
    less_equal = (nodes["flags"] & NodeFlag.LESS_EQUAL) != 0
    with np.errstate(over="ignore"):  # what goes right of the largest number is infinite
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
