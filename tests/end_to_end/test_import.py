"""A file with good and bad rows: the good ones are recorded, the bad ones are told by their lines."""

import json

import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.launch import launched

LINES = """\
merchant_id,payment_id,kind,amount,occurred_at
m1,p1,RECEIPT,12.50,2026-11-01T08:30:00
m1,p2,RECEIPT,twelve,2026-11-01T08:31:00
m1,p 3,RECEIPT,3,2026-11-01T08:32:00
nobody,p4,RECEIPT,4,2026-11-01T08:33:00
m1,p1,RECEIPT,13.50,2026-11-01T08:34:00
m1,p5,RECEIPT
m1,p6,OUTFLOW,6,2026-11-01T08:36:00
m1,p7,RECEIPT,,2026-11-01T08:37:00
"""
REGISTERED = "merchant register m1 --name N --category canteen --opened-on 2025-01-01 --controller c --payout-account a"
MOMENT = ["--effective-time", "2026-11-02T00:00:00"]


@pytest.fixture(scope="module")
def target(tmp_path_factory, policy_directory):
    home = tmp_path_factory.mktemp("import")
    options = ["serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{home / 's.sqlite'}", "--clock", "CALLER"]
    options += ["--rail-journal", str(home / "rail.jsonl"), "--policy", str(policy_directory)]
    with launched(*options, log=home / "service.log") as service:
        made = CliRunner().invoke(app, [*REGISTERED.split(), *MOMENT, "--target", service.target])
        assert made.exit_code == 0, made.output
        yield service.target


def imported(file, target, *more):
    return CliRunner().invoke(app, ["import", "payments", str(file), *MOMENT, "--target", target, *more])


def test_good_rows_are_recorded_and_bad_ones_are_told_by_line(tmp_path, target):
    file = tmp_path / "history.csv"
    file.write_text(LINES)
    answer = imported(file, target, "--json")
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert (told["accepted"], told["conflict_count"], told["refused_count"]) == ("2", "1", "5")
    lines = sorted(line.removeprefix(f"{file}, line ") for line in answer.stderr.splitlines())
    assert [line[:1] for line in lines] == ["3", "4", "5", "6", "7", "9"]
    for line, words in zip(lines, ("amount: 'twelve'", "payment_id", "MERCHANT_NOT_FOUND", "PAYMENT_CONFLICT",
                                   "more or fewer cells", "amount"), strict=True):  # fmt: skip
        assert words in line


def test_a_good_file_twice_is_duplicates_with_exit_code_0(tmp_path, target):
    file, lines = tmp_path / "good.csv", LINES.splitlines()
    file.write_text("\n".join((lines[0], lines[1], lines[7])) + "\n")
    imported(file, target)
    parquet.write_table(csv.read_csv(file), tmp_path / "good.parquet")
    for path in (file, tmp_path / "good.parquet"):
        answer = imported(path, target)
        assert answer.exit_code == 0, answer.output
        assert "2" in answer.stdout
        assert "2 duplicates" in answer.stderr


def test_a_file_that_is_no_table_ends_with_its_name(tmp_path, target):
    file = tmp_path / "odd.parquet"
    parquet.write_table(pa.table({"merchant_id": ["m1"]}), file)
    answer = imported(file, target)
    assert answer.exit_code == 2
    assert "odd.parquet" in answer.stderr
