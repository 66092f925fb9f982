"""A merchant's state: its payments as they are known, in few bytes, from which every windowed indicator is computed.

The bytes depend on the payments and on when each became known, not on the order in which they came. Little-endian:

    magic "FXSTATE" 1, checksum u64, through_seq i64, newest occurred_us i64, rows u32, payers u32, runs u32, large u32,
    returned u32, balances u32, first local day i32, bytes a payer u32 (2 or 4)
    rows      7 bytes: second of the local day (17 bits), tags (13: facets.py), amount in fen (26, all ones: see large)
    payers    u16 or u32 a row: place of the payer, all ones if unknown
    runs      (u16, u16): days on from the run before (the first: from the first local day), rows of that day
    large     i64: amounts that 26 bits do not hold
    returned  i64: what was sent back of each row with that tag, by when refunds count
    balances  i64: of each row that tells one, unless it is that of the row before, more or less the amount (a tag)
    payers    u64 each: BLAKE2b of the token, keyed by the institution

Sections begin at multiples of 8 bytes. Rows stand in the order of their local time; equal ones by when they became
known, then by id.
"""

import struct

import numpy as np

from fanxing.indicators.facets import OLD_DAYS, YOUNG_DAYS, Facet
from fanxing.indicators.history import RECEIPT, REFUND, UNKNOWN, PaymentHistory
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing_core import _windows

MAGIC = b"FXSTATE\x01"
_HEADER = struct.Struct("<8sQqq6IiI")
_SECOND_US = 1_000_000
_LARGE = (1 << 26) - 1
_ROW_BYTES = 7
_RUN_MAX = 65_535


def state_of(
    history: PaymentHistory,
    controller_token: str,
    time_zone: str,
    as_of_us: int,
    salt: bytes,
    refunds_us: int | None = None,
) -> bytes:
    """The state of a history's payments that happened by `as_of_us`; tokens are kept as digests under the salt.

    What was sent back of them counts if that happened by then, or by a later `refunds_us`.
    """
    newest_us = int(history.rows["occurred_us"].max(initial=0))  # later moments know the same
    cut_us = min(as_of_us, newest_us)
    back_us = cut_us if refunds_us is None else min(refunds_us, newest_us)
    key = history.through_seq, cut_us, back_us, controller_token, time_zone, salt
    held = history.last_state
    if held is None or held[0] != key:
        held = history.last_state = key, _state_of(history, controller_token, time_zone, cut_us, back_us, salt)
    return held[1]


