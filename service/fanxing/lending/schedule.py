"""What is due and when: equal instalments and interest-first, exact to the fen.

A month's interest is one twelfth of the annual rate on the balance, whatever the month's length; each amount is
computed exactly and rounded once (`money.round_fen`), and the last instalment takes what rounding left over.
"""

import calendar
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction

from fanxing.lending.offer import Instalment, RepaymentMethod
from fanxing.money import round_fen

MONTHS_PER_YEAR = 12


def schedule(
    principal_fen: int, annual_rate: Decimal, months: int, method: RepaymentMethod, from_day: date
) -> tuple[Instalment, ...]:
    """The instalments of a loan of `principal_fen` paid out on `from_day`, one a month for `months` months.

    `annual_rate` is nominal, as a fraction, not negative. The principals sum to `principal_fen`.
    """
    assert principal_fen > 0
    assert annual_rate >= 0
    assert months > 0
    parts = _PARTS[method](principal_fen, Fraction(annual_rate) / MONTHS_PER_YEAR, months)
    return tuple(
        Instalment(number=number, due_on=due_day(from_day, number), principal_fen=principal, interest_fen=interest)
        for number, (principal, interest) in enumerate(parts, 1)
    )


def due_day(from_day: date, months: int) -> date:
    """The same day of the month `months` later, or that month's last day; counted from `from_day`, so 31 comes back."""
    year, month = divmod(from_day.year * MONTHS_PER_YEAR + from_day.month - 1 + months, MONTHS_PER_YEAR)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(from_day.day, last))


def level_payment(principal_fen: int, monthly_rate: Fraction, months: int) -> Fraction:
    """The exact equal payment in fen: P i / (1 - (1 + i)^-n), or P / n without interest."""
    if monthly_rate == 0:
        return Fraction(principal_fen, months)
    growth = (1 + monthly_rate) ** months
    return principal_fen * monthly_rate * growth / (growth - 1)


def _equal_instalment(principal_fen: int, monthly_rate: Fraction, months: int) -> Iterator[tuple[int, int]]:
    payment = round_fen(level_payment(principal_fen, monthly_rate, months))
    balance = principal_fen
    for number in range(1, months + 1):
        interest = round_fen(balance * monthly_rate)
        principal = balance if number == months else min(balance, payment - interest)
        yield principal, interest
        balance -= principal


def _interest_first(principal_fen: int, monthly_rate: Fraction, months: int) -> Iterator[tuple[int, int]]:
    interest = round_fen(principal_fen * monthly_rate)
    for number in range(1, months + 1):
        yield principal_fen if number == months else 0, interest


_PARTS = {RepaymentMethod.EQUAL_INSTALMENT: _equal_instalment, RepaymentMethod.INTEREST_FIRST: _interest_first}
