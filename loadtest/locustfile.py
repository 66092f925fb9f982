"""A merchant's whole way to a loan, as a Locust user: register, record, apply, accept, disburse, over gRPC.

`python -m loadtest` runs it with a service and a report of its own. Locust itself can run it too, from the root of the
repository: `python -m locust -f loadtest/locustfile.py --host 127.0.0.1:50051 --headless -u 8 -t 30s`.
"""

import itertools
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import grpc.experimental.gevent
from loadtest.shop import Shop
from loadtest.tally import Tally
from locust import User, task  # importing it makes sockets and threads gevent's
from locust.exception import StopUser

from fanxing.v1 import lending_pb2, lending_service_pb2_grpc, merchant_service_pb2_grpc, payment_service_pb2_grpc
from fanxing.wire.client import failure

grpc.experimental.gevent.init_gevent()  # before any channel, or its threads block every greenlet

CALL_S = 30.0
REST_S = 0.2
RUN = uuid.uuid4().hex[:8]


class Course:
    """What all users of a run share: the next shop's number, how many there may be, and what came of them."""

    def __init__(self, loans_max: int | None = None) -> None:
        self.tally = Tally()
        self._numbers = itertools.count()
        self._loans_max = loans_max

    def next_shop(self) -> Shop:
        """The next shop; StopUser when all were used."""
        number = next(self._numbers)
        if self._loans_max is not None and number >= self._loans_max:
            raise StopUser
        return Shop(number, RUN)


class Applicant(User):
    """One caller with a connection of its own. `host` is HOST:PORT; FANXING_TOKEN, where set, is its bearer token."""

    course = Course()

    def on_start(self) -> None:
        """Connects."""
        assert self.host, "locust is told the service by --host"
        # Users of one process would otherwise share one connection, and its flow control.
        self._channel = grpc.insecure_channel(self.host, options=[("grpc.use_local_subchannel_pool", 1)])
        token = os.environ.get("FANXING_TOKEN")
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._merchants = merchant_service_pb2_grpc.MerchantServiceStub(self._channel)
        self._payments = payment_service_pb2_grpc.PaymentServiceStub(self._channel)
        self._lending = lending_service_pb2_grpc.LendingServiceStub(self._channel)

    def on_stop(self) -> None:
        """Disconnects."""
        self._channel.close()

    @task
    def borrow(self) -> None:
        """One shop's way, ended early where it is declined or a call fails."""
        shop = self.course.next_shop()
        try:
            self._borrow(shop)
        except grpc.RpcError:
            time.sleep(REST_S)  # counted where it was called; a service in trouble is not hammered

    def _borrow(self, shop: Shop) -> None:
        tally = self.course.tally
        self._call("RegisterMerchant", self._merchants.RegisterMerchant, shop.register())
        recorded = self._call("RecordPaymentBatch", self._payments.RecordPaymentBatch, shop.record())
        if recorded.conflicts or recorded.refused:
            tally.failures["RecordPaymentBatch", "payments refused"] += 1
        application = self._call("Apply", self._lending.Apply, shop.apply()).application
        tally.applications[_state(lending_pb2.ApplicationState, application.state)] += 1
        if not application.HasField("offer"):
            return
        line = self._call("AcceptOffer", self._lending.AcceptOffer, shop.accept(application)).credit_line
        loan = self._call("Disburse", self._lending.Disburse, shop.disburse(line)).loan
        tally.loans[_state(lending_pb2.LoanState, loan.state)] += 1

    def _call(self, name: str, rpc: Callable[..., Any], request: Any) -> Any:  # noqa: ANN401  any message
        started = time.perf_counter()
        answer, error = None, None
        try:
            answer = rpc(request, timeout=CALL_S, metadata=self._metadata)
        except grpc.RpcError as caught:
            error = caught
            failed = failure(caught)
            self.course.tally.failures[name, f"{failed.reason or failed.status.name}: {failed.message}"] += 1
        took_ms = (time.perf_counter() - started) * 1000
        self.course.tally.latencies_ms[name].append(took_ms)
        self.environment.events.request.fire(
            request_type="grpc",
            name=name,
            response_time=took_ms,
            response_length=0 if answer is None else answer.ByteSize(),
            exception=error,
            context={},
        )
        if error is not None:
            raise error
        return answer


def _state(enum: Any, number: int) -> str:  # noqa: ANN401  a protobuf enum
    """The state's name without what all names of the enum begin with."""
    return str(enum.Name(number)).removeprefix(enum.Name(0).removesuffix("UNSPECIFIED"))
