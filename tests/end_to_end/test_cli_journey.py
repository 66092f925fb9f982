"""The whole way to a loan by the command line, against a service of its own."""

import json
import os
import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from google.protobuf.json_format import MessageToJson
from loadtest.shop import Shop
from pyarrow import parquet
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.launch import launched

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("FANXING_TOKEN")), reason="a token of the environment would be sent"
)


@pytest.fixture(scope="module")
def target(tmp_path_factory, policy_directory):
    folder = tmp_path_factory.mktemp("service")
    options = (
        "--listen",
        "127.0.0.1:0",
        "--store",
        "memory:",
        "--policy",
        str(policy_directory),
        "--rail-journal",
        str(folder / "rail.jsonl"),
    )
    with launched("serve", *options, log=folder / "service.log") as service:
        yield service.target


def typed(target, *words, as_json=True, code=0):
    done = CliRunner().invoke(app, [*words, "--target", target, *(["--json"] if as_json else [])])
    assert done.exit_code == code, done.output + str(done.exception)
    if code:
        return json.loads(done.stderr) if as_json else done.stderr
    return json.loads(done.stdout) if as_json else done.stdout


@pytest.fixture(scope="module")
def shop(target, tmp_path_factory):
    """A registered shop with its payments recorded, and the text that it agreed to."""
    shop, folder = Shop(1, uuid.uuid4().hex[:8]), tmp_path_factory.mktemp("shop")
    merchant = shop.register().merchant
    opened = f"{merchant.opened_on.year}-{merchant.opened_on.month:02}-{merchant.opened_on.day:02}"
    words = ["--name", merchant.name, "--category", merchant.category, "--opened-on", opened]
    words += ["--controller", merchant.controller_token, "--payout-account", merchant.payout_account_token]
    words += ["--device", merchant.device_token, "--frontage", "0.5"]
    registered = typed(target, "merchant", "register", shop.merchant_id, *words)
    assert registered["merchant"]["merchant_id"] == shop.merchant_id
    payments, consent = folder / "payments.jsonl", folder / "consent.txt"
    payments.write_text("\n".join(MessageToJson(each, indent=None) for each in shop.record().payments))
    consent.write_text("My payments may be read.")
    first = typed(target, "merchant", "record", str(payments))
    assert int(first["accepted"]) == len(shop.record().payments)
    again = typed(target, "merchant", "record", str(payments))
    assert again["duplicates"] == first["accepted"]
    return shop, consent


def test_from_application_to_loan(target, shop):
    shop, consent = shop
    asked = typed(target, "apply", shop.merchant_id, "--consent-text", str(consent), "--months", "6")
    application = asked["application"]
    assert application["state"] == "APPLICATION_STATE_APPROVED", asked["decision"]
    accepting = ["line", "accept", application["application_id"], "--digest", application["offer"]["digest"]]
    line = typed(target, *accepting)["credit_line"]
    too_much = typed(target, "loan", "disburse", line["line_id"], "9000000", code=1)
    assert (too_much["reason"], too_much["fields"]) == ("LIMIT_EXCEEDED", ["amount"])
    loan = typed(target, "loan", "disburse", line["line_id"], "500.00")["loan"]
    assert (loan["state"], loan["principal"]["units"]) == ("LOAN_STATE_ACTIVE", "500")
    listed = typed(target, "loan", "list", "--merchant", shop.merchant_id)["loans"]
    assert [each["loan_id"] for each in listed] == [loan["loan_id"]]
    assert typed(target, "line", "get", line["line_id"])["credit_line"]["drawn"]["units"] == "500"
    table = typed(target, "loan", "get", loan["loan_id"], as_json=False)
    assert "500.00 CNY" in table
    assert "schedule" in table


def test_a_decision_is_read_with_its_grounds(target, shop):
    decision = typed(target, "score", shop[0].merchant_id, "--amount", "500")["decision"]
    read = typed(target, "decision", "get", decision["decision_id"])["decision"]
    assert read == decision
    inputs = [f"{each['name']}={each['value']}" for each in decision["inputs"] if "value" in each]
    again = typed(target, "decision", "evaluate", *inputs, "--category", "canteen", "--amount", "500")["decision"]
    assert (again["outcome"], again["limit"]) == (decision["outcome"], decision["limit"])
    table = typed(target, "decision", "get", decision["decision_id"], as_json=False)
    assert "caps" in table


def test_indicators_are_shown_as_they_were_known(target, shop):
    shop = shop[0]
    names = ["receipts_count_30d", "payers_distinct_30d"]
    now = typed(target, "indicator", "compute", shop.merchant_id, *names)["indicators"]
    assert [each["name"] for each in now] == names
    assert now[0]["value"] > 100
    before = ["--known-at", "2020-01-01T00:00:00+08:00"]
    assert typed(target, "indicator", "compute", shop.merchant_id, names[0], *before)["indicators"][0]["value"] == 0


