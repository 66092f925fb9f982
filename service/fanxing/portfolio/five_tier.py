"""The five-tier classes by days past due, and the share of loans that do not perform."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class FiveTier(StrEnum):
    """The five classes of a loan, best first."""

    NORMAL = "NORMAL"
    SPECIAL_MENTION = "SPECIAL_MENTION"
    SUBSTANDARD = "SUBSTANDARD"
    DOUBTFUL = "DOUBTFUL"
    LOSS = "LOSS"


NON_PERFORMING = frozenset({FiveTier.SUBSTANDARD, FiveTier.DOUBTFUL, FiveTier.LOSS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A loan is in a class when it is more days past due than the class's threshold.

    The defaults are those of China's rules on the risk classification of commercial banks' financial assets (CBIRC and
    PBoC order 1 of 2023, in force since 2023-07-01).
    """

    special_mention_days: int = 0
    substandard_days: int = 90
    doubtful_days: int = 270
    loss_days: int = 360

    def __post_init__(self) -> None:
        days = (self.special_mention_days, self.substandard_days, self.doubtful_days, self.loss_days)
        assert 0 <= days[0] < days[1] < days[2] < days[3], "thresholds rise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A loan in a portfolio: what is outstanding, in fen, and how late it is."""

    outstanding_fen: int
    days_past_due: int


def classify(days_past_due: int, thresholds: Thresholds) -> FiveTier:
    """The class of a loan by its days past due alone."""
    floors = (
        (FiveTier.LOSS, thresholds.loss_days),
        (FiveTier.DOUBTFUL, thresholds.doubtful_days),
        (FiveTier.SUBSTANDARD, thresholds.substandard_days),
        (FiveTier.SPECIAL_MENTION, thresholds.special_mention_days),
    )
    return next((tier for tier, days in floors if days_past_due > days), FiveTier.NORMAL)


def npl_ratio(loans: Iterable[Exposed], thresholds: Thresholds, written_off_fen: int = 0) -> Decimal | None:
    """Outstanding of substandard, doubtful and loss loans over all outstanding; None when nothing is outstanding.

    `written_off_fen`, where given, is added back on both sides, so that writing off does not make a book look better.
    """
    bad_fen = total_fen = written_off_fen
    for loan in loans:
        total_fen += loan.outstanding_fen
        if classify(loan.days_past_due, thresholds) in NON_PERFORMING:
            bad_fen += loan.outstanding_fen
    return Decimal(bad_fen) / Decimal(total_fen) if total_fen else None
