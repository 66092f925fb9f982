"""The one interceptor: who calls, does the message keep the contract, and what to send when something goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf.message import Message

from fanxing.errors import FanxingError
from fanxing.wire.errors import ContractBroken, abort, abort_internal
from fanxing.wire.tenant import INSTITUTION, Tenants

OURS = "/fanxing.v1."
UUIDS = ("request_id", "application_id", "line_id", "loan_id", "decision_id")
log = structlog.get_logger()
_validator = protovalidate.Validator()


def check(message: Message) -> None:
    """Raises ContractBroken, naming every field, unless the message keeps the rules written in the contract."""
    violations = _validator.collect_violations(message)
    if violations:
        raise ContractBroken([(_path(violation), violation.proto.message) for violation in violations])


def _path(violation: protovalidate.Violation) -> str:
    parts = []
    for element in violation.proto.field.elements if violation.proto.field else ():
        subscript = element.subscript
        parts.append(element.field_name + (f"[{subscript.value}]" if subscript is not None else ""))
    return ".".join(parts)


class Gate(grpc.aio.ServerInterceptor):
    """Stands before every call of our services; health and reflection pass."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps the handler."""
        handler = await continuation(details)
        if handler is None or not details.method.startswith(OURS):
            return handler
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(
                self._guarded(handler.stream_unary, details.method, _checked_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._guarded(handler.unary_unary, details.method, _checked),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _guarded(
        self, method: Callable[..., Any] | None, name: str, checked: Callable[[Any], Any]
    ) -> Callable[..., Awaitable[Any]]:
        assert method is not None

        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401  any message
            try:
                INSTITUTION.set(self._tenants.identify(context.invocation_metadata() or ()))
                return await method(checked(request), context)
            except FanxingError as error:
                await abort(context, error)
            except grpc.aio.AbortError:
                raise
            except Exception:
                log.exception("fault", rpc=name)
                await abort_internal(context)

        return call


def _checked(request: Message) -> Message:
    """The request once it keeps the contract. A UUID names one thing, in whichever case it is written."""
    check(request)
    for name in UUIDS:
        if name in request.DESCRIPTOR.fields_by_name:
            setattr(request, name, getattr(request, name).lower())
    return request


async def _checked_stream(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for request in requests:
        check(request)
        yield request
