"""Tables from records: one place says which dataclass is which table, and which columns it has."""

from dataclasses import dataclass, fields
from typing import get_type_hints

from fanxing.facts import Fact
from fanxing.flows.ports import KEYS, ORDERS, ActivePolicy, Artefact, GraphOfDay, NetReceipts, Query, Quota, Request
from fanxing.institutions import Institution
from fanxing.ledger import Entry, Transfer
from fanxing.lending.application import Application
from fanxing.lending.line import CreditLine
from fanxing.lending.loan import Loan
from fanxing.merchants import Controller, Merchant
from fanxing.payments import RecordedPayment, Sighting
from fanxing.store.codec import Column, column
from fanxing.strategies.decision import Decision

TABLE_NAMES: dict[type, str] = {
    Institution: "institutions",
    Merchant: "merchants",
    Controller: "controllers",
    RecordedPayment: "payments",
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
    ActivePolicy: "active_policies",
}
INSTITUTION = "institution_id"


@dataclass(frozen=True, slots=True)
class Table:
    """A record's table. Every table's first column is the institution; a record's own fields follow in their order."""

    record: type
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns after the institution's."""
        return tuple(each.name for each in self.columns)

    @property
    def versioned(self) -> bool:
        """Whether a version guards updates."""
        return "version" in self.names

    def encode(self, record: object) -> tuple[str | int | bytes | None, ...]:
        """A record as the values of its columns."""
        return tuple(each.encode(getattr(record, each.name)) for each in self.columns)

    def decode(self, values: tuple[object, ...]) -> object:
        """A record from the values of its columns."""
        return self.record(**{each.name: each.decode(value) for each, value in zip(self.columns, values, strict=True)})


def _table(record: type, name: str) -> Table:
    hints = get_type_hints(record)
    columns = tuple(
        column(each.name, hints[each.name])
        for each in fields(record)
        if not (record is Institution and each.name == INSTITUTION)
    )
    key = tuple(name for name in KEYS.get(record, ()) if name != INSTITUTION)
    return Table(record, name, columns, key, ORDERS.get(record, ()))


TABLES: dict[type, Table] = {record: _table(record, name) for record, name in TABLE_NAMES.items()}
_SIGHTINGS = _table(Sighting, "payments")
"""Not a table of its own: summed from the payments."""


def answered(query: Query) -> Table:
    """The columns that a query's answer has."""
    return _SIGHTINGS if isinstance(query, NetReceipts) else TABLES[query.record]
