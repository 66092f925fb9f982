"""The commands of the guides run as they stand, in the order they stand in."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fanxing.launch import launched

GUIDES = Path(__file__).parents[2] / "docs/guides"
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("postgres")]


def blocks(guide, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (GUIDES / guide).read_text(), re.DOTALL | re.MULTILINE)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def followed(guide, folder, **more):
    """Runs a guide's shell commands in a copy of its folder; what they printed, and what they complained of."""
    shutil.copytree(GUIDES, folder)
    address = f"127.0.0.1:{free_port()}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FANXING_")}
    environment |= {"FANXING_LISTEN": address, "FANXING_TARGET": address, "COLUMNS": "120", **more}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    # Whatever a guide left running ends with it, also when it stops half way.
    script = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n" + "".join(blocks(guide, "sh"))
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_the_first_loan_is_paid_out(tmp_path):
    told, _ = followed("first-loan.md", tmp_path / "guide")
    assert "46980" in told
    assert "APPROVED" in told
    assert "1,000.00 CNY" in told
    readme = (GUIDES.parents[1] / "README.md").read_text()
    (shown,) = re.findall(r"^\$ fanxing apply noodles.*?^```$", readme, re.DOTALL | re.MULTILINE)
    for figure in re.findall(r"[0-9][0-9,]*\.[0-9]+|[A-Z]+_[A-Z_]+", shown):
        assert figure in told, f"the README shows {figure}"


def test_a_policy_is_fitted_changed_and_compared(tmp_path, bank):
    told, said = followed("policies.md", tmp_path / "guide", BANK=str(bank / "data"))
    assert "auc_out_of_fold" in told
    assert "loan_id,pd,pd_served,outcome,limit_fen,reasons" in told
    assert len(re.findall(r'"approved": \d+', told)) == 2
    assert "long_silence.cel" in said
    assert "no_such_indicator" in said


def test_two_processes_serve_one_institution_from_postgresql(tmp_path, database):
    told, _ = followed("operate.md", tmp_path / "guide", STORE=database.url, STORE_OWNER=database.owner_url)
    assert told.count("Fruit stall") == 2


def test_the_call_of_the_readme_is_answered(tmp_path):
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", (GUIDES.parents[1] / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    options = ("--listen", "127.0.0.1:0", "--store", "memory:", "--rail-journal", str(tmp_path / "rail.jsonl"))
    with launched("serve", *options, log=tmp_path / "service.log") as service:
        here = code.replace("127.0.0.1:50051", service.target)
        assert here != code
        done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'code: "' in done.stdout


def test_the_roles_are_those_that_the_tests_run_with():
    (statements,) = blocks("operate.md", "sql")
    assert "CREATE ROLE fanxing_owner LOGIN" in statements
    assert "CREATE DATABASE fanxing OWNER fanxing_owner;" in statements
