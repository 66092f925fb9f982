"""A shop's books as columns of the payments feed."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa

from fanxing.payments import CodeKind, Instrument, PaymentKind
from fanxing.town.folders import FAKES, PAYMENTS
from fanxing.town.medium.delivery import delivered
from fanxing.town.medium.rows import NOBODY, OUTFLOW
from fanxing.town.medium.town import Books, MediumTown

_KINDS = pa.array([str(PaymentKind.RECEIPT), str(PaymentKind.REFUND), str(PaymentKind.OUTFLOW)])
_INSTRUMENTS = pa.array([str(Instrument.BALANCE), str(Instrument.DEBIT), str(Instrument.CREDIT), ""])
_CODES = pa.array([str(CodeKind.MERCHANT), str(CodeKind.PERSONAL), ""])
_CHANNELS = pa.array(["qr", "bank"])


@dataclass(frozen=True)
class Columns:
    """Makes tables of one town's books; the tokens of all accounts and devices are written down once."""

    town: MediumTown

    @cached_property
    def _payers(self) -> pa.Array:
        """The first token is nobody's."""
        return pa.array(["", *(f"payer-{number}" for number in self.town.people.token)])

    @cached_property
    def _devices(self) -> pa.Array:
        return pa.array(["", *(f"phone-{number}" for number in self.town.people.device_numbers)])

    def payments(self, books: Books) -> pa.Table:
        """What the feed tells of the shop, in the order of becoming known."""
        places, told_us, known_us = delivered(books.rows, self.town.size, books.shop)
        rows, people = books.rows[places], self.town.people
        account, out = rows["account"], rows["kind"] == OUTFLOW
        named = (account != NOBODY) & ~(people.anonymous[account] & ~out)
        ids, paid = payment_ids(len(books.rows)), (account != NOBODY) & ~out
        device = np.where(rows["own_device"], len(people.token) + books.shop.device, people.device[account])
        age = people.age_days(account, rows["day"]).astype("i4")
        columns = {
            "merchant_id": _words(np.zeros(len(rows), "i4"), pa.array([books.merchant.merchant_id])),
            "payment_id": ids.take(pa.array(places + 1)),
            "payer_token": _words(np.where(named, account + 1, 0), self._payers),
            "amount_fen": rows["amount_fen"],
            "occurred_us": told_us,
            "kind": _words(rows["kind"], _KINDS),
            "refund_of": ids.take(pa.array(rows["refund_of"] + 1)),
            "instrument": _words(np.where(out, 3, rows["instrument"]), _INSTRUMENTS),
            "channel": _words(out, _CHANNELS),
            "code_kind": _words(np.where(out, 2, rows["personal_code"]), _CODES),
            "device_token": _words(np.where(paid, device + 1, 0), self._devices),
            "payer_real_name": pa.array(people.real_name[account], mask=~paid),
            "payer_account_age_days": pa.array(age, mask=~paid),
            "balance_after_fen": rows["balance_fen"],
            "known_us": known_us,
        }
        return pa.table(columns, schema=PAYMENTS)

    def fakes(self, books: Books) -> pa.Table:
        """The payments that are no trade."""
        places = np.flatnonzero(books.rows["fake"])
        ids = payment_ids(len(books.rows)).take(pa.array(places + 1))
        merchant = _words(np.zeros(len(places), "i4"), pa.array([books.merchant.merchant_id]))
        return pa.table([merchant, ids], schema=FAKES)


def _words(places: np.ndarray, words: pa.Array) -> pa.Array:
    """Text by its place among words."""
    return pa.DictionaryArray.from_arrays(pa.array(places.astype("i4")), words)


def payment_ids(count: int) -> pa.Array:
    """At least so many ids, in the order of happening, after an empty one."""
    return _ids(1 << max(10, count.bit_length()))


@lru_cache(maxsize=8)
def _ids(count: int) -> pa.Array:
    return pa.array(["", *(f"p{number}" for number in range(count))])
