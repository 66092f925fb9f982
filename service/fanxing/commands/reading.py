"""What is typed on the command line as messages: amounts, moments and days. Bad text names its option."""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, money_pb2

from fanxing.money import FEN_MAX, FEN_PER_UNIT
from fanxing.wire import convert


def money(text: str, currency: str) -> money_pb2.Money:
    """An amount such as 12000 or 12,000.50, exactly."""
    try:
        exact = Decimal(text.replace(",", "")) * FEN_PER_UNIT
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not an amount such as 12000.50") from None
    if not exact.is_finite() or abs(exact) > FEN_MAX or exact % 1:
        raise typer.BadParameter(f"{text!r} is absurd, or not a whole number of fen")
    return convert.money(int(exact), currency)


def moment(text: str) -> Timestamp:
    """A moment in ISO 8601; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a moment such as 2026-11-02T17:00:00+08:00") from None
    stamp = Timestamp()
    stamp.FromDatetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    return stamp


def day(text: str) -> date_pb2.Date:
    """A day in ISO 8601."""
    try:
        return convert.date_message(date.fromisoformat(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-11-02") from None


def moment_if(text: str | None) -> Timestamp | None:
    """A moment where one was typed."""
    return None if text is None else moment(text)


def money_if(text: str | None, currency: str) -> money_pb2.Money | None:
    """An amount where one was typed."""
    return None if text is None else money(text, currency)
