"""Peers by the command line: published on a day, shown on the next, ranked among."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.end_to_end.test_cli_journey import typed
from tests.served import NOON_US, new_id, payment, yuan

from fanxing.launch import launched
from fanxing.v1 import merchant_service_pb2, payment_service_pb2
from fanxing.wire import convert
from fanxing.wire.client import Client

RANK = "receipts_fen_90d_peer_rank"
PUBLISHED, NEXT = "2026-09-22T09:00:00+08:00", "2026-09-23T09:00:00+08:00"


def open_street(client):
    """On the 21st of September thirty shops take 1 to 30 yuan."""
    at = convert.timestamp(NOON_US)
    assert at.ToDatetime().isoformat() == "2026-09-21T14:13:20"
    for number in range(1, 31):
        merchant = merchant_service_pb2.Merchant(
            merchant_id=f"m{number}", name="Buns", category="buns", place="street", controller_token=f"c{number}",
            payout_account_token="a", opened_on={"year": 2025, "month": 1, "day": 1},
        )  # fmt: skip
        request = merchant_service_pb2.RegisterMerchantRequest(
            request_id=new_id(), merchant=merchant, effective_time=at
        )
        client.merchants.RegisterMerchant(request)
    taken = [payment(f"m{number}", "one", NOON_US, amount=yuan(number)) for number in range(1, 31)]
    batch = payment_service_pb2.RecordPaymentBatchRequest(payments=taken, effective_time=Timestamp(seconds=at.seconds))
    assert client.payments.RecordPaymentBatch(batch).accepted == 30


@pytest.fixture(scope="module")
def target(tmp_path_factory, policy_directory):
    folder = tmp_path_factory.mktemp("service")
    options = ["--listen", "127.0.0.1:0", "--store", "memory:", "--policy", str(policy_directory), "--clock", "CALLER"]
    with launched("serve", *options, "--rail-journal", str(folder / "j"), log=folder / "service.log") as service:
        with Client(service.target, None) as client:
            open_street(client)
        yield service.target


def test_what_is_published_is_shown_and_ranked_among(target):
    commands = ("indicator", "peers")
    head = typed(target, *commands, "publish", "--effective-time", PUBLISHED)["peers"]
    assert head["day"] == {"year": 2026, "month": 9, "day": 23}
    early = typed(target, *commands, "show", RANK, "--effective-time", PUBLISHED)["peers"]
    assert "digest" not in early
    shown = typed(target, *commands, "show", RANK, "--effective-time", NEXT)
    assert shown["peers"] == head
    assert shown["cells"] == [{"category": "buns", "place": "street", "merchants": "30"}]
    cell = ["--category", "buns", "--place", "street", "--effective-time", NEXT]
    (told,) = typed(target, *commands, "show", RANK, *cell)["cells"]
    assert (told["cuts"][49], len(told["cuts"])) == (1500.0, 99)
    text = typed(target, *commands, "show", RANK, *cell, as_json=False)
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in text.splitlines()]
    assert ["50", "1,500"] in rows
    found = typed(target, "indicator", "compute", "m15", RANK, "--effective-time", NEXT)
    assert found["indicators"] == [{"name": RANK, "value": 0.485, "unit": "ratio"}]
    said = typed(target, *commands, "show", "receipts_fen_90d", "--effective-time", NEXT, code=1)
    assert said["reason"] == "INDICATOR_UNKNOWN"
