"""Puts the rooms together and serves: the only place that knows all of them."""

import asyncio
import gc
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

import grpc
import structlog
import uvloop

from fanxing.errors import FanxingError, InvalidRequest
from fanxing.flows.moments import local_day
from fanxing.flows.policies import CHAMPION, publish
from fanxing.flows.ports import ActivePolicy, ChangeSet, Get, Quota, Store
from fanxing.flows.score import FUNDING
from fanxing.flows.settle import returns, settle
from fanxing.flows.world import World
from fanxing.institutions import Clock, Institution
from fanxing.rail.v1 import payout_rail_service_pb2_grpc
from fanxing.settings import TOWN_POLICY, Settings, Tenancy, tenancies
from fanxing.store.open import open_store
from fanxing.strategies.policy import pack
from fanxing.wire.rail_client import GrpcRail
from fanxing.wire.rail_simulator import Journal, RailSimulator
from fanxing.wire.server import OPTIONS, build_server, report_health
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import Tenants

GRACE_S = 5.0
POLICY_EVERY_S = 1.0
GRAPH_EVERY_S = 30.0
GARBAGE_MIN = 50_000
"""Objects that may hold others, made and not freed, before the collector looks for cycles among them."""
SWITCH_S = 0.0005
"""How long a thread keeps the interpreter from others. SQLite's writer waits for it after each of its statements."""
log = structlog.get_logger()


def now_us() -> int:
    """The system's clock in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sys.setswitchinterval(SWITCH_S)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    asked, stop = tenancies(settings), _stop_asked()
    async with AsyncExitStack() as stack:
        store = await open_store(settings.store, owner_url=settings.store_owner)
        stack.push_async_callback(store.close)
        institutions = [await _established(store, tenancy) for tenancy in asked]
        rail = await stack.enter_async_context(_rail(settings))
        world = World(store=store, rail=rail, now=now_us, cpu_time=time.thread_time_ns)
        for institution in institutions:
            await _publish(institution, settings, world)
        await stack.enter_async_context(_background(institutions, settings, world))
        tariff = Tariff(vcpu_second=settings.vcpu_second_yuan, gigabyte_kept=settings.gigabyte_kept_yuan)
        server, health = build_server(world, _tenants(asked), tariff, reflect=settings.reflection)
        port = _bound(server, settings.listen)
        _expect_little_garbage()
        await server.start()
        await report_health(health, serving=True)
        _say(event="serving", target=f"{settings.host}:{port}", institutions=[each.institution_id for each in asked])
        await stop.wait()
        await report_health(health, serving=False)
        await server.stop(GRACE_S)


def _expect_little_garbage() -> None:
    """What is loaded stays, and records make no cycles: the collector need not look at them many times a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MIN)


def _say(**values: object) -> None:
    """One line of JSON on standard output, for whoever started the service."""
    print(json.dumps(values), flush=True)  # noqa: T201


async def _established(store: Store, tenancy: Tenancy) -> Institution:
    """The institution on record; created when new, refused when it was created with other terms."""
    institution = tenancy.institution()
    held = {each.institution_id: each for each in await store.institutions()}.get(institution.institution_id)
    if held is not None and held != institution:
        raise InvalidRequest(f"institution {institution.institution_id} was created as {held}; that is fixed")
    new: list[Institution | Quota] = [] if held else [institution]
    if tenancy.funding_fen is not None:
        new.append(Quota(name=FUNDING, limit_fen=tenancy.funding_fen, used_fen=0))
    if new:
        await store.commit(institution.institution_id, ChangeSet(inserts_if_absent=tuple(new)))
    return institution


async def _publish(institution: Institution, settings: Settings, world: World) -> None:
    """Publishes the policy that was given; a store that has none yet gets the town's."""
    directory = settings.policy
    if directory is None:
        held = await world.store.read(institution.institution_id, Get(ActivePolicy, ((CHAMPION,),)))
        if not held[0]:
            directory = TOWN_POLICY
            log.warning("no policy given or published: the simulated town's decides", policy=str(directory))
    if directory is not None:
        await publish(institution, world.store, pack(directory), world.now)
    await world.policies.load(institution, world.store)


