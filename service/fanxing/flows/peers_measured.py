"""Measures all merchants of an institution, as known at a moment, and spreads them over their cells."""

import asyncio

import numpy as np

from fanxing.feeds import ALL_MERCHANTS, Feed
from fanxing.flows.ports import Range, Snapshot, Store
from fanxing.flows.watermarks import feeds_query, told_by
from fanxing.indicators.ask import Ask
from fanxing.indicators.exposure import NOTHING_DRAWN
from fanxing.indicators.history import EMPTY, PaymentHistory, fold
from fanxing.indicators.known_through import known_through_us
from fanxing.indicators.measure import measure
from fanxing.indicators.peers import SPREAD, Peers, known_well_enough, peers_of
from fanxing.indicators.peers_bytes import pack_peers
from fanxing.institutions import Institution
from fanxing.merchants import Merchant
from fanxing.payments import RecordedPayment

PAYMENTS_A_READ = 1_000
"""Few enough that the reads of other calls come in between."""
_NO_ASK = Ask(requested_fen=None, term_months=12)


async def measured_peers(institution: Institution, store: Store, known_us: int) -> tuple[Peers, bytes]:
    """How indicators are spread over the merchants, by what is on record now and was known then, and its bytes."""
    everyone = Range(Merchant, ("merchant_id",))
    answers = Snapshot(await store.read(institution.institution_id, everyone, feeds_query(ALL_MERCHANTS)))
    feeds = answers.many(1, Feed)
    measured = []
    for merchant in answers.many(0, Merchant):
        if merchant.place and merchant.registered_us <= known_us:
            row = await _measured(institution, store, merchant, feeds, known_us)
            if row is not None:
                measured.append((merchant, row))
    return await asyncio.to_thread(lambda: pack_peers(peers_of(measured), known_us))


async def _measured(
    institution: Institution, store: Store, merchant: Merchant, feeds: tuple[Feed, ...], known_us: int
) -> np.ndarray | None:
    """SPREAD of one merchant as its own ranks are asked for, or None where its receipts are known too little far."""
    history, own = await _read(institution, store, merchant.merchant_id)
    history = history.known(known_us)
    told = await told_by(institution, feeds + own, history.channel_names, known_us, store)
    if not known_well_enough(known_through_us(history, told, known_us), known_us):
        return None
    zone = merchant.time_zone or institution.time_zone
    return await asyncio.to_thread(
        measure, SPREAD, merchant, history, (), None, NOTHING_DRAWN, _NO_ASK, known_us, zone, told
    )


async def _read(institution: Institution, store: Store, merchant_id: str) -> tuple[PaymentHistory, tuple[Feed, ...]]:
    """A merchant's payments and feeds. They pass the cache by, which decisions need.

    Feeds are read before the last payments, so that no claim is newer than the payments that it speaks of.
    """
    feeds = Snapshot(await store.read(institution.institution_id, feeds_query(merchant_id))).many(0, Feed)
    history, order = EMPTY, ("merchant_id", "merchant_seq")
    while True:
        page = Range(RecordedPayment, order, prefix=(merchant_id,), after=(history.through_seq,), limit=PAYMENTS_A_READ)
        payments = Snapshot(await store.read(institution.institution_id, page)).many(0, RecordedPayment)
        history = await asyncio.to_thread(fold, history, payments)
        if len(payments) < PAYMENTS_A_READ:
            return history, feeds
