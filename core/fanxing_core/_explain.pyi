import numpy as np

SPLIT_BYTES: int
LEAF_BYTES: int

def trace(
    roots: np.ndarray,
    features: np.ndarray,
    lefts: np.ndarray,
    share: np.ndarray,
    tree: np.ndarray,
    above: np.ndarray,
    kept: np.ndarray,
    reach: np.ndarray,
    distinct: np.ndarray,
) -> None: ...

class Kernel:
    scratch_size: int
    def __init__(
        self,
        splits: np.ndarray,
        leaves: np.ndarray,
        tree_starts: np.ndarray,
        output_starts: np.ndarray,
        columns: np.ndarray,
        category_offsets: np.ndarray,
        category_words: np.ndarray,
        rule: np.ndarray,
        expectations: np.ndarray,
        divisor: float,
        comparison: int,
        slots: int,
        features: int,
        portable: bool,
    ) -> None: ...
    def explain(self, rows: np.ndarray, out: np.ndarray, scratch: np.ndarray) -> None: ...
