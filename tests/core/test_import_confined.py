"""A model file is read apart, by a process that can only compute; the whole way from file to artefact."""

import json
import os
import subprocess
import sys
import time

import lightgbm
import numpy as np
import pytest
import xgboost
from tests.core.reference import margins, trying_rows

from fanxing_core import Forest, ModelError, import_model, importer, layout

RNG = np.random.default_rng(6)
ROWS = np.round(RNG.normal(size=(400, 4)), 2)
TRUTH = np.digitize(ROWS[:, 0] + RNG.normal(size=400), [-1, 0, 1])


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Small files of every format, and the margins of their own libraries on ROWS."""
    folder = tmp_path_factory.mktemp("sources")
    four = {"objective": "multi:softprob", "num_class": 4, "max_depth": 3, "nthread": 1}
    booster = xgboost.train(four, xgboost.DMatrix(ROWS, TRUTH), 5)
    light = {"objective": "multiclass", "num_class": 4, "num_leaves": 6, "verbose": -1, "num_threads": 1}
    other = lightgbm.train(light, lightgbm.Dataset(ROWS, TRUTH), 5)
    booster.save_model(folder / "model.json")
    booster.save_model(folder / "model.ubj")
    other.save_model(folder / "model.txt")
    theirs = booster.predict(xgboost.DMatrix(ROWS), output_margin=True).astype("f8")
    return {
        folder / "model.json": theirs,
        folder / "model.ubj": theirs,
        folder / "model.txt": other.predict(ROWS, raw_score=True),
    }


def test_from_file_to_forest_with_the_trainers_own_rows(sources, tmp_path):
    for source, theirs in sources.items():
        target = tmp_path / "model.fxf"
        import_model(source, target, golden=(ROWS, theirs))
        forest = Forest(target)
        assert forest.predict_margin(ROWS).tobytes() == theirs.tobytes()
        rows = trying_rows(forest.artefact, 500)
        assert forest.predict_margin(rows).tobytes() == margins(forest.artefact, rows).tobytes()
        assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("wrong", [1e-9, np.nan, np.inf])
def test_other_golden_margins_are_refused_and_what_stood_there_stays(sources, tmp_path, wrong):
    source, theirs = next(iter(sources.items()))
    (tmp_path / "model.fxf").write_bytes(b"before")
    off = theirs.copy()
    off[7, 2] += wrong
    with pytest.raises(ModelError):
        import_model(source, tmp_path / "model.fxf", golden=(ROWS, off))
    assert (tmp_path / "model.fxf").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["model.fxf"]


@pytest.mark.parametrize("golden", [
    (ROWS[:, :3], np.zeros(400)), (ROWS[0], np.zeros(4)), (ROWS[:2], np.zeros(7)), (ROWS[:2], np.array(["a"] * 8)),
])  # fmt: skip
def test_golden_rows_of_another_shape_are_refused(sources, tmp_path, golden):
    with pytest.raises(ModelError):
        import_model(next(iter(sources)), tmp_path / "model.fxf", golden=golden)


TRIES = {
    "a socket": "import socket; socket.socket()",
    "a file": "open('/etc/hostname')",
    "a new file": "open('/tmp/fanxing-escape', 'w')",
    "another program": "os.execv(sys.executable, ['python'])",
    "another process": "os.fork()",
    "a deletion": "os.unlink('/tmp/fanxing-none')",
    "a signal to others": "os.kill(1, 0)",
    "a debugger": "ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) and os.strerror(ctypes.get_errno()) and 1 / 0",
    "more time": "resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
    "more memory": "bytearray(3 << 30)",
}


@pytest.mark.parametrize("what", TRIES)
def test_the_reader_can_do_nothing_but_compute(what):
    code = f"""
import ctypes, os, resource, socket, sys
from fanxing_core import confine
confine.limit(memory_bytes=2 << 30, cpu_s=20, output_bytes=1 << 20)
confine.confine()
try:
    {TRIES[what]}
