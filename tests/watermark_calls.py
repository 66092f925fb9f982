"""Tells watermarks to a served world, and asks what is known."""

import struct

from tests.served import new_id

from fanxing.v1 import lending_service_pb2, merchant_service_pb2, payment_service_pb2
from fanxing.wire import convert

HOUR_US = 3_600_000_000


def telling(service, through_us, channel="", merchants=(), **changes):
    watermark = {"channel": channel, "complete_through": convert.timestamp(through_us)}
    values = {"request_id": new_id(), "watermark": watermark, "merchant_ids": merchants} | service.at() | changes
    return payment_service_pb2.RecordWatermarkRequest(**values)


async def tell(service, through_us, channel="", merchants=(), **changes):
    request = telling(service, through_us, channel, merchants, **changes)
    return list((await service.payments.RecordWatermark(request)).feeds)


async def feeds(service, merchant_id=""):
    """(channel, complete through) of each feed."""
    listed = (await service.payments.ListFeeds(payment_service_pb2.ListFeedsRequest(merchant_id=merchant_id))).feeds
    return [(each.channel, convert.micros(each.complete_through, "")) for each in listed]


def score_request(service, merchant_id="m1", **changes):
    values = {"request_id": new_id(), "merchant_id": merchant_id} | service.at() | changes
    return lending_service_pb2.ScoreRequest(**values)


async def score(service, merchant_id="m1", **changes):
    return (await service.lending.Score(score_request(service, merchant_id, **changes))).decision


def inputs(decision):
    """Every value that a decision read, as bits."""
    return {each.name: struct.pack("<d", each.value) for each in decision.inputs if each.HasField("value")}


async def known(service, as_of, known_at, merchant_id="m1"):
    """Every indicator as bits, and through when receipts were known; asked of moments as the contract has them."""
    request = merchant_service_pb2.GetIndicatorsRequest(
        merchant_id=merchant_id, as_of=as_of, known_at=known_at, **service.at()
    )
    answer = await service.merchants.GetIndicators(request)
    through = convert.micros(answer.known_through, "") if answer.HasField("known_through") else None
    return {each.name: struct.pack("<d", each.value) for each in answer.indicators if each.HasField("value")}, through


async def recomputed(service, decision):
    """What the decision read, computed again from what was known then."""
    values, _ = await known(service, decision.as_of, decision.known_at, decision.merchant_id)
    return {name: values.get(name) for name in inputs(decision)}


def seen(decision):
    """(channel, complete through) of each watermark of a decision."""
    return [(each.channel, convert.micros(each.complete_through, "")) for each in decision.watermarks]
