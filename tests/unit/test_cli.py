"""The command line explains itself, refuses what it cannot read, and tells a failure in full."""

import grpc
import pytest
import typer
from typer.testing import CliRunner

from fanxing.cli import app
from fanxing.commands import calling, reading
from fanxing.commands.tables import show
from fanxing.v1 import lending_pb2, lending_service_pb2
from fanxing.wire import convert
from fanxing.wire.client import Failure


def leaves(command, path=()):
    children = getattr(command, "commands", {})
    if not children:
        yield " ".join(path), command
    for name, child in children.items():
        yield from leaves(child, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))


def test_the_verbs_are_there():
    wanted = {
        "serve",
        "merchant register",
        "merchant get",
        "indicator list",
        "indicator show",
        "indicator compute",
        "indicator export",
        "indicator peers publish",
        "indicator peers show",
        "merchant record",
        "feed record",
        "feed list",
        "apply",
        "score",
        "application cancel",
        "application review",
        "decision get",
        "decision evaluate",
        "line accept",
        "line get",
        "line list",
        "loan disburse",
        "loan get",
        "loan list",
    }
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example_of_itself(name):
    command = COMMANDS[name]
    assert f"**Example:** `fanxing {name}" in command.help
    assert all(getattr(parameter, "help", "") for parameter in command.params if parameter.name != "help")
    shown = CliRunner().invoke(app, [*name.split(), "--help"])
    assert shown.exit_code == 0
    assert "Example:" in shown.output


@pytest.mark.parametrize(
    ("text", "fen"), [("12000", 12_000_00), ("12,000.50", 12_000_50), ("0.01", 1), ("-3.07", -3_07), ("1e3", 1_000_00)]
)
def test_amounts_are_read_exactly(text, fen):
    assert reading.money(text, "CNY") == convert.money(fen, "CNY")


@pytest.mark.parametrize("text", ["", "twelve", "0.001", "NaN", "Infinity", "1e400"])
def test_an_amount_that_is_none_is_refused(text):
    with pytest.raises(typer.BadParameter):
        reading.money(text, "CNY")


def test_a_moment_keeps_its_offset_and_a_day_is_a_day():
    assert reading.moment("2026-11-02T08:00:00+08:00") == reading.moment("2026-11-02T00:00:00")
    for read, text in ((reading.moment, "yesterday"), (reading.day, "2026-02-30")):
        with pytest.raises(typer.BadParameter):
            read(text)


def test_a_service_that_is_not_there_is_told_with_the_id_to_repeat(tmp_path, free_port):
    text = tmp_path / "consent.txt"
    text.write_text("I agree")
    call = ["apply", "m", "--consent-text", str(text), "--target", f"127.0.0.1:{free_port}", "--request-id", "r-1"]
    gone = CliRunner().invoke(app, call)
    assert gone.exit_code == 1
    assert "UNAVAILABLE" in gone.stderr
    assert "--request-id r-1" in gone.stderr
    assert gone.stdout == ""


@pytest.fixture
def free_port(unused_tcp_port):
    return unused_tcp_port


def test_a_failure_is_told_with_reason_sentence_field_and_values(capsys):
    failed = Failure(
        grpc.StatusCode.FAILED_PRECONDITION,
        "LIMIT_EXCEEDED",
        ("amount",),
        "the line has 5 fen left",
        {"available": "5"},
    )
    calling._tell(failed, "r-1", as_json=False)
    told = capsys.readouterr().err
    assert told.splitlines() == ["LIMIT_EXCEEDED: the line has 5 fen left", "  field: amount", "  available: 5"]


def test_tables_show_money_states_and_lists(capsys):
    from rich.console import Console

    loan = lending_pb2.Loan(
        loan_id="l",
        state=lending_pb2.LOAN_STATE_ACTIVE,
        principal=convert.money(-12_000_50, "CNY"),
        schedule=[lending_pb2.Instalment(number=1, principal=convert.money(7, "CNY"))],
    )
    show(lending_service_pb2.GetLoanResponse(loan=loan), Console(width=100))
    shown = capsys.readouterr().out
    for expected in ("-12,000.50 CNY", " ACTIVE ", "0.07 CNY", "number"):
        assert expected in shown
    show(lending_service_pb2.ListLoansResponse(), Console())
    assert capsys.readouterr().out == "nothing\n"
