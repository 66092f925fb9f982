"""Panel: many forests scored from one wide row in one call."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fanxing_core import _forest
from fanxing_core.artefact import FEATURES_MAX, Artefact
from fanxing_core.columns import Columns, columns_of
from fanxing_core.errors import ModelError
from fanxing_core.forest import Forest


class Panel:
    """Forests and, for each, where its features stand in the wide row.

    Each distinct column becomes bytes once for all forests that compare values in the same precision.
    """

    def __init__(self, forests: Sequence[Forest], columns: Sequence[np.ndarray], wide: int) -> None:
        """`columns`: for each forest integers (features,) below `wide`, the length of a row; else ModelError."""
        _check(forests, columns, wide)
        self.features = wide
        alike = [
            [place for place, forest in enumerate(forests) if forest.artefact.comparison == bits] for bits in (32, 64)
        ]
        self._walks = [
            _walk([forests[place] for place in places], [columns[place] for place in places], wide)
            for places in alike
            if places
        ]
        ends = np.cumsum([forest.outputs for forest in forests])
        walked = [np.arange(ends[place] - forests[place].outputs, ends[place]) for places in alike for place in places]
        self._from = np.argsort(np.concatenate(walked))

    def predict(self, row: np.ndarray) -> np.ndarray:
        """Predictions of one row, float32 or float64 (wide,), NaN where missing: float64, outputs behind each other."""
        return self._predicted(row, margins_only=False)

    def predict_margin(self, row: np.ndarray) -> np.ndarray:
        """Margins, alike."""
        return self._predicted(row, margins_only=True)

    def _predicted(self, row: np.ndarray, *, margins_only: bool) -> np.ndarray:
        answers = [walk.predicted(row, margins_only) for walk in self._walks]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)[self._from]


def _walk(forests: Sequence[Forest], columns: Sequence[np.ndarray], wide: int) -> _forest.PanelWalk:
    """Of forests that compare in the same precision."""
    merged = _merged([forest.artefact for forest in forests], columns, wide)
    together = columns_of(merged)
    walks, picks, start = [], [], 0
    for forest in forests:
        end = start + len(forest.artefact.nodes)
        own = _own(together, forest.artefact, start, end)
        picks.append(own[0])
        walks.append(_forest.Walk(forest.artefact, own[1], forests[0].machine))
        start = end
    bins = _forest.Walk(replace(merged, roots=np.empty(0, "<u4")), together, forests[0].machine)
    return _forest.PanelWalk(bins, walks, picks)


def _check(forests: Sequence[Forest], columns: Sequence[np.ndarray], wide: int) -> None:
    if not forests or len(forests) != len(columns):
        raise ModelError("a panel needs forests, and columns for each")
    if wide > FEATURES_MAX:
        raise ModelError(f"a row has at most {FEATURES_MAX} columns")
    for place, (forest, own) in enumerate(zip(forests, columns, strict=True)):
        if np.shape(own) != (forest.features,) or not np.issubdtype(np.asarray(own).dtype, np.integer):
            raise ModelError(f"forest {place} of the panel reads {forest.features} columns, not {np.shape(own)}")
        if not 0 <= np.min(own) <= np.max(own) < wide:
            raise ModelError(f"a column of forest {place} lies outside of the row")


def _merged(artefacts: Sequence[Artefact], columns: Sequence[np.ndarray], wide: int) -> Artefact:
    """One artefact of all nodes, with features that are places in the wide row; only good for its columns."""
    nodes, sets = [], 0
    for artefact, own in zip(artefacts, columns, strict=True):
        part = artefact.nodes.copy()
        inner = ~artefact.is_leaf
        part["feature"][inner] = np.asarray(own)[part["feature"][inner]]
        part["category_set"] += sets
        sets += len(artefact.category_offsets) - 1
        nodes.append(part)
    lengths = np.concatenate([np.diff(artefact.category_offsets) for artefact in artefacts])
    return replace(
        artefacts[0],
        features=wide,
        nodes=np.concatenate(nodes),
        category_offsets=np.concatenate(([0], np.cumsum(lengths))).astype("<u4"),
        category_words=np.concatenate([artefact.category_words for artefact in artefacts]),
    )


def _own(together: Columns, artefact: Artefact, start: int, end: int) -> tuple[np.ndarray, Columns]:
    """The columns among all that a forest's nodes [start, end) read, and its nodes by their own numbers."""
    of_nodes = together.node_columns[start:end]
    inner = ~artefact.is_leaf
    picks, numbers = np.unique(of_nodes[inner], return_inverse=True)
    own = np.zeros(len(of_nodes), "<i4")
    own[inner] = numbers
    bins = np.ascontiguousarray(together.node_bins[start:end])
    return picks, Columns.given(len(picks), own, bins)
