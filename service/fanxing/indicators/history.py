"""One merchant's payments as columns, folded forward from the log.

A history is a prefix of the log by merchant_seq, and since known_us never decreases along it, what was known at any
moment is a shorter prefix of the same columns. Folding appends behind the end of a shared buffer, so that a tail of one
costs little and older histories stay as they were.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from fanxing.payments import CodeKind, Instrument, PaymentKind, RecordedPayment

RECEIPT, REFUND, OUTFLOW = 0, 1, 2
UNKNOWN = -1
_KINDS = {PaymentKind.RECEIPT: RECEIPT, PaymentKind.REFUND: REFUND, PaymentKind.OUTFLOW: OUTFLOW}
ROW = np.dtype(
    [
        ("occurred_us", "i8"),
        ("known_us", "i8"),
        ("amount_fen", "i8"),
        ("balance_fen", "i8"),
        ("receipt", "i8"),  # of a refund: the place of the receipt that it sends back, or UNKNOWN
        ("payer", "i4"),  # place in `payers`, or UNKNOWN
        ("device", "i4"),  # place in `devices`, or UNKNOWN
        ("channel", "i4"),  # place in `channels`
        ("account_age_days", "i4"),  # or UNKNOWN
        ("kind", "i1"),
        ("real_name", "i1"),  # 1, 0 or UNKNOWN
        ("wallet", "?"),
        ("debit", "?"),
        ("credit", "?"),
        ("merchant_code", "?"),
        ("personal_code", "?"),
        ("has_balance", "?"),
    ]
)


@dataclass(slots=True)
class _Buffer:
    """Grows at its end only; every history of a merchant looks at a prefix of it."""

    rows: np.ndarray = field(default_factory=lambda: np.empty(64, ROW))
    used: int = 0
    places: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, list[int]] = field(default_factory=dict)
    payers: dict[str, int] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)
    salted: dict[bytes, np.ndarray] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PaymentHistory:
    """The first `through_seq` payments of a merchant's log.

    `last_state` is what state_of made of it last, and of what.
    """

    _buffer: _Buffer
    through_seq: int
    last_state: tuple[tuple[object, ...], bytes] | None = None

    @property
    def rows(self) -> np.ndarray:
        """The payments, dtype ROW, in the order of merchant_seq; read only."""
        view = self._buffer.rows[: self.through_seq]
        view.flags.writeable = False
        return view

    @property
    def payers(self) -> dict[str, int]:
        """Places of payer tokens; it may hold payers of later payments too."""
        return self._buffer.payers

    @property
    def payer_tokens(self) -> list[str]:
        """The tokens of these payments' payers, by place: places are given in the order of the log."""
        return list(islice(self._buffer.payers, self._payers_known))

    @property
    def _payers_known(self) -> int:
        return int(self.rows["payer"].max(initial=UNKNOWN)) + 1

    def payer_digests(self, salt: bytes) -> np.ndarray:
        """BLAKE2b of these payments' payers' tokens under a salt, uint64 by place; each is computed once."""
        digests = self._buffer.salted.get(salt, np.zeros(0, "u8"))
        if len(digests) < self._payers_known:
            new = list(islice(self._buffer.payers, len(digests), self._payers_known))
            digests = np.append(digests, np.array([_digest(token, salt) for token in new], "u8"))
            self._buffer.salted[salt] = digests
        return digests[: self._payers_known]

    @property
    def payment_ids(self) -> list[str]:
        """Ids in the order of the log; it may hold those of later payments too."""
        return self._buffer.ids

    @property
    def devices(self) -> dict[str, int]:
        """Places of device tokens; it may hold devices of later payments too."""
        return self._buffer.devices

    @property
    def channels(self) -> dict[str, int]:
        """Places of channels; it may hold channels of later payments too."""
        return self._buffer.channels

    @property
    def channel_names(self) -> list[str]:
        """The channels of these payments, by place: places are given in the order of the log."""
        return list(islice(self._buffer.channels, int(self.rows["channel"].max(initial=UNKNOWN)) + 1))

    def known(self, known_us: int) -> "PaymentHistory":
        """The payments that were known by then."""
        through = int(np.searchsorted(self.rows["known_us"], known_us, side="right"))
        return self if through == self.through_seq else PaymentHistory(self._buffer, through)


EMPTY = PaymentHistory(_Buffer(), 0)


def fold(history: PaymentHistory, tail: Sequence[RecordedPayment]) -> PaymentHistory:
    """The history with the payments that follow it in the log."""
    if not tail:
        return history
    assert tail[0].merchant_seq == history.through_seq + 1, "the log has no gap"
    buffer = history._buffer if history.through_seq else _Buffer()  # noqa: SLF001  its own module's
    assert buffer.used == history.through_seq, "only the newest history of a merchant is folded forward"
    _reserve(buffer, len(tail))
    first = buffer.used
    rows = [_row(buffer, payment, place) for place, payment in enumerate(tail, first)]
    buffer.rows[first : first + len(tail)] = np.array(rows, ROW)
    buffer.used += len(tail)
    buffer.ids += [payment.payment_id for payment in tail]
    _resolve(buffer, tail, first)
    return PaymentHistory(buffer, buffer.used)


def _digest(token: str, salt: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8, key=salt).digest(), "little")


def _reserve(buffer: _Buffer, more: int) -> None:
    if buffer.used + more > len(buffer.rows):
        grown = np.empty(max(buffer.used + more, 2 * len(buffer.rows)), ROW)
        grown[: buffer.used] = buffer.rows[: buffer.used]
        buffer.rows = grown


def _row(buffer: _Buffer, payment: RecordedPayment, place: int) -> tuple[int | bool, ...]:
    receipt = UNKNOWN
    if payment.kind is PaymentKind.REFUND:
        receipt = buffer.places.get(payment.refund_of, UNKNOWN)
        if receipt == UNKNOWN:
            buffer.waiting.setdefault(payment.refund_of, []).append(place)
    else:
        buffer.places[payment.payment_id] = place
    return (
        payment.occurred_us,
        payment.known_us,
        payment.amount_fen,
        payment.balance_after_fen or 0,
        receipt,
        _place(buffer.payers, payment.payer_token),
        _place(buffer.devices, payment.device_token),
        buffer.channels.setdefault(payment.channel, len(buffer.channels)),
        UNKNOWN if payment.payer_account_age_days is None else payment.payer_account_age_days,
        _KINDS[payment.kind],
        UNKNOWN if payment.payer_real_name is None else payment.payer_real_name,
        payment.instrument is Instrument.BALANCE,
        payment.instrument is Instrument.DEBIT,
        payment.instrument is Instrument.CREDIT,
        payment.code_kind is CodeKind.MERCHANT,
        payment.code_kind is CodeKind.PERSONAL,
        payment.balance_after_fen is not None,
    )


def _place(places: dict[str, int], token: str) -> int:
    return places.setdefault(token, len(places)) if token else UNKNOWN


def _resolve(buffer: _Buffer, tail: Sequence[RecordedPayment], first: int) -> None:
    """Books refunds that came before their receipts; older histories see a place beyond their end, thus none."""
    if buffer.waiting:
        for place, payment in enumerate(tail, first):
            for refund in buffer.waiting.pop(payment.payment_id, ()):
                buffer.rows["receipt"][refund] = place
