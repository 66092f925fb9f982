"""What facts say: works before the door, debts outside, what was asked for."""

from collections.abc import Iterable
from datetime import date

from fanxing.facts import Fact, FactKind, WorksKind

_EPOCH = date(1970, 1, 1).toordinal()
_MONTH_DAYS = 30.4375
Values = dict[str, float | None]


def works(facts: Iterable[Fact], frontage: float, today: int, term_months: int) -> Values:
    """Share of the term's days, from `today` (since 1970), that works of a kind overlap, times frontage.

    Works of one kind at one time count once: the street is dug up or it is not.
    """
    term = max(1, round(term_months * _MONTH_DAYS))
    values: Values = {}
    for kind in WorksKind:
        covered: set[int] = set()
        for fact in facts:
            if fact.works is not None and fact.works.kind is kind:
                first = max(_day(fact.valid_from), today)
                last = today + term - 1 if fact.valid_to is None else min(_day(fact.valid_to), today + term - 1)
                covered.update(range(first, last + 1))
        values[f"works_{kind.lower()}_exposure"] = len(covered) / term * frontage
    return values


def debts(facts: tuple[Fact, ...], today: int) -> Values:
    """Debts that hold today; missing when none was ever asked for."""
    told = [fact for fact in facts if fact.kind is FactKind.DEBT]
    owed = [fact.debt for fact in told if fact.debt is not None and _holds(fact, today)]
    due = [debt for debt in owed if _day(debt.matures_on) >= today]
    return {
        "debt_asked": float(bool(told)),
        "credit_report_asked": float(any(fact.kind is FactKind.CREDIT_REPORT for fact in facts)),
        "debt_outside_fen": sum(debt.balance_fen for debt in due) if told else None,
        "debt_service_monthly_fen": sum(debt.monthly_service_fen for debt in due) if told else None,
    }


def _holds(fact: Fact, today: int) -> bool:
    return _day(fact.valid_from) <= today and (fact.valid_to is None or today <= _day(fact.valid_to))


def _day(day: date) -> int:
    return day.toordinal() - _EPOCH
