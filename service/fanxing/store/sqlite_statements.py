"""What SQLite's writer is told: a change set as few statements, finished before the writer's thread gets them.

Python's threads take turns, and the writer waits for its turn after every statement: so there is one for all rows of a
table, and what it needs is encoded where the change set comes from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from fanxing.flows.ports import ChangeSet, ConflictKind, Increment, Record
from fanxing.store.schema import INSTITUTION, TABLES, Table

VARIABLES_MAX = 32_766
"""Of one statement, as SQLite takes them since 3.32 unless it was built for others; a thousand payments are 18,000."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, what its places hold, how many rows it changes at least, and what is wrong if it does not."""

    text: str
    values: Sequence[Any]
    rows_min: int
    conflict: ConflictKind
    table: str


def change_statements(institution_id: str, changes: ChangeSet) -> list[Statement]:
    """Inserts, inserts if absent, updates, increments, in this order."""
    # OR FAIL: the savepoint undoes what came before a conflict, so the statement need not keep a journal to do so.
    return [
        *_of_each_table(institution_id, changes.inserts, "INSERT OR FAIL"),
        *_of_each_table(institution_id, changes.inserts_if_absent, "INSERT OR IGNORE"),
        *_of_each_table(institution_id, changes.updates, "UPDATE"),
        *(_increase(institution_id, increment) for increment in changes.increments),
    ]


def _of_each_table(institution_id: str, records: tuple[Record, ...], verb: str) -> Iterator[Statement]:
    by_type: dict[type, list[Record]] = {}
    for record in records:
        by_type.setdefault(type(record), []).append(record)
    for record_type, group in by_type.items():
        table = TABLES[record_type]
        rows = [(institution_id, *table.encode(record)) for record in group]
        for places, values in together(rows):
            if verb == "UPDATE":
                yield _update(table, places, values)
            else:
                columns = ", ".join((INSTITUTION, *table.names))
                text = f"{verb} INTO {table.name} ({columns}) VALUES {places}"
                yield Statement(text, values, 0, ConflictKind.EXISTS, table.name)


def _update(table: Table, places: str, values: Sequence[Any]) -> Statement:
    """Replaces the rows whose version is one less; all, or a conflict. What is the key stays, so its index does."""
    assert table.versioned, f"{table.name} has no version"
    place = {name: f"newer.column{number}" for number, name in enumerate((INSTITUTION, *table.names), 1)}
    changed = ", ".join(f"{name} = {place[name]}" for name in table.names if name not in table.key)
    matches = " AND ".join(f"held.{name} = {place[name]}" for name in (INSTITUTION, *table.key))
    guarded = f"{matches} AND held.version = {place['version']} - 1"
    text = f"UPDATE {table.name} AS held SET {changed} FROM (VALUES {places}) AS newer WHERE {guarded}"
    return Statement(text, values, len(values) // len(place), ConflictKind.VERSION, table.name)


def _increase(institution_id: str, increment: Increment) -> Statement:
    guarded = (
        "UPDATE quotas SET used_fen = used_fen + ?1 "
        "WHERE institution_id = ?2 AND name = ?3 AND used_fen + ?1 BETWEEN 0 AND limit_fen"
    )
    values = (increment.add_fen, institution_id, increment.name)
    return Statement(guarded, values, 1, ConflictKind.QUOTA, increment.name)


def together(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Rows as few statements take them: the places that VALUES names, and what belongs there."""
    if not rows:
        return
    each, most = f"({', '.join('?' * len(rows[0]))})", VARIABLES_MAX // len(rows[0])
    for first in range(0, len(rows), most):
        some = rows[first : first + most]
        yield ", ".join([each] * len(some)), list(chain.from_iterable(some))
