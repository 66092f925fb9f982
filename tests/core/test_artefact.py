"""An artefact is refused by name or answered rightly, whatever its bytes, and docs/artefact.md is enough to read it."""

import math
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.forests import made_up
from tests.core.hostile import BASES, SMALL, edited, refused_or_right, spots
from tests.core.page_reader import HEADER, by_the_page, margins_by_the_page, predictions_by_the_page
from tests.core.reference import trying_rows

from fanxing_core import Forest, ModelError, _forest
from fanxing_core.artefact import NODE, Transform, read, write
from fanxing_core.columns import Columns

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("transform", Transform)
@pytest.mark.parametrize("comparison", [32, 64])
@pytest.mark.parametrize("total", [32, 64])
@pytest.mark.parametrize("sums", [False, True])
def test_the_page_is_enough_to_write_a_reader(comparison, total, transform, sums):
    made = made_up(
        transform, comparison=min(comparison, total), outputs=3, categories=4, divisor=7.0, transform=transform,
        margins_are_sums=sums, scale=1.0 if total == 32 else 1.7,
    )  # fmt: skip
    content = write(replace(made, comparison=comparison, sum=total))
    held, forest = by_the_page(content), Forest(content)
    for row in trying_rows(made, 40):
        margins = margins_by_the_page(held, row)
        assert forest.predict_margin(row[None])[0].tolist() == margins
        precision = 1e-6 if total == 32 else 1e-14
        np.testing.assert_allclose(forest.predict(row[None])[0], predictions_by_the_page(held, margins), precision)


def test_the_artefact_on_the_page_is_one():
    page = (ROOT / "docs/artefact.md").read_text()
    content = bytearray(608)
    for place, line in re.findall(r"^([0-9a-f]{3})  ((?:[0-9a-f]{2}\s{1,2}){16})", page, re.MULTILINE):
        content[int(place, 16) : int(place, 16) + 16] = bytes.fromhex(line)
    held, forest = by_the_page(bytes(content)), Forest(bytes(content))
    for row in ([np.nan, np.nan], [0, 0.5], [0, 0.75]):
        margin, prediction = forest.predict_margin([row])[0], forest.predict([row])[0]
        assert [margin] == margins_by_the_page(held, row)
        assert f"{margin:g}" in page
        assert f"{prediction:.4f}" in page


def test_every_flipped_bit_is_refused():
    for place in range(len(SMALL)):
        for bit in range(8):
            damaged = bytearray(SMALL)
            damaged[place] ^= 1 << bit
            with pytest.raises(ModelError):
                Forest(bytes(damaged))


def test_every_truncation_is_refused():
    for length in range(len(SMALL)):
        with pytest.raises(ModelError):
            Forest(SMALL[:length])


