"""A real server on loopback with every room behind it, a clock that tests move, and a rail simulator beside it."""

import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from google.type.money_pb2 import Money

from fanxing.flows.policies import publish
from fanxing.flows.ports import ChangeSet
from fanxing.flows.world import World
from fanxing.institutions import Clock, Institution
from fanxing.rail.v1 import payout_rail_service_pb2_grpc
from fanxing.store.fake import FakeStore
from fanxing.strategies.policy import pack
from fanxing.v1 import (
    decision_service_pb2_grpc,
    lending_service_pb2,
    lending_service_pb2_grpc,
    merchant_service_pb2,
    merchant_service_pb2_grpc,
    payment_pb2,
    payment_service_pb2,
    payment_service_pb2_grpc,
)
from fanxing.wire import convert
from fanxing.wire.rail_client import GrpcRail
from fanxing.wire.rail_simulator import Journal, RailSimulator
from fanxing.wire.server import build_server
from fanxing.wire.tariff import Tariff
from fanxing.wire.tenant import Tenants

DAY_US = 86_400_000_000
NOON_US = 1_790_000_000_000_000
"""A moment in September 2026."""


class Service:
    """Stubs of one server, and what a test moves or looks into."""

    def __init__(self, world, channel, clock, institution, journal):
        self.world, self.clock, self.institution, self.journal = world, clock, institution, journal
        self.payments = payment_service_pb2_grpc.PaymentServiceStub(channel)
        self.merchants = merchant_service_pb2_grpc.MerchantServiceStub(channel)
        self.lending = lending_service_pb2_grpc.LendingServiceStub(channel)
        self.decisions = decision_service_pb2_grpc.DecisionServiceStub(channel)

    def at(self):
        """effective_time for a CALLER institution, nothing for a SYSTEM one."""
        if self.institution.clock is Clock.SYSTEM:
            return {}
        return {"effective_time": convert.timestamp(self.clock.us)}

    async def register(self, merchant_id="m1", **changes):
        values = {
            "name": "Noodles",
            "category": "canteen",
            "opened_on": convert.date_message(date(2025, 1, 1)),
            "controller_token": f"owner-{merchant_id}",
            "payout_account_token": f"account-{merchant_id}",
        } | changes
        merchant = merchant_service_pb2.Merchant(merchant_id=merchant_id, **values)
        request = merchant_service_pb2.RegisterMerchantRequest(request_id=new_id(), merchant=merchant, **self.at())
        return await self.merchants.RegisterMerchant(request)

    async def record(self, *payments):
        request = payment_service_pb2.RecordPaymentBatchRequest(payments=payments, **self.at())
        return await self.payments.RecordPaymentBatch(request)

    async def trade(self, merchant_id="m1", days=180, payers=120, per_day=10, vouched=True):
        """Half a year of honest trade with payers who are known elsewhere too."""
        receipts = [
            payment(
                merchant_id,
                f"{day}-{number}",
                self.clock.us - day * DAY_US - number * 60_000_000,
                payer_token=f"payer-{(day * 7 + number) % payers}",
                payer_real_name=True,
                payer_account_age_days=900,
            )
            for day in range(days, 0, -1)
            for number in range(per_day)
        ]
        for first in range(0, len(receipts), 1000):
            answer = await self.record(*receipts[first : first + 1000])
            assert not answer.refused
            assert not answer.conflicts
        if vouched:
            await self._vouch(payers)
        self.clock.us += DAY_US

    async def _vouch(self, payers):
        """Three large shops elsewhere know the payers too: for ten days, and it counts from the next day on."""
        before_us = self.clock.us - 10 * DAY_US
        for shop in ("elsewhere-0", "elsewhere-1", "elsewhere-2"):
            await self.register(shop)
            tokens = [*(f"payer-{number}" for number in range(payers)), *(f"{shop}-{n}" for n in range(3 * payers))]
            seen = [payment(shop, token, before_us, payer_token=token) for token in tokens]
            assert (await self.record(*seen)).accepted == len(seen)

    def application(self, merchant_id="m1", **changes):
        consent = {
            "scope": "payments",
            "text_sha256": "0" * 64,
            "expires_at": convert.timestamp(self.clock.us + 400 * DAY_US),
        }
        values = {"request_id": new_id(), "purpose": "working_capital", "consents": [consent]} | self.at() | changes
        return lending_service_pb2.ApplyRequest(merchant_id=merchant_id, **values)

    async def line(self, merchant_id="m1", **changes):
        """Applies and accepts; the merchant must be one that is approved."""
        applied = await self.lending.Apply(self.application(merchant_id, **changes))
        assert applied.application.HasField("offer"), applied.decision.reasons
        accepted = await self.lending.AcceptOffer(
            lending_service_pb2.AcceptOfferRequest(
                request_id=new_id(),
                application_id=applied.application.application_id,
                offer_digest=applied.application.offer.digest,
                **self.at(),
            )
        )
        return accepted.credit_line

    def draw(self, line, amount, **changes):
        values = {"request_id": new_id(), "amount": amount} | self.at() | changes
        return lending_service_pb2.DisburseRequest(line_id=line.line_id, **values)


