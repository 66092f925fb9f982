"""A client for our own tools: the stubs over one channel, the token on every call, and failures in plain words."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

from fanxing.v1 import (
    decision_service_pb2_grpc,
    lending_service_pb2_grpc,
    merchant_service_pb2_grpc,
    payment_service_pb2_grpc,
)
from fanxing.wire.errors import DETAILS_KEY

RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)
"""With the same request_id or payments, a retry after these is safe and worth while."""
PATIENCE_S = 60.0
Reply = TypeVar("Reply")

_OPTIONS = (
    ("grpc.enable_retries", 0),  # who calls decides what may be repeated
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),  # a service that restarts is found again within a second
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed: status, ErrorReason without its prefix, the fields at fault, a sentence."""

    status: grpc.StatusCode
    reason: str
    fields: tuple[str, ...]
    message: str
    metadata: dict[str, str]

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status in RETRYABLE


def failure(error: grpc.RpcError) -> Failure:
    """What a failed call says."""
    rich = status_pb2.Status()
    for each in error.trailing_metadata() or ():
        if each.key == DETAILS_KEY:
            rich.ParseFromString(each.value)
    info, broken = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in rich.details:
        detail.Unpack(info)
        detail.Unpack(broken)
    return Failure(
        status=error.code(),
        reason=info.reason.removeprefix("ERROR_REASON_"),
        fields=tuple(violation.field for violation in broken.field_violations),
        message=rich.message or error.details() or "",
        metadata=dict(info.metadata),
    )


def patiently(call: Callable[[], Reply]) -> Reply:
    """Calls again after what a retry may mend, for a minute; for calls that are safe to repeat."""
    until, pause = time.monotonic() + PATIENCE_S, 0.05
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in RETRYABLE or time.monotonic() > until:
                raise
        time.sleep(pause)
        pause = min(1.0, 2 * pause)


class _Details(NamedTuple):
    """grpc.ClientCallDetails is an abstract marker; interceptors hand on an object with its fields."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Adds the token to every call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _with_header(self, details: grpc.ClientCallDetails) -> _Details:
        return _Details(
            details.method,
            details.timeout,
            [*(details.metadata or ()), self._header],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:  # noqa: ANN401
        return continuation(self._with_header(client_call_details), request)

    def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:  # noqa: ANN401
        return continuation(self._with_header(client_call_details), request_iterator)


class Client:
    """The four services at one target. Use it as a context manager."""

    def __init__(self, target: str, token: str | None = None) -> None:
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        channel = grpc.intercept_channel(self._channel, _Bearer(token)) if token else self._channel
        self.payments = payment_service_pb2_grpc.PaymentServiceStub(channel)
        self.merchants = merchant_service_pb2_grpc.MerchantServiceStub(channel)
        self.lending = lending_service_pb2_grpc.LendingServiceStub(channel)
        self.decisions = decision_service_pb2_grpc.DecisionServiceStub(channel)

    def wait_ready(self, seconds: float) -> None:
        """Returns once the target answers, or raises grpc.FutureTimeoutError."""
        grpc.channel_ready_future(self._channel).result(timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
