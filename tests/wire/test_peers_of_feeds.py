"""Peers are measured as far as their feeds go, as the merchant that is ranked is: an outage moves no rank."""

import struct

import pytest
from tests.served import DAY_US, NOON_US, payment, served, yuan
from tests.watermark_calls import HOUR_US, tell
from tests.wire.test_peers import publish, told

from fanxing.institutions import Clock

SHOPS = range(1, 31)
RANK, LAG = "receipts_fen_30d_peer_rank", "feed_lag_hours"


@pytest.fixture
async def street(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as service:
        for number in SHOPS:
            await service.register(f"m{number}", place="street")
        yield service


async def take(service, shops, days, channel="qr"):
    """Shop n takes n yuan on each of these days, an hour before noon."""
    for number in shops:
        at = [(f"d{day}", NOON_US + day * DAY_US - HOUR_US) for day in days]
        await service.record(*(payment(f"m{number}", *each, amount=yuan(number), channel=channel) for each in at))


async def asked(service, name, number):
    (found,) = await told(service, f"m{number}", (name,))
    return None if found is None else struct.unpack("<d", found)[0]


async def ranks(service):
    return [await asked(service, RANK, number) for number in (1, 15, 30)]


@pytest.mark.parametrize("down", [[*SHOPS], [*SHOPS[::2]]])
async def test_an_outage_of_days_while_peers_are_published_moves_no_rank(street, down):
    up = [number for number in SHOPS if number not in down]
    await take(street, down, range(-40, 1))
    await take(street, up, range(-40, 1), "bank")
    await tell(street, NOON_US, "qr")
    for day in range(1, 4):
        street.clock.us = NOON_US + day * DAY_US
        await take(street, up, [day], "bank")
        await tell(street, street.clock.us, "bank")
    await publish(street)
    await take(street, down, range(1, 5))
    await take(street, up, [4], "bank")
    for channel in ("qr", "bank"):
        await tell(street, street.clock.us, channel)
    assert await ranks(street) == [0.02, 0.485, 0.98]
    assert await asked(street, LAG, 1) == 0


@pytest.mark.parametrize(("later_us", "found"), [(-1, [None, None, None]), (0, [0.02, 0.485, 0.98])])
async def test_whose_receipts_have_been_unknown_for_more_than_seven_days_is_nobodys_peer(street, later_us, found):
    """To the microsecond: of 30 shops one is no peer then, and among 29 nobody is ranked."""
    await take(street, SHOPS, range(-40, 1))
    street.clock.us = NOON_US + 2 * DAY_US
    midnight_us = (NOON_US + 9 * DAY_US) // DAY_US * DAY_US - 8 * HOUR_US
    through_us = midnight_us - 300_000_001 - 7 * DAY_US
    await tell(street, through_us, "qr", [f"m{number}" for number in SHOPS[:-1]])
    await tell(street, through_us + later_us, "qr", [f"m{SHOPS[-1]}"])
    street.clock.us = NOON_US + 9 * DAY_US
    await publish(street)
    assert await ranks(street) == found
