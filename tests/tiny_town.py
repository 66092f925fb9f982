"""A town with one of everything, small enough for tests, and its files as columns."""

import json

import numpy as np
from pyarrow import parquet

from fanxing.town.medium.size import Size

TINY = Size(
    merchants=140,
    days=240,
    residents=4000,
    villagers=300,
    tourists=900,
    bought=300,
    districts=4,
    villages=1,
    twins=8,
    self_payers=3,
    account_buyers=3,
    rings=1,
    loops=1,
    cashers_out=3,
    busters_out=3,
    chains=4,
    sold=2,
    relatives=2,
    works_elsewhere=4,
    outage_day=100,
)


class Files:
    """Tables of a town's folder: `files.payments["amount_fen"]` is a numpy column, `files.links` rows."""

    def __init__(self, directory):
        self.directory = directory
        self.payments = self.columns("feeds", "payments")
        self.fakes = set(zip(*self.columns("truth", "fakes").values(), strict=True))
        self.merchants = {row["merchant_id"]: row for row in self.rows("feeds", "merchants")}
        self.facts = self.rows("feeds", "facts")
        self.true = {row["merchant_id"]: row for row in self.rows("truth", "merchants")}
        self.accounts = {row["payer_token"]: row for row in self.rows("truth", "accounts")}
        self.links = self.rows("truth", "links")
        self.works = {row["merchant_id"]: row for row in self.rows("truth", "works")}
        self.about = json.loads((directory / "truth" / "town.json").read_text())
        named = zip(self.payments["merchant_id"], self.payments["payment_id"], strict=True)
        names, first, count = np.unique(self.payments["merchant_id"], return_index=True, return_counts=True)
        self.slices = {name: slice(at, at + n) for name, at, n in zip(names, first, count, strict=True)}
        self.payments["fake"] = np.array([pair in self.fakes for pair in named])

    def columns(self, room, name):
        table = parquet.read_table(self.directory / room / f"{name}.parquet")
        return {column: table[column].to_numpy(zero_copy_only=False) for column in table.column_names}

    def rows(self, room, name):
        return parquet.read_table(self.directory / room / f"{name}.parquet").to_pylist()

    def of(self, merchant_id, *, once=True, **wanted):
        """A merchant's payments in the order of becoming known, as columns; those that came twice once."""
        own = {name: column[self.slices[merchant_id]] for name, column in self.payments.items()}
        chosen = np.ones(len(own["kind"]), dtype=bool)
        for name, value in wanted.items():
            chosen &= own[name] == value
        own = {name: column[chosen] for name, column in own.items()}
        if once:
            first = np.sort(np.unique(own["payment_id"], return_index=True)[1])
            own = {name: column[first] for name, column in own.items()}
        return own

    def cheats(self, kind):
        found = [merchant_id for merchant_id, row in self.true.items() if row["cheat"] == kind]
        assert found
        return found

    def linked(self, relation):
        """Groups of merchants."""
        groups = {}
        for row in self.links:
            if row["relation"] == relation:
                pair = {row["merchant_id"], row["other_id"]}
                near = next((group for group in groups.values() if group & pair), None)
                groups[min(pair)] = pair if near is None else near
                groups[min(pair)] |= pair
        return {frozenset(group) for group in groups.values()}