@asynccontextmanager
async def _rail(settings: Settings) -> AsyncIterator[GrpcRail]:
    """The bank's rail, or the simulator embedded in this process, spoken to by the same contract."""
    async with AsyncExitStack() as stack:
        target = settings.rail
        if target is None:
            simulator, port = await start_rail_simulator(settings)
            stack.push_async_callback(simulator.stop, 0)
            target = f"127.0.0.1:{port}"
        simulated = settings.rail is None or settings.rail_simulated
        rail = GrpcRail(grpc.aio.insecure_channel(target), simulated=simulated, timeout_s=settings.rail_timeout_s)
        stack.push_async_callback(rail.close)
        yield rail


async def start_rail_simulator(settings: Settings, listen: str = "127.0.0.1:0") -> tuple[grpc.aio.Server, int]:
    """The simulated rail, started, and its port."""
    server = grpc.aio.server(options=OPTIONS)
    payout_rail_service_pb2_grpc.add_PayoutRailServiceServicer_to_server(
        RailSimulator(Journal(settings.rail_journal)), server
    )
    port = _bound(server, listen)
    await server.start()
    return server, port


def _bound(server: grpc.aio.Server, listen: str) -> int:
    """The port that the server now listens on; InvalidRequest where it cannot."""
    try:
        return int(server.add_insecure_port(listen))
    except RuntimeError as error:
        raise InvalidRequest(f"cannot listen on {listen}: is it taken?", field="listen") from error


def run_rail_simulator(settings: Settings) -> None:
    """Serves the simulated rail alone, for several service processes that share it."""

    async def rail() -> None:
        stop = _stop_asked()
        server, port = await start_rail_simulator(settings, settings.listen)
        _say(event="serving", target=f"{settings.host}:{port}", simulated=True)
        await stop.wait()
        await server.stop(GRACE_S)

    uvloop.run(rail())


@asynccontextmanager
async def _background(institutions: list[Institution], settings: Settings, world: World) -> AsyncIterator[None]:
    """Settles what is pending, asks what came back, takes up new policies, builds each day's payer graph."""
    tasks = [
        asyncio.create_task(_every(settings.settle_every_s, settle, institution, world)) for institution in institutions
    ]
    tasks += [
        asyncio.create_task(_every(settings.returns_every_s, returns, institution, world))
        for institution in institutions
    ]
    tasks += [asyncio.create_task(_every(POLICY_EVERY_S, _reload, institution, world)) for institution in institutions]
    graph_of_today = partial(_graph_of_today, asyncio.Lock())
    tasks += [
        asyncio.create_task(_every(GRAPH_EVERY_S, graph_of_today, institution, world))
        for institution in institutions
        if institution.clock is Clock.SYSTEM
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _reload(institution: Institution, world: World) -> None:
    await world.policies.load(institution, world.store)


async def _graph_of_today(one_at_a_time: asyncio.Lock, institution: Institution, world: World) -> None:
    """So that no customer waits for it: it is on record soon after midnight, and then held.

    Institutions take turns: a call waits for what is read of one of them at most, not of all whose day begins.
    """
    async with one_at_a_time:
        await world.graphs.settled(institution, world.store, local_day(world.now(), institution.time_zone))


async def _every(seconds: float, work: object, institution: Institution, world: World) -> None:
    """Repeats work; a failure is logged and tried again, since the store or the rail may come back."""
    while True:
        try:
            await work(institution, world)  # type: ignore[operator]
        except FanxingError as error:
            log.warning("background work will be tried again", error=error.message)
        except Exception:
            log.exception("fault in background work")
        await asyncio.sleep(seconds)


def _tenants(asked: tuple[Tenancy, ...]) -> Tenants:
    by_token = {each.token_sha256: each.institution() for each in asked if each.token_sha256}
    return Tenants(by_token, None if by_token else asked[0].institution())


def _stop_asked() -> asyncio.Event:
    """Set once SIGTERM or SIGINT comes. Made before anybody is told that we serve: whoever is told may stop us."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