WHOLE = [*range(10), 16, 31, 32, 33, 64, 65, 255, 256, 2**24, 2**28, 2 * 10**9, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
REAL = [0, -0.0, 1, -1, 7, math.nan, math.inf, -math.inf, 5e-324, 1e-45, 1e-40, 3.5e38, -1e300, 1.7e308, 0.1, 2**53]


@pytest.mark.parametrize("base", range(4))
def test_any_field_at_its_bounds_is_refused_or_right(base):
    content, right = BASES[base], 0
    for name, (places, form) in spots(content).items():
        for value in REAL if form == "d" else WHOLE:
            for index in (0, -1)[: len(places)]:
                right += refused_or_right(edited(content, (name, value, index)))
    assert right > 100


@settings(max_examples=600, deadline=None)
@given(
    base=st.sampled_from(BASES),
    edits=st.lists(
        st.tuples(
            st.sampled_from([*spots(SMALL), *list(spots(SMALL))[len(HEADER) :] * 3]),
            st.integers(0, 1000),
            st.one_of(st.sampled_from(WHOLE), st.integers(0, 60), st.integers(0, 2**32 - 1)),
            st.one_of(st.sampled_from(REAL), st.floats(), st.floats(width=32)),
        ),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 2**32),
)
def test_any_edits_are_refused_or_right(base, edits, seed):
    forms = {name: form for name, (_, form) in spots(base).items()}
    changes = [(name, real if forms.get(name) == "d" else whole, index) for name, index, whole, real in edits]
    refused_or_right(edited(base, *changes), seed)


@pytest.mark.parametrize(
    ("reason", "edits"),
    [
        ("not an artefact", [("magic", 0)]),
        ("version 3; this core reads 2", [("version", 3)]),
        ("kind 1", [("kind", 1)]),
        ("transform 7", [("transform", 7)]),
        ("precision", [("comparison", 16)]),
        ("precision", [("sum", 33)]),
        ("knows nothing", [("reserved", 1)]),
        ("between its arrays", [("gap", 1)]),
        ("between its arrays", [("gap", 128, -1)]),
        ("nothing divides them", [("sums", 1)]),
        ("knows nothing", [("sums", 2)]),
        ("disagree", [("has_covers", 2)]),
        ("disagree", [("trees", 40)]),
        ("cannot be printed", [("library", 200)]),
        ("cannot be printed", [("library_version", 10)]),
        ("disagree", [("features", 0)]),  # for its golden rows
        ("not finite", [("base", math.nan)]),
        ("not finite", [("scale", math.inf)]),
        ("not positive", [("divisor", 0)]),
        ("not positive", [("divisor", -1)]),
        ("output out of range", [("tree_output", 1, 2)]),
        ("root out of range", [("root", 10**6, 1)]),
        ("never or twice", [("root", 0, 1)]),
        ("feature out of range", [("feature", 3)]),
        ("feature out of range", [("feature", -2)]),
        ("after its parent", [("left", 0)]),
        ("after its parent", [("left", 16)]),  # the last node; the right child would be one too far
        ("after its parent", [("left", 2**32 - 1)]),
        ("never or twice", [("left", 2)]),
        ("leaf with children", [("left", 1, -1)]),
        ("not finite", [("threshold", math.inf, -1)]),
        ("no number", [("threshold", math.nan)]),
        ("unknown flag", [("flags", 16)]),
        ("unknown flag", [("flags", 12)]),
        ("unknown flag", [("flags", 5)]),
        ("unknown flag", [("flags", 1, -1)]),
        ("set out of range", [("flags", 4), ("set", 3)]),
        ("set out of range", [("set", 1, -1)]),
        ("follow each other", [("offset", 1)]),
        ("follow each other", [("offset", 2**32 - 1, 1)]),
        ("follow each other", [("offset", 0, -1)]),
        ("cover", [("cover", -1)]),
        ("cover", [("cover", math.nan)]),
        ("margin that is not finite", [("golden_margin", math.nan)]),
        ("other margins here", [("golden_row", math.nan), ("golden_row", math.nan, 1), ("golden_row", math.inf, 2)]),
    ],
)
def test_what_is_wrong_is_named(reason, edits):
    with pytest.raises(ModelError, match=reason):
        Forest(edited(SMALL, *edits))


WHOLE_NUMBERS = read(BASES[0]).nodes.copy()
WHOLE_NUMBERS["threshold"] = 1


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("no feature", {"features": 0, "golden_rows": np.empty((0, 0))}),
        ("no feature", {"features": 2**31, "golden_rows": np.empty((0, 0))}),
        ("no output", {"base": np.empty(0), "golden_rows": np.empty((0, 3)), "golden_margins": np.empty((0, 0))}),
        ("no tree", {"roots": np.empty(0), "tree_outputs": np.empty(0)}),
        ("never or twice", {"roots": np.zeros(2), "tree_outputs": np.zeros(2)}),
        ("cannot hold", {"sum": 32}),
        ("cannot hold", {"comparison": 32}),
        ("scale", {"scale": 2.0, "sum": 32}),
        ("more golden rows", {"golden_rows": np.zeros((1001, 3)), "golden_margins": np.zeros((1001, 1))}),
        ("cannot hold", {"divisor": 1e-60, "sum": 32, "base": np.zeros(1), "nodes": WHOLE_NUMBERS}),
    ],
)
def test_what_does_not_go_together_is_named(reason, changes):
    with pytest.raises(ModelError, match=reason):
        Forest(write(replace(read(BASES[0]), **changes)))


