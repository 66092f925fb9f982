"""The process itself: it tells its health, describes itself only when asked to, and ends when asked."""

import signal
import sqlite3
import subprocess
import sys
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fanxing.launch import launched

SERVICES = ["DecisionService", "LendingService", "MerchantService", "PaymentService"]


def options(folder, *more):
    return ("serve", "--listen", "127.0.0.1:0", "--rail-journal", str(folder / "rail.jsonl"), *more)


def described(target):
    with grpc.insecure_channel(target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        return [each.name for each in next(stub.ServerReflectionInfo(iter([asked]))).list_services_response.service]


def test_health_is_told_and_reflection_only_on_request(tmp_path):
    with launched(*options(tmp_path, "--store", "memory:"), log=tmp_path / "log") as service:
        with grpc.insecure_channel(service.target) as channel:
            for name in ("", *(f"fanxing.v1.{each}" for each in SERVICES)):
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            described(service.target)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with launched(*options(tmp_path, "--store", "memory:", "--reflection"), log=tmp_path / "log") as service:
        assert {f"fanxing.v1.{each}" for each in SERVICES} < set(described(service.target))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked_and_leaves_the_store_to_the_next(tmp_path, number):
    store = ("--store", f"sqlite:///{tmp_path / 'store.sqlite'}")
    for _ in range(2):
        with launched(*options(tmp_path, *store), log=tmp_path / "log") as service:
            service.process.send_signal(number)
            assert service.process.wait(20) == 0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--store", "postgresql://nobody:secret@127.0.0.1:1/none"), "the store cannot be opened"),
        (("--store", "mysql://somewhere"), "names no store"),
        (("--store", "memory:", "--policy", "/nowhere"), "policy.toml"),
        (("--store", "memory:", "--institutions", "/nowhere"), "/nowhere"),
        (("--store", "memory:", "--time-zone", "Moon/Crater"), "Moon/Crater"),
    ],
)
def test_what_keeps_it_from_serving_is_told_in_a_sentence(tmp_path, more, sentence):
    command = [sys.executable, "-m", "fanxing", *options(tmp_path, *more)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_the_payer_graph_of_the_day_is_there_before_anybody_asks(tmp_path):
    store = tmp_path / "store.sqlite"
    with launched(*options(tmp_path, "--store", f"sqlite:///{store}"), log=tmp_path / "log"):
        held = sqlite3.connect(store)
        until = time.monotonic() + 30
        while not held.execute("SELECT digest FROM graph_days").fetchall():
            assert time.monotonic() < until, "no graph is on record"
            time.sleep(0.05)
        held.close()


def test_a_port_that_is_taken_is_named(tmp_path):
    with launched(*options(tmp_path, "--store", "memory:"), log=tmp_path / "log") as service:
        command = [sys.executable, "-m", "fanxing", "serve", "--store", "memory:", "--listen", service.target]
        command += ["--rail-journal", str(tmp_path / "other.jsonl")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"cannot listen on {service.target}" in done.stderr


def test_a_store_that_another_process_serves_from_is_named(tmp_path):
    store = ("--store", f"sqlite:///{tmp_path / 'store.sqlite'}")
    with launched(*options(tmp_path, *store), log=tmp_path / "log"):
        command = [sys.executable, "-m", "fanxing", *options(tmp_path, *store)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "another process serves from" in done.stderr
