"""Scalars across the wire: money, moments, days and decimals. Everything that cannot be converted names its field."""

from datetime import date
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, decimal_pb2, money_pb2

from fanxing.errors import AmountOutOfRange, CurrencyMismatch, InvalidRequest
from fanxing.money import FEN_MAX, FEN_PER_UNIT

NANOS_PER_FEN = 10_000_000
US_PER_SECOND = 1_000_000
CALENDAR_SECONDS_MAX = 253_402_300_799
"""The end of the year 9999, where calendars and protobuf's timestamps end: what never ends is often dated so."""
SECONDS_MAX = 250_246_627_199
"""The end of the year 9899: what is reckoned from a moment, such as a loan's last day, is in the calendar still."""


def fen(money: money_pb2.Money, currency: str, field: str, *, signed: bool = False) -> int:
    """Money in whole fen; negative only where `signed`."""
    units, nanos = money.units, money.nanos
    if money.currency_code != currency:
        raise CurrencyMismatch(
            f"amounts are in {currency} here", field=field, expected=currency, got=money.currency_code
        )
    if nanos % NANOS_PER_FEN or abs(nanos) >= 1_000_000_000:
        raise AmountOutOfRange("not a whole number of fen", field=field)
    if units and nanos and (units < 0) != (nanos < 0):
        raise AmountOutOfRange("units and nanos have different signs", field=field)
    amount: int = units * FEN_PER_UNIT + nanos // NANOS_PER_FEN
    if abs(amount) > FEN_MAX or (amount <= 0 and not signed):
        raise AmountOutOfRange("the amount must be positive and below 10,000,000,000,000", field=field)
    return amount


def fen_from_zero(money: money_pb2.Money, currency: str, field: str) -> int:
    """Money in whole fen, zero or more."""
    amount = fen(money, currency, field, signed=True)
    if amount < 0:
        raise AmountOutOfRange("the amount must not be negative", field=field)
    return amount


def money(amount_fen: int, currency: str) -> money_pb2.Money:
    """Whole fen as Money."""
    sign = -1 if amount_fen < 0 else 1
    units, rest = divmod(abs(amount_fen), FEN_PER_UNIT)
    return money_pb2.Money(currency_code=currency, units=sign * units, nanos=sign * rest * NANOS_PER_FEN)


def micros(timestamp: Timestamp, field: str) -> int:
    """A moment in microseconds since 1970 UTC; the years 1970 to 9899."""
    if timestamp.seconds > SECONDS_MAX:
        raise InvalidRequest("not a moment between 1970 and 9899", field=field)
    return micros_of_end(timestamp, field)


def micros_of_end(timestamp: Timestamp, field: str) -> int:
    """The moment at which something ends, from which nothing is reckoned; the years 1970 to 9999."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not (0 <= seconds <= CALENDAR_SECONDS_MAX and 0 <= nanos < 1_000_000_000):
        raise InvalidRequest("not a moment between 1970 and 9999", field=field)
    return seconds * US_PER_SECOND + nanos // 1000


def timestamp(at_us: int) -> Timestamp:
    """Microseconds as a Timestamp."""
    seconds, rest = divmod(at_us, US_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def day(message: date_pb2.Date, field: str) -> date:
    """A calendar day; year, month and day must all be given."""
    try:
        return date(message.year, message.month, message.day)
    except ValueError as error:
        raise InvalidRequest(f"not a day of the calendar: {error}", field=field) from error


def date_message(value: date) -> date_pb2.Date:
    """A calendar day as a message."""
    return date_pb2.Date(year=value.year, month=value.month, day=value.day)


def decimal(value: Decimal) -> decimal_pb2.Decimal:
    """A decimal fraction as a message, without exponent."""
    return decimal_pb2.Decimal(value=f"{value:f}")