@pytest.mark.parametrize("name", ["features", "outputs", "trees", "nodes", "sets", "words", "golden"])
@pytest.mark.parametrize("count", [2 * 10**9, 2**31, 2**32 - 1])
def test_counts_of_billions_cost_nothing(name, count):
    content = edited(SMALL, (name, count))
    tracemalloc.start()
    with pytest.raises(ModelError, match="disagree"):
        Forest(content)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_one_bit_of_a_golden_margin_is_noticed():
    for index in range(2):
        margin = float(read(SMALL).golden_margins[index, 0])
        with pytest.raises(ModelError, match="other margins"):
            Forest(edited(SMALL, ("golden_margin", math.nextafter(margin, 9), index)))


@pytest.mark.parametrize(("depth", "good"), [(64, True), (65, False), (100_000, False)])
def test_trees_are_at_most_64_deep(depth, good):
    nodes = np.zeros(2 * depth + 1, NODE)
    nodes["feature"] = -1
    splits = nodes[: 2 * depth : 2]  # the root, and then every right child
    splits["feature"], splits["left"] = 0, np.arange(1, 2 * depth, 2)
    made = replace(made_up(1), roots=[0], tree_outputs=[0], nodes=nodes)
    if good:
        assert refused_or_right(write(made))
    else:
        with pytest.raises(ModelError, match="deeper"):
            Forest(write(made))


def test_a_forest_that_asks_more_than_a_step_can_name_is_refused():
    made = made_up(1)
    nodes = len(made.nodes)
    columns = Columns.given(_forest.COLUMNS_MAX + 1, np.zeros(nodes, "<i4"), np.zeros(nodes, "u1"))
    with pytest.raises(ModelError, match="different questions"):
        _forest.Walk(made, columns, 0)


def test_sets_longer_than_float32_counts_are_read_right():
    words = np.zeros(2**24 + 1, "u4")
    words[-1] = 1
    nodes = np.array([(0, 0, 1, 8, 0), (1, -1, 0, 0, 0), (2, -1, 0, 0, 0)], NODE)
    made = replace(
        made_up(1, comparison=32, features=1), roots=[0], tree_outputs=[0], nodes=nodes, base=np.zeros(1),
        category_offsets=[0, len(words)], category_words=words,
    )  # fmt: skip
    assert Forest(write(made)).predict_margin([[2.0**29], [2.0**29 + 64]]).tolist() == [2, 1]


def alone(code, *arguments):
    """What a process of its own prints, which may die."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(program, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.returncode} {done.stderr}"
    return done.stdout.split()


@pytest.mark.parametrize("content", [b"", b"\0" * 10**4, pickle.dumps([*range(500)]), SMALL + b"\0", SMALL * 2])
def test_what_is_no_artefact_is_refused(tmp_path, content):
    (tmp_path / "model.fxf").write_bytes(content)
    for source in (content, tmp_path / "model.fxf"):
        with pytest.raises(ModelError):
            Forest(source)


@pytest.mark.timeout(10)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "none", tmp_path / "fifo", "/dev/zero", "/dev/null", "a\0b", ""):
        with pytest.raises(ModelError):
            Forest(path)


@pytest.mark.parametrize("harm", ["os.truncate(path, 100)", "open(path, 'r+b').write(bytes([255]) * 3000)"])
def test_a_forest_outlives_what_is_done_to_its_file(tmp_path, harm):
    path = tmp_path / "model.fxf"
    path.write_bytes(BASES[1])
    code = """if True:
        import os, sys
        import numpy as np
        from fanxing_core import Forest
        path = sys.argv[1]
        forest, rows = Forest(path), np.zeros((50, 3))
        before = forest.predict_margin(rows).tobytes()
        HARM
        print(forest.predict_margin(rows).tobytes() == before)"""
    assert alone(code.replace("HARM", harm), str(path)) == ["True"]


def test_outputs_by_the_thousand_take_no_more_memory_than_their_answers(tmp_path):
    made = replace(made_up(1, trees=1), base=np.zeros(100_000), golden_margins=np.empty((0, 100_000)))
    (tmp_path / "model.fxf").write_bytes(write(made))
    code = """if True:
        import resource, sys
        import numpy as np
        from fanxing_core import Forest
        forest, rows = Forest(sys.argv[1]), np.zeros((40, 5))
        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + (200 << 20), held + (200 << 20)))
        print(len(forest.predict_margin(rows)))"""
    assert alone(code, str(tmp_path / "model.fxf")) == ["40"]