def _state_of(
    history: PaymentHistory, controller_token: str, time_zone: str, as_of_us: int, refunds_us: int, salt: bytes
) -> bytes:
    rows = history.rows
    place = np.flatnonzero((rows["kind"] != REFUND) & (rows["occurred_us"] <= as_of_us))
    local = local_us(rows["occurred_us"][place], time_zone)
    order = _order(history, place, local)
    place, local = place[order], local[order]
    chosen, returned = rows.take(place), _returned(rows, refunds_us)[place]  # take copies a row at once
    tags = _tags(chosen, returned, history.payers.get(controller_token, -2) if controller_token else -2)
    follows = _follows(chosen)
    tags |= follows.astype("u8") << np.uint64(Facet.BALANCE_FOLLOWS)
    return _packed(
        through_seq=history.through_seq,
        newest_us=int(chosen["occurred_us"].max(initial=0)),
        day=local // DAY_US,
        words=_words(local % DAY_US // _SECOND_US, tags, chosen["amount_fen"]),
        payer=chosen["payer"],
        digests=history.payer_digests(salt),
        large=chosen["amount_fen"][chosen["amount_fen"] >= _LARGE],
        returned=returned[returned > 0],
        balances=chosen["balance_fen"][chosen["has_balance"] & ~follows],
    )


def _order(history: PaymentHistory, place: np.ndarray, local: np.ndarray) -> np.ndarray:
    """By local time; of equal ones, by when they became known, then by id, shorter ids first."""
    known = history.rows["known_us"][place]
    order = np.lexsort((known, local))
    ids = history.payment_ids
    same = np.flatnonzero((np.diff(local[order]) == 0) & (np.diff(known[order]) == 0))
    for run in np.split(same, np.flatnonzero(np.diff(same) != 1) + 1) if len(same) else ():
        tied = slice(int(run[0]), int(run[-1]) + 2)
        order[tied] = sorted(order[tied], key=lambda at: (len(ids[place[at]]), ids[place[at]]))
    return order


def _returned(rows: np.ndarray, as_of_us: int) -> np.ndarray:
    """What was sent back of each row by then, at most what it was."""
    back = np.zeros(len(rows), np.longdouble)  # refunds may come to more than 64 bits hold
    refunds = rows.take(np.flatnonzero((rows["kind"] == REFUND) & (rows["occurred_us"] <= as_of_us)))
    refunds = refunds[(refunds["receipt"] != UNKNOWN) & (refunds["receipt"] < len(rows))]
    np.add.at(back, refunds["receipt"], refunds["amount_fen"])
    return np.where(rows["kind"] == RECEIPT, np.minimum(back, rows["amount_fen"]), 0).astype("i8")


def _follows(rows: np.ndarray) -> np.ndarray:
    """Where the balance told is the one that the row before told, more or less the amount."""
    moved = np.where(rows["kind"] == RECEIPT, rows["amount_fen"], -rows["amount_fen"])
    follows = np.zeros(len(rows), "?")
    told = rows["has_balance"]
    follows[1:] = told[1:] & told[:-1] & (rows["balance_fen"][1:] == rows["balance_fen"][:-1] + moved[1:])
    return follows


def _tags(rows: np.ndarray, returned: np.ndarray, controller: int) -> np.ndarray:
    """One bit a facet, uint64."""
    receipt, age = rows["kind"] == RECEIPT, rows["account_age_days"]
    bits = {
        Facet.RECEIPT: receipt,
        Facet.RETURNED: returned > 0,
        Facet.BALANCE_TOLD: rows["has_balance"],
        Facet.OWN: rows["payer"] == controller,
        Facet.REAL_NAME: rows["real_name"] == 1,
        Facet.OLD_ACCOUNT: age >= OLD_DAYS,
        Facet.YOUNG_ACCOUNT: (age != UNKNOWN) & (age < YOUNG_DAYS),
        Facet.BY_BALANCE: rows["wallet"],
        Facet.BY_DEBIT: rows["debit"],
        Facet.BY_CREDIT: rows["credit"],
        Facet.MERCHANT_CODE: rows["merchant_code"],
        Facet.PERSONAL_CODE: rows["personal_code"],
    }
    tags = np.zeros(len(rows), "u8")
    for facet, which in bits.items():
        tags |= np.asarray(which).astype("u8") << np.uint64(facet)
    return tags


def _words(second: np.ndarray, tags: np.ndarray, amount_fen: np.ndarray) -> np.ndarray:
    amount = np.minimum(amount_fen, _LARGE).astype("u8")
    return np.asarray(second.astype("u8") | tags << np.uint64(17) | amount << np.uint64(30))


def _packed(
    *,
    through_seq: int,
    newest_us: int,
    day: np.ndarray,
    words: np.ndarray,
    payer: np.ndarray,
    digests: np.ndarray,
    large: np.ndarray,
    returned: np.ndarray,
    balances: np.ndarray,
) -> bytes:
    payers, places = _payers(payer, digests)
    width = places.dtype.itemsize
    runs = _runs(day)
    sections = (
        words.astype("<u8").view("u1").reshape(-1, 8)[:, :_ROW_BYTES],
        places,
        runs.astype("<u2"),
        large.astype("<i8"),
        returned.astype("<i8"),
        balances.astype("<i8"),
        payers.astype("<u8"),
    )
    body = b"".join(section.tobytes() + bytes(-section.nbytes % 8) for section in sections)
    counts = (len(words), len(payers), len(runs), len(large), len(returned), len(balances))
    first = int(day[0]) if len(day) else 0
    head = _HEADER.pack(MAGIC, 0, through_seq, newest_us, *counts, first, width)[16:]
    return MAGIC + struct.pack("<Q", _windows.checksum(head + body)) + head + body


def _payers(payer: np.ndarray, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The digests that occur, rising, and for each row the place of its own, all ones if unknown."""
    occurs = np.zeros(len(digests), "?")
    occurs[payer[payer != UNKNOWN]] = True
    payers, place = np.unique(digests[occurs], return_inverse=True)
    width = 2 if len(payers) < _RUN_MAX else 4
    places = np.full(len(digests) + 1, (1 << 8 * width) - 1, f"<u{width}")
    places[:-1][occurs] = place
    return payers, places[payer]  # UNKNOWN, -1, finds the last


def _runs(day: np.ndarray) -> np.ndarray:
    """(days on, rows) of each day with rows, uint16 (runs, 2); longer ones in several."""
    starts = np.flatnonzero(np.diff(day, prepend=day[:1] - 1))
    days, counts = day[starts], np.diff(starts, append=len(day))
    runs: list[tuple[int, int]] = []
    before = int(days[0]) if len(days) else 0
    for each, rows in zip(days.tolist(), counts.tolist(), strict=True):
        on, count = each - before, rows
        while on > _RUN_MAX:
            runs.append((_RUN_MAX, 0))
            on -= _RUN_MAX
        while count > _RUN_MAX:
            runs.append((on, _RUN_MAX))
            on, count = 0, count - _RUN_MAX
        runs.append((on, count))
        before = each
    return np.array(runs, "u2").reshape(-1, 2)
