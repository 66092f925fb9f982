"""RecordPayments: a batch joins the log in one durable commit; each payment stands for itself.

The merchant's row allots a gap-free number and a monotone known_us in the commit that inserts, guarded by its version,
so two batches for one merchant can never take the same number.
"""

from collections import defaultdict
from dataclasses import dataclass

from fanxing.errors import (
    Contention,
    FanxingError,
    PaymentConflict,
    RefundReferenceInvalid,
)
from fanxing.flows.find import not_found
from fanxing.flows.moments import moment, refuse_backwards, refuse_future, tick
from fanxing.flows.once import ATTEMPTS, attempts, committed
from fanxing.flows.ports import ChangeSet, Get, Snapshot
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.merchants import Merchant
from fanxing.payments import Payment, PaymentKind, RecordedPayment, content_hash, recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPayments:
    """The plain command: payments with their places in the batch as sent."""

    payments: tuple[tuple[int, Payment], ...]
    effective_us: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A payment that was not recorded: its place, its id, and why."""

    index: int
    payment_id: str
    error: FanxingError


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch."""

    accepted: int
    duplicates: int
    conflicts: tuple[Refusal, ...]
    refused: tuple[Refusal, ...]


async def record_payments(institution: Institution, command: RecordPayments, world: World) -> Recorded:
    """Records a batch. Contention is raised when other batches for the same merchants won every time.

    The first attempt takes all for new, as they mostly are: where one is on record its commit is a conflict, and the
    next attempt has read what is held. Only that one refuses, since what is held already is never refused.
    """
    merchants = tuple((merchant_id,) for merchant_id in {payment.merchant_id for _, payment in command.payments})
    async for attempt in attempts(ATTEMPTS):
        keys = tuple({(each.merchant_id, each.payment_id) for _, each in command.payments}) if attempt else ()
        queries = (Get(Merchant, merchants), Get(RecordedPayment, keys))
        answers = Snapshot(await world.store.read(institution.institution_id, *queries))
        at_us = moment(institution, command.effective_us, world.now)
        batch = _Batch(institution, at_us, answers)
        for index, payment in command.payments:
            batch.take(index, payment)
        if batch.refused and not attempt:
            continue
        try:
            if not batch.fresh or await committed(institution, world.store, batch.changes()):
                return batch.outcome()
        finally:  # it may be committed though nobody waits for the answer any more
            world.graphs.forget(institution, at_us)
    raise Contention("other calls recorded payments for the same merchants; send the batch again")


class _Batch:
    """Sorts the payments of one batch into fresh, duplicate, conflicting and refused ones."""

    def __init__(self, institution: Institution, at_us: int, answers: Snapshot) -> None:
        self.institution = institution
        self.at_us = at_us
        self.merchants = {merchant.merchant_id: merchant for merchant in answers.many(0, Merchant)}
        self.hashes = {
            (held.merchant_id, held.payment_id): held.content_hash for held in answers.many(1, RecordedPayment)
        }
        self.open: dict[str, Merchant] = {}
        self.fresh: dict[str, list[tuple[Payment, str]]] = defaultdict(list)
        self.duplicates = 0
        self.conflicts: list[Refusal] = []
        self.refused: list[Refusal] = []

    def take(self, index: int, payment: Payment) -> None:
        key, contents = (payment.merchant_id, payment.payment_id), content_hash(payment)
        held = self.hashes.get(key)
        if held == contents:
            self.duplicates += 1
        elif held is not None:
            error = PaymentConflict("recorded before with other contents; the record stays", field="payment_id")
            self.conflicts.append(Refusal(index, payment.payment_id, error))
        else:
            try:
                self._check(payment)
            except FanxingError as error:
                self.refused.append(Refusal(index, payment.payment_id, error))
                return
            self.hashes[key] = contents
            self.fresh[payment.merchant_id].append((payment, contents))

    def _check(self, payment: Payment) -> None:
        if payment.merchant_id not in self.open:
            self._open(payment.merchant_id)
        refuse_future(payment.occurred_us, self.at_us, "occurred_at")
        if (payment.kind is PaymentKind.REFUND) != bool(payment.refund_of):
            raise RefundReferenceInvalid("a refund names the receipt that it sends back, and nothing else does",
                                         field="refund_of")  # fmt: skip

    def _open(self, merchant_id: str) -> None:
        """No payment joins of a merchant that is unknown, or has later records."""
        merchant = self.merchants.get(merchant_id)
        if merchant is None:
            raise not_found(Merchant, merchant_id)
        refuse_backwards(self.institution, self.at_us, merchant.last_told_us, f"merchant {merchant_id}")
        self.open[merchant_id] = merchant

    def changes(self) -> ChangeSet:
        """Everything that the batch adds, with numbers and known times allotted."""
        inserts: list[RecordedPayment] = []
        merchants: list[Merchant] = []
        for merchant_id, payments in sorted(self.fresh.items()):
            held = self.open[merchant_id]
            merchant = tick(self.institution, held, self.at_us, len(payments))
            known_us, first = merchant.last_known_us, held.payment_count + 1
            inserts += [
                recorded(payment, seq, known_us, contents) for seq, (payment, contents) in enumerate(payments, first)
            ]
            merchants.append(merchant)
        return ChangeSet(inserts=tuple(inserts), updates=tuple(merchants))

    def outcome(self) -> Recorded:
        accepted = sum(len(payments) for payments in self.fresh.values())
        return Recorded(accepted, self.duplicates, tuple(self.conflicts), tuple(self.refused))
