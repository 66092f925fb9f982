"""One table from error classes to (status, ErrorReason); one way to send them."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from fanxing import errors as e
from fanxing.v1.error_reason_pb2 import ErrorReason

S = grpc.StatusCode
TABLE: dict[type[e.FanxingError], tuple[grpc.StatusCode, str]] = {
    e.InvalidRequest: (S.INVALID_ARGUMENT, "INVALID_REQUEST"),
    e.TokenUnknown: (S.UNAUTHENTICATED, "TOKEN_UNKNOWN"),
    e.CurrencyMismatch: (S.INVALID_ARGUMENT, "CURRENCY_MISMATCH"),
    e.AmountOutOfRange: (S.INVALID_ARGUMENT, "AMOUNT_OUT_OF_RANGE"),
    e.TimeInFuture: (S.INVALID_ARGUMENT, "TIME_IN_FUTURE"),
    e.EffectiveTimeRequired: (S.INVALID_ARGUMENT, "EFFECTIVE_TIME_REQUIRED"),
    e.EffectiveTimeForbidden: (S.INVALID_ARGUMENT, "EFFECTIVE_TIME_FORBIDDEN"),
    e.EffectiveTimeBackwards: (S.FAILED_PRECONDITION, "EFFECTIVE_TIME_BACKWARDS"),
    e.MerchantNotFound: (S.NOT_FOUND, "MERCHANT_NOT_FOUND"),
    e.MerchantExists: (S.ALREADY_EXISTS, "MERCHANT_EXISTS"),
    e.PaymentConflict: (S.ALREADY_EXISTS, "PAYMENT_CONFLICT"),
    e.RefundReferenceInvalid: (S.INVALID_ARGUMENT, "REFUND_REFERENCE_INVALID"),
    e.RequestIdReused: (S.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    e.ApplicationNotFound: (S.NOT_FOUND, "APPLICATION_NOT_FOUND"),
    e.LineNotFound: (S.NOT_FOUND, "LINE_NOT_FOUND"),
    e.LoanNotFound: (S.NOT_FOUND, "LOAN_NOT_FOUND"),
    e.DecisionNotFound: (S.NOT_FOUND, "DECISION_NOT_FOUND"),
    e.ApplicationStateWrong: (S.FAILED_PRECONDITION, "APPLICATION_STATE"),
    e.OfferExpired: (S.FAILED_PRECONDITION, "OFFER_EXPIRED"),
    e.OfferDigestMismatch: (S.FAILED_PRECONDITION, "OFFER_DIGEST_MISMATCH"),
    e.LineStateWrong: (S.FAILED_PRECONDITION, "LINE_STATE"),
    e.LimitExceeded: (S.FAILED_PRECONDITION, "LIMIT_EXCEEDED"),
    e.FundingExhausted: (S.RESOURCE_EXHAUSTED, "FUNDING_EXHAUSTED"),
    e.ConsentMissing: (S.FAILED_PRECONDITION, "CONSENT_MISSING"),
    e.ConsentExpired: (S.FAILED_PRECONDITION, "CONSENT_EXPIRED"),
    e.PolicyNotPublished: (S.FAILED_PRECONDITION, "POLICY_NOT_PUBLISHED"),
    e.PolicyInvalid: (S.INVALID_ARGUMENT, "POLICY_INVALID"),
    e.ModelInvalid: (S.INVALID_ARGUMENT, "MODEL_INVALID"),
    e.IndicatorUnknown: (S.INVALID_ARGUMENT, "INDICATOR_UNKNOWN"),
    e.IndicatorsTooMany: (S.INVALID_ARGUMENT, "INDICATORS_TOO_MANY"),
    e.PeersSettled: (S.FAILED_PRECONDITION, "PEERS_SETTLED"),
    e.PageTokenInvalid: (S.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"),
    e.StoreUnavailable: (S.UNAVAILABLE, "STORE_UNAVAILABLE"),
    e.OutcomeUnknown: (S.UNAVAILABLE, "OUTCOME_UNKNOWN"),
    e.Contention: (S.ABORTED, "CONTENTION"),
    e.RailNotSimulated: (S.FAILED_PRECONDITION, "RAIL_NOT_SIMULATED"),
    e.ProductUnavailable: (S.INVALID_ARGUMENT, "PRODUCT_UNAVAILABLE"),
    e.WatermarkBackwards: (S.FAILED_PRECONDITION, "WATERMARK_BACKWARDS"),
    e.FeedStale: (S.FAILED_PRECONDITION, "FEED_STALE"),
}
DOMAIN = "fanxing"
DETAILS_KEY = "grpc-status-details-bin"


def reason_of(error: e.FanxingError) -> ErrorReason.ValueType:
    """The contract's reason for an error."""
    return ErrorReason.Value(f"ERROR_REASON_{TABLE[type(error)][1]}")


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: e.FanxingError) -> None:
    """Ends a call with an error's status, ErrorInfo and, where a field is at fault, BadRequest. Always raises."""
    status, reason = TABLE[type(error)]
    violations = error.violations if isinstance(error, ContractBroken) else [(error.field, error.message)]
    await _abort(context, status, reason, error.message, error.metadata, [pair for pair in violations if pair[0]])


async def abort_internal(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Ends a call with INTERNAL and a plain sentence; the log has the rest. Always raises."""
    await _abort(context, S.INTERNAL, "INTERNAL", "a fault in the service; it is logged", {}, [])


async def _abort(
    context: grpc.aio.ServicerContext[Any, Any],
    status: grpc.StatusCode,
    reason: str,
    message: str,
    metadata: dict[str, str],
    violations: list[tuple[str, str]],
) -> None:
    details = [error_details_pb2.ErrorInfo(reason=f"ERROR_REASON_{reason}", domain=DOMAIN, metadata=metadata)]
    if violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=text) for field, text in violations
        ]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    packed = []
    for detail in details:
        each = any_pb2.Any()
        each.Pack(detail)
        packed.append(each)
    code = code_pb2.Code.Value(status.name)
    rich = status_pb2.Status(code=code, message=message, details=packed)
    await context.abort(status, message, trailing_metadata=((DETAILS_KEY, rich.SerializeToString()),))


class ContractBroken(e.InvalidRequest):
    """Rules written in the contract are broken: every field with its sentence."""

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in violations[:5]), field=violations[0][0])
        self.violations = violations


TABLE[ContractBroken] = TABLE[e.InvalidRequest]
