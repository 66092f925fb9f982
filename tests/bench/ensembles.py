"""What is raced on: ensembles grown by chance, as XGBoost and LightGBM files of the same trees, rows and answers.

Nothing is trained, so size is free. Cuts lie on a grid as histogram trainers leave them, half of the columns on it too,
so that values tie with cuts; a tenth of the values is missing. Answers come from a walk of our own, not from a racer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.bench.formats import Tree, as_lightgbm, as_xgboost

GRID = 200
MISSING = 0.1
EARLY_LEAF = 0.05
ROOT_COVER = 1 << 24
"""Training rows, as many as a float32 counts."""


@dataclass(frozen=True)
class Size:
    """So many trees, so deep, of so many features; in a panel so many models that read a row of `wide` columns."""

    trees: int
    depth: int
    features: int
    models: int = 1
    wide: int = 0

    def __str__(self) -> str:
        panel = f"{self.models} models, {self.wide:,} columns, each " if self.wide else ""
        return f"{panel}{self.trees} trees, depth {self.depth}, {self.features} features"


def grow(rng: np.random.Generator, size: Size) -> Tree:
    """A tree with a few branches cut short; its cuts part what is still reachable."""
    rows, level = [], [({}, ROOT_COVER)]
    placed = 1
    for depth in range(size.depth + 1):
        below = []
        for box, cover in level:
            feature = int(size.features * rng.random() ** 1.5)  # some matter more
            low, high = box.get(feature, (0, GRID))
            is_early = depth > size.depth // 2 and rng.random() < EARLY_LEAF
            if depth == size.depth or is_early or high - low < 2 or cover < 2:
                rows.append((-1, 0.0, 0, False, 0.05 * rng.standard_normal(), cover))
                continue
            cut = int(rng.integers(low + 1, high))
            to_left = min(max(1, cover * (cut - low) // (high - low)), cover - 1)
            rows.append((feature, cut / GRID, placed + len(below), rng.random() < 0.5, 0.0, cover))
            below.append((box | {feature: (low, cut)}, to_left))
            below.append((box | {feature: (cut, high)}, cover - to_left))
        placed += len(below)
        level = below
    kinds = ("i8", "f4", "i8", "?", "f4", "i8")
    return Tree(*(np.array(column, dtype=kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)))


def some_rows(rng: np.random.Generator, count: int, features: int) -> np.ndarray:
    """Rows, float32 (count, features)."""
    rows = rng.random((count, features), dtype=np.float32)
    rows[:, ::2] = np.floor(rows[:, ::2] * GRID) / np.float32(GRID)
    rows[rng.random(rows.shape) < MISSING] = np.nan
    return rows


def margins(trees: Sequence[Tree], rows: np.ndarray) -> np.ndarray:
    """Sums of leaves, float64 (n,)."""
    sums, every = np.zeros(len(rows)), np.arange(len(rows))
    for tree in trees:
        places = np.zeros(len(rows), dtype="i8")
        while (inner := tree.feature[places] >= 0).any():
            values = rows[every, tree.feature[places]]
            left = np.where(np.isnan(values), tree.missing_left[places], values < tree.cut[places])
            places = np.where(inner, tree.left[places] + ~left, places)
        sums += tree.leaf[places]
    return sums


def write(folder: Path, size: Size, count: int, seed: int = 0) -> None:
    """Models, and of a panel their columns, `count` rows, and the margins of each model (count, models)."""
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, count, size.wide or size.features)
    columns = [
        np.sort(rng.choice(size.wide, size.features, replace=False)) if size.wide else np.arange(size.features)
        for _ in range(size.models)
    ]
    answers = []
    for model, own in enumerate(columns):
        trees = [grow(rng, size) for _ in range(size.trees)]
        (folder / f"{model}.xgb.json").write_text(as_xgboost(trees, size.features))
        (folder / f"{model}.lgb.txt").write_text(as_lightgbm(trees, size.features))
        answers.append(margins(trees, rows[:, own]))
    for name, array in (("rows", rows), ("columns", columns), ("margins", np.stack(answers, 1))):
        np.save(folder / f"{name}.npy", np.asarray(array))
