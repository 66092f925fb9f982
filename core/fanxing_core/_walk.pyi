import numpy as np

NODE_BYTES: int

def walk_float64(roots: np.ndarray, nodes: np.ndarray, base: float, rows: np.ndarray, out: np.ndarray) -> None: ...