def test_what_is_exported_is_what_is_computed_to_the_bit(target, shop, tmp_path):
    now, day = datetime.now(UTC), timedelta(days=1)
    names = ["receipts_fen_weekend_30d_share", "payers_distinct_month_1", "receipts_count_365d", "evidence_b"]
    rows = {
        "merchant_id": [shop[0].merchant_id] * 3,
        "at": [now, now, now - day],
        "known_at": [now, now - day, now - day],
    }
    parquet.write_table(pa.table(rows), tmp_path / "moments.parquet")
    told = ["--at", str(tmp_path / "moments.parquet"), "--out", str(tmp_path / "matrix.parquet")]
    done = CliRunner().invoke(app, ["indicator", "export", *names, *told, "--target", target])
    assert done.exit_code == 0, done.output
    matrix = parquet.read_table(tmp_path / "matrix.parquet").to_pylist()
    for row, at, known_at in zip(matrix, rows["at"], rows["known_at"], strict=True):
        moments = ["--as-of", at.isoformat(), "--known-at", known_at.isoformat()]
        computed = typed(target, "indicator", "compute", shop[0].merchant_id, *names, *moments)["indicators"]
        assert [row[each["name"]] for each in computed] == [each.get("value") for each in computed]
    assert matrix[0]["receipts_count_365d"] > 100
    assert matrix[1]["receipts_count_365d"] == 0


@pytest.mark.parametrize(
    "rows",
    [
        {"merchant": ["a"], "at": [datetime(2026, 1, 1, tzinfo=UTC)]},
        {"merchant_id": ["a"], "at": ["yesterday"]},
        {"merchant_id": ["a", None], "at": [datetime(2026, 1, 1, tzinfo=UTC)] * 2},
        {
            "merchant_id": ["a"],
            "at": [datetime(2026, 1, 1, tzinfo=UTC)],
            "known_at": [datetime(2026, 1, 2, tzinfo=UTC)],
        },
        {"merchant_id": pa.array([], pa.string()), "at": pa.array([], pa.timestamp("us"))},
    ],
)
def test_moments_that_are_none_are_refused_before_anything_is_asked(tmp_path, rows):
    parquet.write_table(pa.table(rows), tmp_path / "moments.parquet")
    told = ["--at", str(tmp_path / "moments.parquet"), "--out", str(tmp_path / "matrix.parquet")]
    done = CliRunner().invoke(app, ["indicator", "export", *told, "--target", "127.0.0.1:1"])
    assert done.exit_code == 2, done.output
    assert [each.name for each in tmp_path.iterdir()] == ["moments.parquet"]


def test_a_prefix_asks_for_all_that_begin_so_and_no_more_than_can_be_answered(target, shop):
    merchant = shop[0].merchant_id
    found = typed(target, "indicator", "compute", merchant, "--prefix", "receipts_mean_fen_weekend_noon")["indicators"]
    listed = CliRunner().invoke(app, ["indicator", "list", "receipts_mean_fen_weekend_noon", "--names"]).stdout.split()
    assert [each["name"] for each in found] == listed
    assert len(listed) == 79
    many = typed(target, "indicator", "compute", merchant, "--prefix", "receipts", code=1)
    assert (many["reason"], many["fields"]) == ("INDICATORS_TOO_MANY", ["prefix"])
    none = typed(target, "indicator", "compute", merchant, "--prefix", "luck", code=1)
    assert (none["reason"], none["fields"]) == ("INDICATOR_UNKNOWN", ["prefix"])


def test_the_catalogue_is_listed_and_each_indicator_shown():
    listed = CliRunner().invoke(app, ["indicator", "list", "--names"]).stdout.split()
    assert len(listed) == len(set(listed)) > 100_000
    shown = CliRunner().invoke(app, ["indicator", "show", "receipts_fen_weekend_noon_30d_share"]).stdout
    assert "Saturday" in shown
    assert CliRunner().invoke(app, ["indicator", "show", "luck"]).exit_code == 2
    assert f"{len(listed):,} indicators" in CliRunner().invoke(app, ["indicator", "list"]).stdout
    assert "receipts_fen_90d_peer_rank" in listed
    assert "rank among" in CliRunner().invoke(app, ["indicator", "show", "receipts_fen_90d_peer_rank"]).stdout


def test_a_failure_tells_reason_field_and_sentence(target):
    unknown = typed(target, "merchant", "get", "nobody", code=1, as_json=False)
    assert unknown.startswith("MERCHANT_NOT_FOUND: ")
    broken = typed(target, "loan", "get", "not-a-uuid", code=1)
    assert (broken["reason"], broken["fields"]) == ("INVALID_REQUEST", ["loan_id"])
