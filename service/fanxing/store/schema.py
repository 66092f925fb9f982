"""Tables from records: one place says which record is which table, and which columns it has."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from typing import Any, get_type_hints

from msgspec import Struct
from msgspec.structs import astuple

from fanxing.facts import Fact
from fanxing.feeds import Feed, RecordedWatermark
from fanxing.flows.ports import (
    KEYS,
    ORDERS,
    ActivePolicy,
    Artefact,
    GraphOfDay,
    NetReceipts,
    PeersOfDay,
    Query,
    Quota,
    Range,
    Request,
)
from fanxing.institutions import Institution
from fanxing.ledger import Entry, Transfer
from fanxing.lending.application import Application
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.merchants import Controller, Merchant
from fanxing.payments import RecordedPayment, Sighting
from fanxing.store.codec import Column, Stored, column, same
from fanxing.strategies.decision import Decision

TABLE_NAMES: dict[type, str] = {
    Institution: "institutions",
    Merchant: "merchants",
    Controller: "controllers",
    RecordedPayment: "payments",
    Feed: "feeds",
    RecordedWatermark: "watermarks",
    Fact: "facts",
    Decision: "decisions",
    Application: "applications",
    CreditLine: "credit_lines",
    Loan: "loans",
    Transfer: "transfers",
    Entry: "entries",
    Request: "requests",
    Quota: "quotas",
    Artefact: "artefacts",
    GraphOfDay: "graph_days",
    PeersOfDay: "peer_days",
    ActivePolicy: "active_policies",
}
INSTITUTION = "institution_id"


@dataclass(frozen=True, slots=True)
class Table:
    """A record's table. Every table's first column is the institution; a record's own fields follow in their order.

    `names` are those of the columns after the institution's, `values` gets a record's fields in their order, and
    `encoded` and `decoded` have the places of those that are not stored as they are.
    """

    record: type
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    encoded: tuple[tuple[int, Callable[[Any], Stored]], ...]
    decoded: tuple[tuple[int, Callable[[Any], Any]], ...]

    @property
    def versioned(self) -> bool:
        """Whether a version guards updates."""
        return "version" in self.names

    def encode(self, record: object) -> list[Stored]:
        """A record as the values of its columns."""
        values = list(self.values(record))
        for place, encode in self.encoded:
            values[place] = encode(values[place])
        return values

    def decode(self, values: Iterable[Any]) -> object:
        """A record from the values of its columns."""
        told = [*values]
        for place, decode in self.decoded:
            told[place] = decode(told[place])
        return self.record(**dict(zip(self.names, told, strict=True)))


def _table(record: type, name: str) -> Table:
    hints = get_type_hints(record)
    names = tuple(each for each in _fields(record) if not (record is Institution and each == INSTITUTION))
    columns = tuple(column(each, hints[each]) for each in names)
    key = tuple(each for each in KEYS.get(record, ()) if each != INSTITUTION)
    encoded = tuple((place, each.encode) for place, each in enumerate(columns) if each.encode is not same)
    decoded = tuple((place, each.decode) for place, each in enumerate(columns) if each.decode is not same)
    values = astuple if issubclass(record, Struct) else attrgetter(*names)
    return Table(record, name, columns, key, ORDERS.get(record, ()), names, values, encoded, decoded)


def _fields(record: type) -> tuple[str, ...]:
    if is_dataclass(record):
        return tuple(each.name for each in fields(record))
    assert issubclass(record, Struct), f"{record.__name__} is no record"
    return record.__struct_fields__


TABLES: dict[type, Table] = {record: _table(record, name) for record, name in TABLE_NAMES.items()}
_SIGHTINGS = _table(Sighting, "payments")
"""Not a table of its own: summed from the payments."""


def answered(query: Query) -> Table:
    """The columns that a query's answer has."""
    return _SIGHTINGS if isinstance(query, NetReceipts) else TABLES[query.record]


def ordered(query: Range) -> str:
    """What follows ORDER BY."""
    return ", ".join(f"{name} DESC" if query.backwards else name for name in query.order)
