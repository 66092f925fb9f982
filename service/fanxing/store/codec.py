"""Values of records as values of columns: text, integers and bytes, the same in every store.

Enums, days and decimals are text. Nested records are JSON text whose doubles read back to the same bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter

Stored = str | int | bytes | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its kind ("text", "integer", "bytes"), whether it may be null, and both directions."""

    name: str
    kind: str
    optional: bool
    encode: Callable[[Any], Stored]
    decode: Callable[[Any], Any]


def column(name: str, hint: Any) -> Column:  # noqa: ANN401  a type of any kind
    """The column for a field with that type."""
    optional = False
    if get_origin(hint) is UnionType and NoneType in get_args(hint):
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
        optional = True
    kind, encode, decode = _codec(hint)
    if optional:
        encode, decode = _unless_none(encode), _unless_none(decode)
    return Column(name, kind, optional, encode, decode)


def _unless_none(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if function is same:
        return same
    return lambda value: None if value is None else function(value)


def same(value: Any) -> Any:  # noqa: ANN401
    """What is stored as it is."""
    return value


_SCALARS: dict[type, tuple[str, Callable[[Any], Stored], Callable[[Any], Any]]] = {
    str: ("text", same, same),
    int: ("integer", same, same),
    bool: ("integer", int, bool),
    float: ("text", repr, float),
    bytes: ("bytes", same, bytes),
    date: ("text", date.isoformat, date.fromisoformat),
    Decimal: ("text", str, Decimal),
}


def _codec(hint: Any) -> tuple[str, Callable[[Any], Stored], Callable[[Any], Any]]:  # noqa: ANN401
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return "text", str, hint
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    return "text", lambda value: adapter.dump_json(value).decode(), adapter.validate_json