except (PermissionError, MemoryError, ZeroDivisionError, ValueError):
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "refused\n", done.stderr


def test_a_reader_that_never_ends_is_ended():
    code = """
from fanxing_core import confine
confine.limit(memory_bytes=2 << 30, cpu_s=1, output_bytes=1 << 20)
confine.confine()
while True: pass
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode < 0
    assert time.monotonic() - started < 30


def test_where_the_system_refuses_nothing_is_read_unless_told_so(sources, tmp_path, monkeypatch):
    # A machine without seccomp: the reader's own prctl fails.
    (tmp_path / "sitecustomize.py").write_text("import platform\nplatform.machine = lambda: 'other'\n")
    run = subprocess.run

    def elsewhere(command, **settings):
        command = [part for part in command if part != "-I"]
        path = {"PYTHONPATH": f"{tmp_path}"}
        return run(command, **settings | {"env": settings["env"] | path})

    monkeypatch.setattr(importer.subprocess, "run", elsewhere)
    source = next(iter(sources))
    with pytest.raises(ModelError, match="refuses to confine"):
        import_model(source, tmp_path / "model.fxf")
    assert not (tmp_path / "model.fxf").exists()
    import_model(source, tmp_path / "model.fxf", unconfined=True)
    assert Forest(tmp_path / "model.fxf").artefact.library == "xgboost"


def test_what_a_reader_under_foreign_rule_answers_is_not_believed(sources, tmp_path, monkeypatch):
    honest = importer._read_apart(next(iter(sources)).read_bytes(), unconfined=False)
    meta = json.loads(honest["meta"].tobytes())

    def lie(**changes):
        return honest | {name: np.array(value) for name, value in changes.items()}

    def said(**changes):
        return honest | {"meta": np.frombuffer(json.dumps(meta | changes).encode(), dtype="u1")}

    moved = honest["left"].copy()
    moved[0] = 10**9
    circle = honest["left"].copy()
    circle[1] = 0
    lies = [
        lie(left=moved), lie(left=circle), lie(left=-np.ones_like(moved)), lie(right=honest["left"]),
        lie(value=honest["value"] * np.nan), lie(value=honest["value"][:-1]), lie(sizes=[0]), lie(sizes=[2**62, 2**62]),
        lie(flags=honest["flags"] | 64), lie(flags=honest["flags"] | 4), lie(feature=honest["feature"] + 2**33),
        lie(tree_outputs=honest["tree_outputs"] + 9), lie(tree_outputs=honest["tree_outputs"] * 0 - 1),
        lie(base=honest["base"] * np.inf), lie(base=honest["base"][:0]), lie(base=honest["base"] + 1e-12),
        lie(covers=honest["covers"] - 1e9), lie(covers=honest["covers"][:3]), lie(vectors=honest["base"]),
        lie(probe_rows=honest["probe_rows"][:-1]), lie(probe_margins=honest["probe_margins"] + 1),
        said(features=2**40), said(features=-1), said(features="4"), said(features=2), said(transform=99),
        said(comparison=16), said(divisor=0), said(sums=True), said(scale=float("nan")), said(library="é" * 9),
        honest | {"meta": honest["meta"][:9]}, honest | {"meta": np.frombuffer(b"[" * 10**5, dtype="u1")},
        honest | {"meta": np.frombuffer(b"{}", dtype="u1")}, honest | {"meta": np.frombuffer(b"\xff", dtype="u1")},
    ]  # fmt: skip
    for number, answer in enumerate(lies):
        monkeypatch.setattr(importer, "_read_apart", lambda *_, answer=answer, **__: layout.unpack(layout.pack(answer)))
        try:
            with pytest.raises(ModelError):
                import_model(next(iter(sources)), tmp_path / "model.fxf")
        except BaseException as error:
            raise AssertionError(f"lie {number}: {error!r}") from error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"\xff" * 500, (2**62).to_bytes(8, "little") * 40])
def test_an_answer_of_another_length_is_refused(content):
    with pytest.raises(ModelError):
        layout.unpack(content)
