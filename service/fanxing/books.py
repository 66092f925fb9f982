"""What a store and a simulated rail's journal say of a run, read from themselves once the service has stopped."""

import asyncio
from pathlib import Path
from typing import TypedDict

from fanxing.settings import DEMO
from fanxing.store.open import open_store
from fanxing.wire.rail_simulator import paid


class Books(TypedDict):
    """The ledger's sum (0, or something is very wrong), what the rail paid, and how large the store is."""

    stored_bytes: int
    ledger_sum_fen: int
    rail_payments: int
    rail_fen: int


def read_books(store_url: str, journal: Path) -> Books:
    """Reads them; StoreUnavailable while a service still has the store."""
    return asyncio.run(_read(store_url, journal))


async def _read(store_url: str, journal: Path) -> Books:
    store = await open_store(store_url)
    try:
        stored_bytes, ledger_sum_fen = await store.stored_bytes(), await store.ledger_sum_fen(DEMO)
    finally:
        await store.close()
    payments, amount_fen = paid(journal)
    return Books(stored_bytes=stored_bytes, ledger_sum_fen=ledger_sum_fen, rail_payments=payments, rail_fen=amount_fen)
