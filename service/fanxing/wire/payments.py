"""PaymentService on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc

from fanxing.errors import FanxingError
from fanxing.flows.record_payments import RecordPayments, Refusal, record_payments
from fanxing.flows.record_watermark import RecordWatermark, list_feeds, record_watermark
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.payments import CodeKind, Instrument, Payment, PaymentKind
from fanxing.v1 import payment_pb2, payment_service_pb2, payment_service_pb2_grpc
from fanxing.wire import convert
from fanxing.wire.errors import reason_of
from fanxing.wire.interceptors import check
from fanxing.wire.merchants import moment_of
from fanxing.wire.plain_rules import Scalars, keeps, scalars
from fanxing.wire.tenant import INSTITUTION
from fanxing.wire.watermarks import feed_message, watermark

_scalars = scalars(payment_pb2.Payment.DESCRIPTOR)
_keeps = keeps(payment_pb2.Payment.DESCRIPTOR)
REPORTED_MAX = 1000
"""How many conflicts and refusals the answer to a stream lists."""
_KINDS = {
    payment_pb2.PAYMENT_KIND_RECEIPT: PaymentKind.RECEIPT,
    payment_pb2.PAYMENT_KIND_REFUND: PaymentKind.REFUND,
    payment_pb2.PAYMENT_KIND_OUTFLOW: PaymentKind.OUTFLOW,
}
_INSTRUMENTS = {
    payment_pb2.INSTRUMENT_UNSPECIFIED: Instrument.UNKNOWN,
    payment_pb2.INSTRUMENT_BALANCE: Instrument.BALANCE,
    payment_pb2.INSTRUMENT_DEBIT: Instrument.DEBIT,
    payment_pb2.INSTRUMENT_CREDIT: Instrument.CREDIT,
}
_CODE_KINDS = {
    payment_pb2.CODE_KIND_UNSPECIFIED: CodeKind.UNKNOWN,
    payment_pb2.CODE_KIND_MERCHANT: CodeKind.MERCHANT,
    payment_pb2.CODE_KIND_PERSONAL: CodeKind.PERSONAL,
}


class PaymentServicer(payment_service_pb2_grpc.PaymentServiceServicer):
    """Converts, calls the flow, converts back.

    A stream has one batch in hand: the next is asked for once this one is durable. What its sender sends meanwhile
    waits in HTTP/2's window, a few megabytes, and then the sender waits.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def RecordPaymentBatch(
        self, request: payment_service_pb2.RecordPaymentBatchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> payment_service_pb2.RecordPaymentBatchResponse:
        accepted, duplicates, conflicts, refused = await self._record(request, 0)
        return payment_service_pb2.RecordPaymentBatchResponse(
            accepted=accepted, duplicates=duplicates, conflicts=_refusals(conflicts), refused=_refusals(refused)
        )

    async def RecordPayments(
        self,
        request_iterator: AsyncIterator[payment_service_pb2.RecordPaymentsRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> payment_service_pb2.RecordPaymentsResponse:
        total, sent = payment_service_pb2.RecordPaymentsResponse(), 0
        async for request in request_iterator:
            accepted, duplicates, conflicts, refused = await self._record(request, sent)
            sent += len(request.payments)
            total.batches += 1
            total.accepted += accepted
            total.duplicates += duplicates
            total.conflict_count += len(conflicts)
            total.refused_count += len(refused)
            total.conflicts.extend(_refusals(conflicts[: REPORTED_MAX - len(total.conflicts)]))
            total.refused.extend(_refusals(refused[: REPORTED_MAX - len(total.refused)]))
        return total

    async def RecordWatermark(
        self, request: payment_service_pb2.RecordWatermarkRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> payment_service_pb2.RecordWatermarkResponse:
        command = RecordWatermark(
            request_id=request.request_id,
            watermark=watermark(request.watermark, "watermark.complete_through"),
            merchant_ids=tuple(request.merchant_ids),
            effective_us=moment_of(request, "effective_time"),
        )
        feeds = await record_watermark(INSTITUTION.get(), command, self._world)
        return payment_service_pb2.RecordWatermarkResponse(feeds=map(feed_message, feeds))

    async def ListFeeds(
        self, request: payment_service_pb2.ListFeedsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> payment_service_pb2.ListFeedsResponse:
        feeds = await list_feeds(INSTITUTION.get(), request.merchant_id, self._world)
        return payment_service_pb2.ListFeedsResponse(feeds=map(feed_message, feeds))

    async def _record(
        self,
        request: payment_service_pb2.RecordPaymentBatchRequest | payment_service_pb2.RecordPaymentsRequest,
        first: int,
    ) -> tuple[int, int, list[Refusal], list[Refusal]]:
        institution = INSTITUTION.get()
        payments, malformed = _plain(institution, request.payments, first)
        command = RecordPayments(payments=tuple(payments), effective_us=moment_of(request, "effective_time"))
        outcome = await record_payments(institution, command, self._world)
        refused = sorted([*malformed, *outcome.refused], key=lambda refusal: refusal.index)
        return outcome.accepted, outcome.duplicates, list(outcome.conflicts), refused


def _plain(
    institution: Institution, messages: Iterable[payment_pb2.Payment], first: int
) -> tuple[list[tuple[int, Payment]], list[Refusal]]:
    """The payments that keep the contract, with their places, and refusals of those that do not."""
    payments, malformed = [], []
    for index, message in enumerate(messages, first):
        try:
            values = _scalars(message)
            if not _keeps(message, values):
                check(message)
            payments.append((index, _payment(message, values, institution.currency)))
        except FanxingError as error:
            malformed.append(Refusal(index, message.payment_id, error))
    return payments, malformed


def _payment(message: payment_pb2.Payment, values: Scalars, currency: str) -> Payment:
    """`values`: the message's scalars. Reading a field is what costs, so each is read once."""
    (payment_id, merchant_id, payer_token, kind, refund_of, instrument, channel, code_kind, device_token,
     real_name, age_days) = values  # fmt: skip
    present, balance_fen = message.HasField, None
    if present("balance_after"):
        balance_fen = convert.fen(message.balance_after, currency, "balance_after", signed=True)
    return Payment(
        merchant_id=merchant_id,
        payment_id=payment_id,
        payer_token=payer_token,
        amount_fen=convert.fen(message.amount, currency, "amount"),
        occurred_us=convert.micros(message.occurred_at, "occurred_at"),
        kind=_KINDS[kind],
        refund_of=refund_of,
        instrument=_INSTRUMENTS[instrument],
        channel=channel,
        code_kind=_CODE_KINDS[code_kind],
        device_token=device_token,
        payer_real_name=real_name if present("payer_real_name") else None,
        payer_account_age_days=age_days if present("payer_account_age_days") else None,
        balance_after_fen=balance_fen,
    )


def _refusals(refusals: Iterable[Refusal]) -> list[payment_service_pb2.PaymentRefusal]:
    return [
        payment_service_pb2.PaymentRefusal(
            index=refusal.index,
            payment_id=refusal.payment_id,
            reason=reason_of(refusal.error),
            field=refusal.error.field,
            message=refusal.error.message,
        )
        for refusal in refusals
    ]
