"""The merchants' payment histories: a cache over the log, folded forward when read, never the truth."""

from collections import OrderedDict

from fanxing.flows.ports import Range
from fanxing.indicators.history import EMPTY, PaymentHistory, fold
from fanxing.institutions import Institution
from fanxing.payments import RecordedPayment

ROWS_MAX = 4_000_000
"""About 400 MB of columns; the least recently read histories go first."""


class Histories:
    """Least-recently-used cache of histories, bounded by rows."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._histories: OrderedDict[tuple[str, str], PaymentHistory] = OrderedDict()
        self._rows = 0
        self._rows_max = rows_max

    def tail(self, institution: Institution, merchant_id: str) -> Range:
        """The query for what the cache does not have yet; give its answer to `folded`."""
        through = self._histories.get((institution.institution_id, merchant_id), EMPTY).through_seq
        return Range(RecordedPayment, ("merchant_id", "merchant_seq"), prefix=(merchant_id,), after=(through,))

    def folded(
        self, institution: Institution, merchant_id: str, tail: tuple[RecordedPayment, ...]
    ) -> PaymentHistory | None:
        """The history with the tail, or None when the cache moved on since `tail` and the query must be repeated."""
        key = (institution.institution_id, merchant_id)
        held = self._histories.pop(key, EMPTY)
        fresh = [payment for payment in tail if payment.merchant_seq > held.through_seq]
        if fresh and fresh[0].merchant_seq != held.through_seq + 1:
            return None
        history = fold(held, fresh)
        self._histories[key] = history
        self._rows += len(fresh)
        self._shrink()
        return history

    def _shrink(self) -> None:
        while self._rows > self._rows_max and len(self._histories) > 1:
            _, oldest = self._histories.popitem(last=False)
            self._rows -= oldest.through_seq
