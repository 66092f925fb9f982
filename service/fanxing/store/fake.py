"""A store in memory, for tests and for `memory:`. It keeps the laws of the others and forgets everything at the end."""

from dataclasses import replace

from fanxing.flows.ports import (
    KEYS,
    ChangeSet,
    Committed,
    Conflict,
    ConflictKind,
    Get,
    NetReceipts,
    Query,
    Quota,
    Range,
    Record,
)
from fanxing.institutions import Institution
from fanxing.ledger import Entry
from fanxing.payments import RecordedPayment, net_receipts

Key = tuple[str | int, ...]
Tables = dict[type, dict[Key, Record]]


class FakeStore:
    """Dictionaries by institution, record type and key. One event loop, and no await inside a commit: atomic."""

    def __init__(self) -> None:
        self._tables: dict[str, Tables] = {}

    async def read(self, institution_id: str, *queries: Query) -> tuple[tuple[Record, ...], ...]:
        """One answer a query."""
        tables = self._tables.get(institution_id, {})
        return tuple(_answer(tables, query) for query in queries)

    async def commit(self, institution_id: str, changes: ChangeSet) -> Committed | Conflict:
        """Applies all changes to copies of the tables they touch, and puts these in place at the end."""
        tables = dict(self._tables.get(institution_id, {}))
        for kind in {type(record) for record in (*changes.inserts, *changes.inserts_if_absent, *changes.updates)}:
            tables[kind] = dict(tables.get(kind, {}))
        tables[Quota] = dict(tables.get(Quota, {}))
        conflict = _apply(tables, changes)
        if conflict is not None:
            return conflict
        self._tables[institution_id] = tables
        return Committed()

    async def ledger_sum_fen(self, institution_id: str) -> int:
        """Sum of all entries."""
        entries = self._tables.get(institution_id, {}).get(Entry, {}).values()
        return sum(entry.amount_fen for entry in entries if isinstance(entry, Entry))

    async def institutions(self) -> tuple[Institution, ...]:
        """All institutions."""
        found = (record for tables in self._tables.values() for record in tables.get(Institution, {}).values())
        return tuple(record for record in found if isinstance(record, Institution))

    async def stored_bytes(self) -> int:
        """Nothing is kept."""
        return 0

    async def close(self) -> None:
        """Nothing to let go of."""


def _key(record: Record) -> Key:
    return tuple(getattr(record, name) for name in KEYS[type(record)])


def _apply(tables: Tables, changes: ChangeSet) -> Conflict | None:
    for record in changes.inserts:
        if _key(record) in tables[type(record)]:
            return Conflict(ConflictKind.EXISTS, type(record).__name__)
        tables[type(record)][_key(record)] = record
    for record in changes.inserts_if_absent:
        tables[type(record)].setdefault(_key(record), record)
    for record in changes.updates:
        held = tables[type(record)].get(_key(record))
        if held is None or held.version != record.version - 1:  # type: ignore[union-attr]
            return Conflict(ConflictKind.VERSION, type(record).__name__)
        tables[type(record)][_key(record)] = record
    for increment in changes.increments:
        quota = tables[Quota].get((increment.name,))
        if not isinstance(quota, Quota) or not 0 <= quota.used_fen + increment.add_fen <= quota.limit_fen:
            return Conflict(ConflictKind.QUOTA, "Quota")
        tables[Quota][(increment.name,)] = replace(quota, used_fen=quota.used_fen + increment.add_fen)
    return None


def _answer(tables: Tables, query: Query) -> tuple[Record, ...]:
    if isinstance(query, Get):
        return _get(tables, query)
    return _range(tables, query) if isinstance(query, Range) else _net_receipts(tables, query)


def _net_receipts(tables: Tables, query: NetReceipts) -> tuple[Record, ...]:
    payments = (each for each in tables.get(RecordedPayment, {}).values() if isinstance(each, RecordedPayment))
    return tuple(net_receipts((each for each in payments if each.merchant_id == query.merchant_id), query.window))


def _get(tables: Tables, query: Get) -> tuple[Record, ...]:
    table = tables.get(query.record, {})
    return tuple(table[key] for key in query.keys if key in table)


def _range(tables: Tables, query: Range) -> tuple[Record, ...]:
    found = []
    skip = len(query.prefix)
    for record in tables.get(query.record, {}).values():
        place = tuple(getattr(record, name) for name in query.order)
        rest = place[skip:]
        if (
            place[:skip] == query.prefix
            and (not query.after or rest[: len(query.after)] > query.after)
            and (not query.until or rest[: len(query.until)] <= query.until)
        ):
            found.append((place, record))
    found.sort(key=lambda pair: pair[0], reverse=query.backwards)
    return tuple(record for _, record in found[: query.limit])
