r"""What PostgreSQL is told: queries and change sets as statements; $1 is one JSON argument, $2 the institution.

Rows travel as JSON, since every column is text, a 64-bit integer or bytes (here `\x` and hexadecimal digits): an object
with an array for each column, so that a name stands once and not in every row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from msgspec import json

from fanxing.flows.ports import ChangeSet, ConflictKind, Get, NetReceipts, Query, Range, Record
from fanxing.store.net_receipts import net_receipts_arguments, net_receipts_sql
from fanxing.store.schema import INSTITUTION, TABLES, Table, answered, ordered

CASTS = {"text": "", "integer": "::bigint"}
_NET_RECEIPTS = net_receipts_sql(
    "$2", ("$1->>0", "($1->>1)::bigint", "($1->>2)::bigint", "($1->>3)::bigint", "($1->>4)::bigint"), "least"
)
TYPES = {"text": "text", "integer": "bigint", "bytes": "bytea"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, its argument as JSON, how many rows it changes at least, and what is wrong if it does not."""

    text: str
    argument: str
    rows_min: int = 0
    conflict: ConflictKind = ConflictKind.EXISTS
    table: str = ""


def query_statement(query: Query) -> Statement:
    """Answers a JSON array of rows, each an array in the order of the table's columns; null when there are none."""
    table = answered(query)
    row = f"json_build_array({', '.join(f'found.{name}' for name in table.names)})"
    if isinstance(query, Get):
        found = _found_by_key(table, ", ".join(table.names), "LIMIT 1")
        return Statement(
            f"SELECT json_agg({row} ORDER BY sent.ordinality) "
            f"FROM {_sent_rows(table, table.key, ordinality=True)} CROSS JOIN LATERAL ({found}) AS found",
            _columns(table.key, query.keys),
        )
    if isinstance(query, NetReceipts):
        summed = f"SELECT json_agg({row} ORDER BY payer_token) FROM ({_NET_RECEIPTS}) AS found"
        return Statement(summed, _json(net_receipts_arguments(query)))
    where, arguments = _bounds(table, query)
    order, limit = ordered(query), "" if query.limit is None else f" LIMIT {query.limit:d}"
    return Statement(
        f"SELECT json_agg({row} ORDER BY {order}) FROM (SELECT * FROM {table.name} WHERE {INSTITUTION} = $2{where} "
        f"ORDER BY {order}{limit}) AS found",
        _json(arguments),
    )


def _sent(table: Table, names: Sequence[str]) -> str:
    """The argument, as something to select from: one row, with a typed array for each of these columns."""
    kinds = {each.name: TYPES[each.kind] for each in table.columns}
    return f"json_to_record($1) AS arrays({', '.join(f'{name} {kinds[name]}[]' for name in names)})"


def _sent_rows(table: Table, names: Sequence[str], *, ordinality: bool = False) -> str:
    """The rows of the argument, as something to select from: typed columns with these names."""
    numbered, number = (" WITH ORDINALITY", ", ordinality") if ordinality else ("", "")
    unnested = ", ".join(f"arrays.{name}" for name in names)
    return f"{_sent(table, names)} CROSS JOIN LATERAL unnest({unnested}){numbered} AS sent({', '.join(names)}{number})"


