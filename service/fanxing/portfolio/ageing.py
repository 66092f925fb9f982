"""How late a loan is: days past due from its schedule and what was paid."""

from collections.abc import Sequence
from datetime import date

from fanxing.lending.offer import Instalment


def due_fen(instalments: Sequence[Instalment], day: date) -> int:
    """Principal and interest, in fen, that were due on or before `day`."""
    return sum(each.principal_fen + each.interest_fen for each in instalments if each.due_on <= day)


def days_past_due(instalments: Sequence[Instalment], paid_fen: int, day: date) -> int:
    """Days from the due day of the oldest instalment that `paid_fen` does not cover, to `day`; 0 when none is late.

    Payments cover instalments in the order in which they fall due. An instalment is late from the day after it is due.
    """
    left = paid_fen
    for each in sorted(instalments, key=lambda instalment: instalment.number):
        left -= each.principal_fen + each.interest_fen
        if left < 0:
            return max(0, (day - each.due_on).days)
    return 0
