"""Any answer of the contract as tables for a person: fields in one, each list in one of its own."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.type import money_pb2
from rich.console import Console
from rich.table import Table

_TEXTS: dict[str, Callable[[Any], str]] = {
    "google.type.Money": lambda money: f"{_units(money):,.2f} {money.currency_code}",
    "google.type.Decimal": lambda decimal: str(decimal.value),
    "google.type.Date": lambda day: f"{day.year:04}-{day.month:02}-{day.day:02}",
    "google.protobuf.Timestamp": lambda at: at.ToJsonString(),
}


def show(message: Message, console: Console, title: str = "") -> None:
    """Prints a message: its own fields first, then what it holds."""
    fields = Table(title=title or None, show_header=False, title_justify="left")
    nested: list[tuple[str, object]] = []
    for field, value in message.ListFields():
        if field.is_repeated or _is_record(field):
            nested.append((field.name, value))
        else:
            fields.add_row(field.name.replace("_", " "), _text(field, value))
    if fields.row_count:
        console.print(fields)
    elif not nested:
        console.print("nothing")
    for name, value in nested:
        if isinstance(value, Message):
            show(value, console, name.replace("_", " "))
        else:
            _show_list(value, console, name.replace("_", " "))


def _show_list(values: object, console: Console, title: str) -> None:
    assert isinstance(values, Iterable)
    rows = [value for value in values if isinstance(value, Message)]
    if not rows:
        return
    present = {field.name for row in rows for field, _ in row.ListFields()}
    names = [field.name for field in rows[0].DESCRIPTOR.fields if field.name in present]
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        cells = {field.name: _cell(field, value) for field, value in row.ListFields()}
        table.add_row(*(cells.get(name, "") for name in names))
    console.print(table)


def _cell(field: FieldDescriptor, value: object) -> str:
    """A list inside a list is counted; the record itself shows it."""
    if field.is_repeated:
        return str(len(value))  # type: ignore[arg-type]
    return "..." if _is_record(field) else _text(field, value)


def _is_record(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name not in _TEXTS


def _text(field: FieldDescriptor, value: object) -> str:
    if field.message_type is not None:
        return _TEXTS[field.message_type.full_name](value)
    if field.enum_type is not None:
        return _enum_text(field.enum_type, value)
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return str(value)


def _enum_text(enum: EnumDescriptor, number: object) -> str:
    """The value's name without what all names of the enum begin with."""
    names = {value.number: value.name for value in enum.values}
    prefix = names[0].removesuffix("UNSPECIFIED")
    return names[number].removeprefix(prefix) if isinstance(number, int) and number in names else str(number)


def _units(money: money_pb2.Money) -> Decimal:
    return Decimal(money.units) + Decimal(money.nanos) / 10**9
