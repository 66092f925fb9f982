"""Files of payments are read to the last bit, or refused by column, by line and by cell."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
import typer
from pyarrow import parquet

from fanxing.commands import histories
from fanxing.v1 import payment_pb2
from fanxing.wire import convert

HEADER = "merchant_id,payment_id,kind,amount,occurred_at"
GOOD = "m1,p1,RECEIPT,12.50,2026-11-01T08:30:00+08:00"
AT_US = 1_793_493_000_000_000


def written(tmp_path, *lines):
    path = tmp_path / "history.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path):
    return [(row.line, histories.payment(row, "CNY")) for row in histories.rows(path)]


def test_csv_is_read_with_all_fields_and_blank_lines_and_a_mark_at_its_start(tmp_path):
    more = ",refund_of,instrument,channel,code_kind,device_token,payer_real_name,payer_account_age_days,balance_after"
    path = written(
        tmp_path,
        "\ufeff" + HEADER + more + ",payer_token",
        GOOD + ",,CREDIT,qr,PERSONAL,d1,true,0,-3.07,u9",
        "",
        'm1,"p2",PAYMENT_KIND_REFUND,"1,000",2026-11-01T00:30:00,p1,,,,,,,,',
    )
    (first, one), (second, other) = read(path)
    assert (first, second) == (2, 4)
    assert one == payment_pb2.Payment(
        merchant_id="m1",
        payment_id="p1",
        payer_token="u9",
        kind=payment_pb2.PAYMENT_KIND_RECEIPT,
        amount=convert.money(12_50, "CNY"),
        occurred_at=convert.timestamp(AT_US),
        instrument=payment_pb2.INSTRUMENT_CREDIT,
        channel="qr",
        code_kind=payment_pb2.CODE_KIND_PERSONAL,
        device_token="d1",
        payer_real_name=True,
        payer_account_age_days=0,
        balance_after=convert.money(-3_07, "CNY"),
    )
    assert (other.refund_of, other.amount.units) == ("p1", 1000)
    assert not other.HasField("payer_account_age_days")
    assert other.occurred_at == one.occurred_at
    assert list(histories.rows(path))[-1].done == histories.total(path)


@pytest.mark.parametrize("at", [datetime(2026, 11, 1, 0, 30), datetime(2026, 11, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))])  # fmt: skip  # noqa: DTZ001,E501
def test_parquet_has_types_of_its_own(tmp_path, at):
    path = tmp_path / "history.parquet"
    columns = {"merchant_id": ["m1", "m1"], "payment_id": [7, 8], "kind": ["RECEIPT"] * 2, "occurred_at": [at, at]}
    columns |= {"amount": [Decimal("12.50"), None], "payer_real_name": [False, None]}
    columns |= {"balance_after": [0.1, 20.0]}
    parquet.write_table(pa.table(columns), path)
    (_, one), (line, other) = read(path)
    assert (one.payment_id, one.amount, one.payer_real_name) == ("7", convert.money(12_50, "CNY"), False)
    assert one.occurred_at == convert.timestamp(AT_US)
    assert one.balance_after == convert.money(10, "CNY")
    assert not other.HasField("amount")
    assert not other.HasField("payer_real_name")
    assert (line, histories.total(path)) == (2, 2)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([""], "no column amount, kind, merchant_id, occurred_at, payment_id"),
        ([HEADER.replace("amount", "sum"), GOOD], "no column amount"),
        ([HEADER + ",payer", GOOD + ",u9"], "'payer'"),
        ([HEADER + ",kind", GOOD + ",RECEIPT"], "twice"),
        ([HEADER, GOOD, 'm1,"p2'], "after line 2"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, lines, sentence):
    with pytest.raises(typer.BadParameter, match=sentence):
        read(written(tmp_path, *lines))


@pytest.mark.parametrize("name", ["history.csv", "history.parquet", "history.xlsx"])
def test_bytes_that_are_no_table_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"PAR1\xff\xfe" * 9)
    with pytest.raises(typer.BadParameter):
        read(path)


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("amount", "twelve", "amount: 'twelve'"),
        ("amount", "0.001", "amount:"),
        ("occurred_at", "yesterday", "occurred_at: 'yesterday'"),
        ("kind", "GIFT", "kind: 'GIFT' is none of RECEIPT, REFUND, OUTFLOW"),
        ("payer_real_name", "perhaps", "payer_real_name: 'perhaps'"),
        ("payer_account_age_days", "1.5", "payer_account_age_days: '1.5'"),
        ("payer_account_age_days", "99999999999", "99999999999"),
    ],
)
def test_a_cell_that_is_none_is_told_by_its_column(column, cell, sentence):
    row = histories.Row(2, dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {column: cell}, 0)
    with pytest.raises(histories.Unreadable, match=sentence):
        histories.payment(row, "CNY")


@pytest.mark.parametrize("line", [GOOD + ",more", "m1,p1"])
def test_a_row_of_another_length_is_told(tmp_path, line):
    (row,) = histories.rows(written(tmp_path, HEADER, line))
    with pytest.raises(histories.Unreadable, match="more or fewer cells"):
        histories.payment(row, "CNY")


def test_a_time_zone_of_parquet_is_kept(tmp_path):
    path = tmp_path / "history.parquet"
    at = pa.array([datetime(2026, 11, 1, 0, 30, tzinfo=UTC)], pa.timestamp("ns", tz="Asia/Shanghai"))
    row = {"merchant_id": ["m"], "payment_id": ["p"], "kind": ["OUTFLOW"], "amount": ["1"], "occurred_at": at}
    parquet.write_table(pa.table(row), path)
    ((_, one),) = read(path)
    assert one.occurred_at == convert.timestamp(AT_US)
