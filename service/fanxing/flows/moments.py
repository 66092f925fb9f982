"""The moment of a call: the service's clock or the caller's, and never backwards for one merchant or controller."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from fanxing.errors import EffectiveTimeBackwards, EffectiveTimeForbidden, EffectiveTimeRequired, TimeInFuture
from fanxing.flows.ports import Now
from fanxing.institutions import Clock, Institution
from fanxing.merchants import Controller, Merchant

US_PER_SECOND = 1_000_000
TOLERANCE_US = 300 * US_PER_SECOND
"""How far clocks may differ before a time counts as lying in the future."""


def moment(institution: Institution, effective_us: int | None, now: Now) -> int:
    """The moment that a call stands for, in microseconds UTC."""
    if institution.clock is Clock.SYSTEM:
        if effective_us is not None:
            raise EffectiveTimeForbidden("this institution's clock is SYSTEM", field="effective_time")
        return now()
    if effective_us is None:
        raise EffectiveTimeRequired("this institution's clock is CALLER", field="effective_time")
    return effective_us


def tick(institution: Institution, merchant: Merchant, at_us: int, payments: int = 0) -> Merchant:
    """The merchant with its clock moved on to a call: what the call makes becomes known at its `last_known_us`.

    That is the moment of the call, or a microsecond after the newest record where that is later: a SYSTEM clock that
    jumped back is held, and calls that a caller dates alike are kept in their order. So what was known at the moment
    of a decision is what the decision saw, and nothing that came after it. `payments`: how many the call adds.
    """
    refuse_backwards(institution, at_us, merchant.last_told_us, f"merchant {merchant.merchant_id}")
    return replace(
        merchant,
        last_told_us=max(at_us, merchant.last_told_us),
        last_known_us=max(at_us, merchant.last_known_us + 1),
        payment_count=merchant.payment_count + payments,
        version=merchant.version + 1,
    )


def tick_lending(
    institution: Institution, merchant: Merchant, controller: Controller, at_us: int
) -> tuple[Merchant, Controller]:
    """`tick` for a decision or a credit line, which all shops of one controller share: after the newest of any of them.

    So a decision sees every line on record of whichever shop, and a line is dated after every decision that missed it.
    A CALLER dates them in order for all shops of a controller, or one shop's clock would run ahead of what it lives in.
    """
    last_told_us = max(merchant.last_told_us, controller.last_told_us)
    refuse_backwards(institution, at_us, last_told_us, f"merchant {merchant.merchant_id} or its controller")
    ticked = tick(institution, merchant, at_us)
    known_us = max(ticked.last_known_us, controller.last_known_us + 1)
    return (
        replace(ticked, last_known_us=known_us),
        replace(
            controller,
            last_told_us=max(at_us, controller.last_told_us),
            last_known_us=known_us,
            version=controller.version + 1,
        ),
    )


def refuse_backwards(institution: Institution, at_us: int, last_told_us: int, whose: str) -> None:
    """EffectiveTimeBackwards where a CALLER dates a call before what it has told already."""
    if institution.clock is Clock.CALLER and at_us < last_told_us:
        raise EffectiveTimeBackwards(
            f"{whose} has records of a later time",
            field="effective_time",
            last=iso(last_told_us),
        )


def refuse_future(time_us: int, at_us: int, field: str) -> None:
    """Refuses a time that lies in the future of the call."""
    if time_us > at_us + TOLERANCE_US:
        raise TimeInFuture("the time lies in the future of the call", field=field)


def iso(at_us: int) -> str:
    """A moment for a person: ISO 8601, UTC."""
    return datetime.fromtimestamp(at_us / US_PER_SECOND, UTC).isoformat()


def local_day(at_us: int, time_zone: str) -> date:
    """The calendar day of a moment."""
    return datetime.fromtimestamp(at_us // US_PER_SECOND, ZoneInfo(time_zone)).date()


def day_start_us(day: date, time_zone: str) -> int:
    """The moment at which a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).timestamp()) * US_PER_SECOND


def before_day_us(day: date, time_zone: str) -> int:
    """Five minutes before a day begins: a call that took its moment by then has committed when the day has come."""
    return day_start_us(day, time_zone) - TOLERANCE_US - 1
