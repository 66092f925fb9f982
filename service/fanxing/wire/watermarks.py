"""Watermarks and feeds as messages."""

from fanxing.feeds import Feed, Watermark
from fanxing.v1 import watermark_pb2
from fanxing.wire import convert


def watermark(message: watermark_pb2.Watermark, field: str) -> Watermark:
    """A watermark from its message; `field` is where its moment stands in the request."""
    through_us = convert.micros(message.complete_through, field)
    return Watermark(channel=message.channel, complete_through_us=through_us)


def watermark_message(held: Watermark) -> watermark_pb2.Watermark:
    """A watermark as a message."""
    return watermark_pb2.Watermark(channel=held.channel, complete_through=convert.timestamp(held.complete_through_us))


def feed_message(feed: Feed) -> watermark_pb2.Feed:
    """A feed as a message."""
    return watermark_pb2.Feed(
        merchant_id=feed.merchant_id,
        channel=feed.channel,
        complete_through=convert.timestamp(feed.complete_through_us),
        known_at=convert.timestamp(feed.known_us),
    )