def _found_by_key(table: Table, columns: str, rest: str) -> str:
    """The row with the key of the one that was sent, as a subquery that is asked once for each, in the order sent.

    Left to itself the planner joins, and of a table without statistics yet it then reads the whole institution. The
    columns are typed, not expressions over JSON: behind row-level security only they reach the index.
    """
    matches = " AND ".join(f"held.{name} = sent.{name}" for name in table.key)
    return f"SELECT {columns} FROM {table.name} AS held WHERE held.{INSTITUTION} = $2 AND {matches} {rest}"


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as the argument that `_sent_rows` reads."""
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return _json(dict(zip(names, columns, strict=True)))


def _json(argument: Any) -> str:  # noqa: ANN401  anything that JSON has
    """By msgspec: a batch of a thousand payments is 400 KB. Read is by json, for which no integer is too large."""
    return json.encode(argument).decode()


def _typed(table: Table, name: str, value: str) -> str:
    kind = next(each.kind for each in table.columns if each.name == name)
    return f"({value}){CASTS[kind]}"


def _bounds(table: Table, query: Range) -> tuple[str, list[str | int]]:
    arguments: list[str | int] = []

    def place(name: str, value: str | int) -> str:
        arguments.append(value)
        return _typed(table, name, f"$1->>{len(arguments) - 1}")

    where = "".join(
        f" AND {name} = {place(name, value)}" for name, value in zip(query.order, query.prefix, strict=False)
    )
    rest = query.order[len(query.prefix) :]
    for sign, bound in ((">", query.after), ("<=", query.until)):
        if bound:
            names = rest[: len(bound)]
            values = ", ".join(place(name, value) for name, value in zip(names, bound, strict=True))
            where += f" AND ({', '.join(names)}) {sign} ({values})"
    return where, arguments


def rows(table: Table, answer: str | None) -> tuple[Any, ...]:
    """The records of an answer."""
    if answer is None:
        return ()
    found = json.decode(answer)
    for place in (place for place, each in enumerate(table.columns) if each.kind == "bytes"):
        for row in found:
            row[place] = None if row[place] is None else bytes.fromhex(row[place][2:])
    return tuple(map(table.decode, found))


def change_statements(changes: ChangeSet) -> list[Statement]:
    """Updates, inserts, inserts if absent, increments, in this order; rows of a table in the order of their keys.

    The versions come first, so that units of work over the same rows queue there and meet nowhere else: inserts alone
    would lock the several unique indexes of a table crosswise.
    """
    return [
        *(each for table, group in _grouped(changes.updates) for each in _update(table, group)),
        *(_insert(table, group, "") for table, group in _grouped(changes.inserts)),
        *(_insert(table, group, " ON CONFLICT DO NOTHING") for table, group in _grouped(changes.inserts_if_absent)),
        *(
            Statement(
                "UPDATE quotas SET used_fen = used_fen + ($1->>0)::bigint WHERE institution_id = $2 "
                "AND name = $1->>1 AND used_fen + ($1->>0)::bigint BETWEEN 0 AND limit_fen",
                _json((increment.add_fen, increment.name)),
                1,
                ConflictKind.QUOTA,
                "quotas",
            )
            for increment in sorted(changes.increments, key=lambda each: each.name)
        ),
    ]


def _grouped(records: tuple[Record, ...]) -> Iterable[tuple[Table, list[Record]]]:
    groups: dict[type, list[Record]] = {}
    for record in records:
        groups.setdefault(type(record), []).append(record)
    for record_type in sorted(groups, key=lambda each: TABLES[each].name):
        table = TABLES[record_type]
        group = groups[record_type]
        yield table, sorted(group, key=attrgetter(*table.key)) if table.key else group


def _insert(table: Table, records: list[Record], otherwise: str) -> Statement:
    # Unnested among what is selected, the rows go straight to the table; in FROM they would all be written down before.
    unnested = ", ".join(f"unnest(arrays.{name})" for name in table.names)
    return Statement(
        f"INSERT INTO {table.name} ({INSTITUTION}, {', '.join(table.names)}) "
        f"SELECT $2, {unnested} FROM {_sent(table, table.names)}{otherwise}",
        _argument(table, records),
        table=table.name,
    )


def _update(table: Table, records: list[Record]) -> list[Statement]:
    """Locks the rows in the order of their keys, then replaces those whose version is one less; all, or a conflict."""
    assert table.versioned, f"{table.name} has no version"
    changed = ", ".join(f"{name} = sent.{name}" for name in table.names)
    guards = " AND ".join(f"held.{name} = sent.{name}" for name in table.key)
    argument = _argument(table, records)
    keys = _columns(table.key, [[getattr(record, name) for name in table.key] for record in records])
    locking = (
        f"SELECT FROM {_sent_rows(table, table.key)} "
        f"CROSS JOIN LATERAL ({_found_by_key(table, '', 'FOR UPDATE')}) AS locked"
    )
    replacing = (
        f"UPDATE {table.name} AS held SET {changed} FROM {_sent_rows(table, table.names)} "
        f"WHERE held.{INSTITUTION} = $2 AND {guards} AND held.version = sent.version - 1"
    )
    statement = Statement(replacing, argument, len(records), ConflictKind.VERSION, table.name)
    return [Statement(locking, keys), statement] if len(records) > 1 else [statement]


def _argument(table: Table, records: list[Record]) -> str:
    columns: dict[str, Sequence[Any]] = dict(
        zip(table.names, zip(*map(table.values, records), strict=True), strict=True)
    )
    for place, encode in table.encoded:
        columns[table.names[place]] = [*map(encode, columns[table.names[place]])]
    for each in table.columns:
        if each.kind == "bytes":
            columns[each.name] = [None if value is None else f"\\x{value.hex()}" for value in columns[each.name]]
    return _json(columns)
