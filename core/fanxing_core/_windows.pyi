import numpy as np

LANES: int
BEST: int
GROUP: np.dtype[np.void]
WINDOW: np.dtype[np.void]
QUESTION: np.dtype[np.void]

class StateError(ValueError): ...

def checksum(content: bytes) -> int: ...

class Calendar:
    def __init__(
        self,
        *,
        windows: np.ndarray,
        cuts: np.ndarray,
        months: np.ndarray,
        week: int,
        today: int,
        day_facets: np.ndarray,
        hour_cuts: np.ndarray,
        hour_facets: np.ndarray,
        amount_cuts: np.ndarray,
        amount_facets: np.ndarray,
        round_fen: int,
        counted: int,
        facets: dict[str, int],
    ) -> None: ...

class Plan:
    outputs: int
    def __init__(self, groups: np.ndarray, starts: np.ndarray, questions: np.ndarray, counts: int) -> None: ...
    def answer(self, state: bytes, calendar: Calendar, machine: int = ...) -> np.ndarray: ...
