"""MerchantService on the wire."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from fanxing.facts import Debt, Fact, FactKind, Link, Works, WorksKind
from fanxing.flows.find import find
from fanxing.flows.indicators import GetIndicators, get_indicators
from fanxing.flows.ports import PeersOfDay
from fanxing.flows.publish_peers import GetPeers, get_peers, publish_peers
from fanxing.flows.record_fact import RecordFact, record_fact
from fanxing.flows.register_merchant import RegisterMerchant, register_merchant
from fanxing.flows.world import World
from fanxing.indicators.catalogue import catalogue_digest
from fanxing.merchants import Merchant
from fanxing.v1 import merchant_service_pb2 as pb
from fanxing.v1 import merchant_service_pb2_grpc
from fanxing.wire import convert
from fanxing.wire.tenant import INSTITUTION

_FACT_KINDS = {
    pb.FACT_KIND_WORKS: FactKind.WORKS,
    pb.FACT_KIND_DEBT: FactKind.DEBT,
    pb.FACT_KIND_LINK: FactKind.LINK,
    pb.FACT_KIND_CREDIT_REPORT: FactKind.CREDIT_REPORT,
}
_FACT_KIND_MESSAGES = {plain: message for message, plain in _FACT_KINDS.items()}
_WORKS_KINDS = {pb.WORKS_KIND_METRO: WorksKind.METRO, pb.WORKS_KIND_PIPES: WorksKind.PIPES}
_WORKS_KIND_MESSAGES = {plain: message for message, plain in _WORKS_KINDS.items()}


class MerchantServicer(merchant_service_pb2_grpc.MerchantServiceServicer):
    """Converts, calls the flow, converts back."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def RegisterMerchant(
        self, request: pb.RegisterMerchantRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RegisterMerchantResponse:
        command = RegisterMerchant(
            request_id=request.request_id,
            merchant=_merchant(request.merchant),
            effective_us=moment_of(request, "effective_time"),
        )
        merchant = await register_merchant(INSTITUTION.get(), command, self._world)
        return pb.RegisterMerchantResponse(merchant=_merchant_message(merchant))

    async def GetMerchant(
        self, request: pb.GetMerchantRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetMerchantResponse:
        merchant = await find(INSTITUTION.get(), Merchant, request.merchant_id, self._world)
        known = convert.timestamp(merchant.last_known_us) if merchant.last_known_us else None
        return pb.GetMerchantResponse(
            merchant=_merchant_message(merchant),
            payment_count=merchant.payment_count,
            fact_count=merchant.fact_count,
            last_known_at=known,
        )

    async def GetIndicators(
        self, request: pb.GetIndicatorsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetIndicatorsResponse:
        query = GetIndicators(
            merchant_id=request.merchant_id,
            names=tuple(request.names),
            prefix=request.prefix,
            as_of_us=moment_of(request, "as_of"),
            known_us=moment_of(request, "known_at"),
            effective_us=moment_of(request, "effective_time"),
        )
        found = await get_indicators(INSTITUTION.get(), query, self._world)
        values = zip(found.definitions, found.values.tolist(), strict=True)
        return pb.GetIndicatorsResponse(
            indicators=[
                pb.Indicator(name=each.name, value=None if math.isnan(value) else value, unit=each.unit)
                for each, value in values
            ],
            as_of=convert.timestamp(found.as_of_us),
            merchant_seq=found.merchant_seq,
            catalogue_digest=catalogue_digest(),
            known_through=None if found.known_through_us is None else convert.timestamp(found.known_through_us),
        )

    async def RecordFact(
        self, request: pb.RecordFactRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RecordFactResponse:
        institution = INSTITUTION.get()
        command = RecordFact(
            request_id=request.request_id,
            fact=_fact(request.fact, institution.currency),
            effective_us=moment_of(request, "effective_time"),
        )
        fact = await record_fact(institution, command, self._world)
        return pb.RecordFactResponse(fact=_fact_message(fact, institution.currency))

    async def PublishPeers(
        self, request: pb.PublishPeersRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.PublishPeersResponse:
        head = await publish_peers(INSTITUTION.get(), moment_of(request, "effective_time"), self._world)
        return pb.PublishPeersResponse(peers=_peers_message(head))

    async def GetPeers(
        self, request: pb.GetPeersRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetPeersResponse:
        query = GetPeers(
            name=request.name,
            as_of_us=moment_of(request, "as_of"),
            effective_us=moment_of(request, "effective_time"),
        )
        found, asked = await get_peers(INSTITUTION.get(), query, self._world), (request.category, request.place)
        cells = [
            pb.PeerCell(category=cell[0], place=cell[1], merchants=merchants, cuts=cuts if cell == asked else ())
            for cell, merchants, cuts in found.cells
            if not request.category or cell == asked
        ]
        return pb.GetPeersResponse(peers=_peers_message(found.head), cells=cells)


def moment_of(request: object, field: str) -> int | None:
    """An optional moment of a request, in microseconds."""
    if not request.HasField(field):  # type: ignore[attr-defined]
        return None
    value: Timestamp = getattr(request, field)
    return convert.micros(value, field)


def _merchant(message: pb.Merchant) -> Merchant:
    return Merchant(
        merchant_id=message.merchant_id,
        name=message.name,
        category=message.category,
        opened_on=convert.day(message.opened_on, "merchant.opened_on"),
        code_activated_on=convert.day(message.code_activated_on, "merchant.code_activated_on")
        if message.HasField("code_activated_on")
        else None,
        place=message.place,
        frontage=message.frontage,
        controller_token=message.controller_token,
        licence_token=message.licence_token,
        payout_account_token=message.payout_account_token,
        phone_token=message.phone_token,
        device_token=message.device_token,
        time_zone=message.time_zone,
    )


def _merchant_message(merchant: Merchant) -> pb.Merchant:
    return pb.Merchant(
        merchant_id=merchant.merchant_id,
        name=merchant.name,
        category=merchant.category,
        opened_on=convert.date_message(merchant.opened_on),
        code_activated_on=convert.date_message(merchant.code_activated_on) if merchant.code_activated_on else None,
        place=merchant.place,
        frontage=merchant.frontage,
        controller_token=merchant.controller_token,
        licence_token=merchant.licence_token,
        payout_account_token=merchant.payout_account_token,
        phone_token=merchant.phone_token,
        device_token=merchant.device_token,
        time_zone=merchant.time_zone,
    )


def _peers_message(head: PeersOfDay) -> pb.PeersOfDay:
    known = convert.timestamp(head.known_us) if head.digest else None
    day = convert.date_message(date.fromisoformat(head.day))
    return pb.PeersOfDay(day=day, known_at=known, digest=head.digest)


def _fact(message: pb.Fact, currency: str) -> Fact:
    detail = message.WhichOneof("detail")
    debt = (
        Debt(
            balance_fen=convert.fen_from_zero(message.debt.balance, currency, "fact.debt.balance"),
            monthly_service_fen=convert.fen_from_zero(
                message.debt.monthly_service, currency, "fact.debt.monthly_service"
            ),
            matures_on=convert.day(message.debt.matures_on, "fact.debt.matures_on"),
        )
        if detail == "debt"
        else None
    )
    return Fact(
        fact_id="",
        merchant_id=message.merchant_id,
        kind=_FACT_KINDS[message.kind],
        valid_from=convert.day(message.valid_from, "fact.valid_from"),
        valid_to=convert.day(message.valid_to, "fact.valid_to") if message.HasField("valid_to") else None,
        source=message.source,
        none_found=message.none_found,
        works=Works(kind=_WORKS_KINDS[message.works.kind]) if detail == "works" else None,
        debt=debt,
        link=Link(merchant_id=message.link.merchant_id, relation=message.link.relation) if detail == "link" else None,
        supersedes=message.supersedes,
        fact_seq=0,
        known_us=0,
    )


def _fact_message(fact: Fact, currency: str) -> pb.Fact:
    message = pb.Fact(
        fact_id=fact.fact_id,
        merchant_id=fact.merchant_id,
        kind=_FACT_KIND_MESSAGES[fact.kind],
        valid_from=convert.date_message(fact.valid_from),
        valid_to=convert.date_message(fact.valid_to) if fact.valid_to else None,
        source=fact.source,
        none_found=fact.none_found,
        recorded_at=convert.timestamp(fact.known_us),
        supersedes=fact.supersedes,
    )
    if fact.works:
        message.works.kind = _WORKS_KIND_MESSAGES[fact.works.kind]
    if fact.link:
        message.link.CopyFrom(pb.Link(merchant_id=fact.link.merchant_id, relation=fact.link.relation))
    if fact.debt:
        message.debt.balance.CopyFrom(convert.money(fact.debt.balance_fen, currency))
        message.debt.monthly_service.CopyFrom(convert.money(fact.debt.monthly_service_fen, currency))
        message.debt.matures_on.CopyFrom(convert.date_message(fact.debt.matures_on))
    return message
