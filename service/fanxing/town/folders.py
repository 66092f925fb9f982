"""A town as files: what the engine may see in `feeds`, and in a folder of its own the `truth`, which it may not.

The columns of feeds are the fields of Merchant, Payment and Fact and nothing else; `known_us` is when the feed told it.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from pyarrow import parquet

from fanxing.errors import InvalidRequest
from fanxing.facts import Fact
from fanxing.merchants import Merchant

FEEDS, TRUTH = "feeds", "truth"
TEXT, WORD = pa.string(), pa.dictionary(pa.int32(), pa.string())
MERCHANTS = pa.schema(
    [
        ("merchant_id", TEXT),
        ("name", TEXT),
        ("category", TEXT),
        ("opened_on", pa.date32()),
        ("code_activated_on", pa.date32()),
        ("place", TEXT),
        ("frontage", pa.float64()),
        ("controller_token", TEXT),
        ("licence_token", TEXT),
        ("payout_account_token", TEXT),
        ("phone_token", TEXT),
        ("device_token", TEXT),
        ("time_zone", TEXT),
    ]
)
PAYMENTS = pa.schema(
    [
        ("merchant_id", WORD),
        ("payment_id", TEXT),
        ("payer_token", WORD),
        ("amount_fen", pa.int64()),
        ("occurred_us", pa.int64()),
        ("kind", WORD),
        ("refund_of", TEXT),
        ("instrument", WORD),
        ("channel", WORD),
        ("code_kind", WORD),
        ("device_token", WORD),
        ("payer_real_name", pa.bool_()),
        ("payer_account_age_days", pa.int32()),
        ("balance_after_fen", pa.int64()),
        ("known_us", pa.int64()),
    ]
)
FACTS = pa.schema(
    [
        ("fact_id", TEXT),
        ("merchant_id", TEXT),
        ("kind", TEXT),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
        ("source", TEXT),
        ("none_found", pa.bool_()),
        ("works_kind", TEXT),
        ("debt_balance_fen", pa.int64()),
        ("debt_monthly_service_fen", pa.int64()),
        ("debt_matures_on", pa.date32()),
        ("link_merchant_id", TEXT),
        ("link_relation", TEXT),
        ("supersedes", TEXT),
        ("known_us", pa.int64()),
    ]
)
TRUE_MERCHANTS = pa.schema(
    [
        ("merchant_id", TEXT),
        ("cheat", TEXT),  # empty: honest
        ("cheat_since", pa.date32()),
        ("life", TEXT),  # "", closed, sold, seasonal, moved
        ("closed_on", pa.date32()),
        ("moved_on", pa.date32()),
        ("hand", TEXT),  # the payer token of who really controls it
        ("twin_of", TEXT),
        ("genuine_payers", pa.int64()),
        ("genuine_fen_90d", pa.int64()),
        ("apparent_fen_90d", pa.int64()),
        ("cash_share", pa.float64()),
        ("personal_code_share", pa.float64()),
        ("debt_service_fen", pa.int64()),  # a month, told or not
        ("untold_debt_fen", pa.int64()),
        ("slow_clock_from", pa.date32()),
        ("left_fen", pa.float64()),  # of genuine trade a month; null: the loan's size does not matter
        ("log_odds", pa.float64()),  # of default, before debts and the loan; see town/default.py
        ("reference_loan_fen", pa.int64()),
        ("default_probability", pa.float64()),
        ("loss_given_default", pa.float64()),
        ("defaulted", pa.bool_()),
    ]
)
LINKS = pa.schema([("merchant_id", TEXT), ("other_id", TEXT), ("relation", TEXT)])
FAKES = pa.schema([("merchant_id", WORD), ("payment_id", TEXT)])
ACCOUNTS = pa.schema([("payer_token", TEXT), ("kind", TEXT), ("place", TEXT)])
WORKS = pa.schema(
    [
        ("merchant_id", TEXT),
        ("kind", TEXT),
        ("announced_on", pa.date32()),
        ("planned_from", pa.date32()),
        ("planned_to", pa.date32()),
        ("fate", TEXT),  # held, late, cancelled
        ("actual_from", pa.date32()),
        ("actual_to", pa.date32()),
        ("effect", pa.float64()),  # lost share of street receipts; frontage is what comes from the street
    ]
)


class FeedsFolder:
    """A new folder of feeds, written as they are made. Payments go out a row group at a time."""

    def __init__(self, directory: Path) -> None:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise InvalidRequest(f"{directory} is there already; name a new folder", field="out")
        self.directory, self._open = directory, ExitStack()
        self._payments = self._writer(FEEDS, "payments", PAYMENTS)

    def __enter__(self) -> Self:
        """The folder."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes the files."""
        self._open.__exit__(kind, error, at)

    def _writer(self, room: str, name: str, schema: pa.Schema) -> Any:  # noqa: ANN401  pyarrow has no types
        return self._open.enter_context(parquet.ParquetWriter(self._path(room, name), schema, compression="zstd"))

    def _path(self, room: str, name: str) -> Path:
        (self.directory / room).mkdir(parents=True, exist_ok=True)
        return self.directory / room / f"{name}.parquet"

    def _table(self, room: str, name: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
        parquet.write_table(pa.Table.from_pylist(rows, schema), self._path(room, name))

    def payments(self, tables: Sequence[pa.Table]) -> None:
        """One row group of payments, in the order given."""
        self._payments.write_table(pa.concat_tables(tables))

    def merchants(self, merchants: Iterable[Merchant]) -> None:
        """As they are registered."""
        rows = [{name: getattr(each, name) for name in MERCHANTS.names} for each in merchants]
        self._table(FEEDS, "merchants", MERCHANTS, rows)

    def facts(self, facts: Iterable[Fact]) -> None:
        """As they became known."""
        self._table(FEEDS, "facts", FACTS, [_flat(fact) for fact in facts])


class TownFolder(FeedsFolder):
    """A new folder of a town's feeds, with its truth beside them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._fakes = self._writer(TRUTH, "fakes", FAKES)

    def fakes(self, tables: Sequence[pa.Table]) -> None:
        """Which payments were no trade."""
        self._fakes.write_table(pa.concat_tables(tables))

    def truth(self, name: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
        """A table of the truth; what a row does not name is null."""
        self._table(TRUTH, name, schema, rows)

    def about(self, told: dict[str, Any]) -> None:
        """What the whole town is, as JSON."""
        text = json.dumps({"simulated": True, **told}, indent=2)
        (self.directory / TRUTH / "town.json").write_text(text + "\n", encoding="utf-8")


def _flat(fact: Fact) -> dict[str, Any]:
    """A fact with the fields of its works, debt or link beside its own."""
    plain = {name: getattr(fact, name) for name in FACTS.names if hasattr(fact, name)}
    for prefix, part in (("works", fact.works), ("debt", fact.debt), ("link", fact.link)):
        if part is not None:
            own = [name for name in FACTS.names if name.startswith(f"{prefix}_")]
            plain |= {name: getattr(part, name.removeprefix(f"{prefix}_")) for name in own}
    return plain