def new_id():
    return str(uuid.uuid4())


def yuan(units, currency="CNY"):
    return Money(currency_code=currency, units=units)


def payment(merchant_id, payment_id, occurred_us, **changes):
    values = {
        "amount": yuan(20),
        "kind": payment_pb2.PAYMENT_KIND_RECEIPT,
        "payer_token": f"payer-{payment_id}",
    } | changes
    return payment_pb2.Payment(
        merchant_id=merchant_id, payment_id=payment_id, occurred_at=convert.timestamp(occurred_us), **values
    )


@asynccontextmanager
async def served(tmp_path, policy, *, clock=Clock.SYSTEM, store=None, rail_timeout_s=0.3, wrap_rail=lambda rail: rail):
    moving = SimpleNamespace(us=NOON_US)
    institution = Institution(institution_id="demo", currency="CNY", time_zone="Asia/Shanghai", clock=clock)
    async with AsyncExitStack() as stack:
        rail_server = grpc.aio.server()
        journal = tmp_path / "rail.jsonl"
        payout_rail_service_pb2_grpc.add_PayoutRailServiceServicer_to_server(
            RailSimulator(Journal(journal)), rail_server
        )
        rail_port = rail_server.add_insecure_port("127.0.0.1:0")
        await rail_server.start()
        stack.push_async_callback(rail_server.stop, None)
        rail = GrpcRail(grpc.aio.insecure_channel(f"127.0.0.1:{rail_port}"), simulated=True, timeout_s=rail_timeout_s)
        stack.push_async_callback(rail.close)
        store = store or FakeStore()
        await store.commit("demo", ChangeSet(inserts_if_absent=(institution,)))
        world = World(store=store, rail=wrap_rail(rail), now=lambda: moving.us, cpu_time=lambda: 0)
        await publish(institution, store, pack(policy), world.now)
        await world.policies.load(institution, store)
        server, _ = build_server(world, Tenants({}, institution), Tariff(), reflect=False)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        yield Service(world, channel, moving, institution, journal)


class Refused:
    """What a refused call said."""

    def __init__(self, error):
        self.status, self.message = error.code(), error.details()
        rich = status_pb2.Status()
        rich.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        info, broken = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in rich.details:
            detail.Unpack(info)
            detail.Unpack(broken)
        self.reason = info.reason.removeprefix("ERROR_REASON_")
        self.fields = [violation.field for violation in broken.field_violations]
        self.metadata = dict(info.metadata)


async def refused(call):
    """Awaits a call that must fail and returns what it said."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Refused(caught.value)


def seconds(value):
    return Timestamp(seconds=value)
