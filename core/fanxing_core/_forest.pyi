from collections.abc import Sequence
from typing import Any

import numpy as np

from fanxing_core.artefact import Artefact
from fanxing_core.columns import Columns

MACHINES: tuple[str, ...]
BEST: int

class Walk:
    machine: int
    features: int
    outputs: int
    depth: int
    def __init__(self, artefact: Artefact, columns: Columns, machine: int) -> None: ...
    def predict_margin(self, rows: Any) -> np.ndarray: ...
    def predict(self, rows: Any) -> np.ndarray: ...

class PanelWalk:
    def __init__(self, columns: Walk, walks: Sequence[Walk], picks: Sequence[np.ndarray]) -> None: ...
    def predicted(self, row: Any, margins_only: bool) -> np.ndarray: ...

def as_rows(rows: Any, features: int, dimensions: int) -> np.ndarray: ...
