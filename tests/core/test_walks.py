"""Every walk gives the bits of the plain one, whatever the trees, the rows and the machine."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.forests import made_up
from tests.core.reference import margins, trying_rows

from fanxing_core import Forest, Panel, _forest
from fanxing_core.artefact import NodeFlag, write
from fanxing_core.columns import columns_of

MACHINES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(place > _forest.BEST, reason=f"this processor cannot do the {name} walk"),
    )
    for place, name in enumerate(_forest.MACHINES)
]
SHAPES = {
    "stumps": {"leaves": 2, "trees": 70},
    "single leaves": {"leaves": 1},
    "six levels": {"leaves": 60, "depth": 6, "trees": 70},
    "eight levels": {"leaves": 250, "depth": 8, "trees": 70},
    "few leaves, deep": {"leaves": 32, "trees": 71},
    "many leaves": {"leaves": 256, "trees": 20},
    "too many leaves for a byte": {"leaves": 700, "trees": 3},
    "as deep as may be": {"leaves": 65, "chain": True},
    "more trees than go together": {"leaves": 40, "chain": True, "trees": 270},
    "wide": {"features": 400, "leaves": 200, "trees": 40},
    "more cuts than a byte holds": {"features": 2, "leaves": 600, "trees": 12},
    "the same cuts again and again": {"features": 3, "grid": 3, "leaves": 30},
    "categories": {"categories": 6, "leaves": 60, "trees": 40},
    "several outputs": {"outputs": 5, "trees": 33, "leaves": 40},
    "averaged": {"divisor": 7.0},
    "averaged in predictions alone": {"divisor": 7.0, "margins_are_sums": True},
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("comparison", [32, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_bits_of_the_plain_walk(shape, comparison, machine):
    artefact = made_up(7, comparison=comparison, **SHAPES[shape])
    rows = trying_rows(artefact, 150)
    forest = Forest(write(artefact), machine=machine)
    check(forest, artefact, rows)


def check(forest, artefact, rows):
    """Together and one by one; as float64, as float32, and in another order in memory."""
    want = margins(artefact, rows)
    got = forest.predict_margin(rows).reshape(want.shape)
    assert got.tobytes() == want.tobytes()
    one_by_one = np.array([forest.predict_margin(row[None]).reshape(-1) for row in rows])
    assert one_by_one.tobytes() == want.tobytes()
    assert forest.predict_margin(np.asfortranarray(rows)).tobytes() == want.tobytes()
    with np.errstate(over="ignore"):
        narrow = rows.astype("f4")
    assert forest.predict_margin(narrow).reshape(want.shape).tobytes() == margins(artefact, narrow).tobytes()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    trees=st.integers(1, 40),
    leaves=st.integers(1, 90),
    depth=st.integers(1, 64),
    features=st.integers(1, 12),
    grid=st.sampled_from([None, 1, 4, 300]),
    comparison=st.sampled_from([32, 64]),
    outputs=st.integers(1, 3),
    categories=st.sampled_from([0, 3]),
    chain=st.booleans(),
    rows=st.integers(1, 140),
)
def test_any_forest_on_any_machine(seed, rows, **shape):
    artefact = made_up(seed, **shape)
    tried = trying_rows(artefact, rows, seed)
    for machine in _forest.MACHINES[: _forest.BEST + 1]:
        check(Forest(write(artefact), machine=machine), artefact, tried)


@pytest.mark.parametrize("count", [0, 1, 31, 32, 63, 64, 65, 1023, 1024, 1025, 2500])
def test_any_number_of_rows(count):
    artefact = made_up(3, leaves=40, trees=40, outputs=2)
    rows = trying_rows(artefact, count)
    assert Forest(write(artefact)).predict_margin(rows).tobytes() == margins(artefact, rows).tobytes()


def test_infinite_values_are_values():
    artefact = made_up(5, leaves=60, trees=30)
    rows = np.where(np.random.default_rng(1).random((200, 5)) < 0.5, np.inf, -np.inf)
    assert Forest(write(artefact)).predict_margin(rows).tobytes() == margins(artefact, rows)[:, 0].tobytes()


@pytest.mark.parametrize("comparison", [32, 64])
def test_nothing_but_infinity_is_above_the_largest_number(comparison):
    artefact = made_up(3, features=1, comparison=comparison)
    inner = artefact.nodes["feature"] >= 0
    artefact.nodes["flags"][inner] |= np.uint32(NodeFlag.LESS_EQUAL)
    artefact.nodes["threshold"][inner] = np.finfo(f"f{comparison // 8}").max
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        forest = Forest(write(artefact))
    check(forest, artefact, np.array([[0.0], [np.inf], [np.nan], [np.finfo("f4").max]] * 20))


def test_a_forest_is_made_once():
    forest = Forest(write(made_up(1)))
    with pytest.raises(TypeError, match="made once"):
        forest.__init__(write(made_up(2, comparison=32)))


def test_split_columns_are_split():
    columns = columns_of(made_up(7, features=2, leaves=600, trees=12))
    assert columns.numeric == columns.count
    assert columns.count > 4


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("comparisons", [[32], [64], [64, 32, 64, 32]])
def test_a_panel_says_what_its_forests_say(machine, categories, comparisons):
    rng = np.random.default_rng(2)
    wide, forests, columns = 300, [], []
    for seed in range(9):
        artefact = made_up(
            seed, features=20, leaves=[20, 60, 300][seed % 3], outputs=1 + seed // 2 % 2, categories=categories,
            comparison=comparisons[seed % len(comparisons)],
        )  # fmt: skip
        forests.append(Forest(write(artefact), machine=machine))
        columns.append(rng.choice(wide if seed % 2 else 25, 20, replace=False))
    panel = Panel(forests, columns, wide)
    for kind in ("f4", "f8"):
        rows = rng.normal(size=(50, wide)).astype(kind)
        rows[rng.random(rows.shape) < 0.1] = np.nan
        for row in rows:
            each = [
                forest.predict_margin(row[None, own]).reshape(-1) for forest, own in zip(forests, columns, strict=True)
            ]
            assert panel.predict_margin(row).tobytes() == np.concatenate(each).tobytes()
            each = [forest.predict(row[None, own]).reshape(-1) for forest, own in zip(forests, columns, strict=True)]
            assert panel.predict(row).tobytes() == np.concatenate(each).tobytes()


def test_threads_that_share_a_forest_get_the_same_bits():
    artefact = made_up(11, leaves=60, trees=200, features=20)
    forest, rows = Forest(write(artefact)), trying_rows(artefact, 700)
    want = forest.predict_margin(rows).tobytes()
    with ThreadPoolExecutor(8) as threads:
        got = set(threads.map(lambda _: forest.predict_margin(rows).tobytes(), range(160)))
    assert got == {want}


@pytest.mark.parametrize("rows", [np.zeros(5), np.zeros((1, 4)), np.zeros((2, 3, 5)), np.zeros((1, 10**6))])
def test_rows_of_another_shape_are_refused(rows):
    with pytest.raises(ValueError, match="rows must be"):
        Forest(write(made_up(1))).predict_margin(rows)


@pytest.mark.parametrize("rows", [[["a"] * 5], np.zeros((1, 5), "c16"), np.full((1, 5), None)])
def test_rows_of_what_is_no_number_are_refused(rows):
    with pytest.raises((TypeError, ValueError)):
        Forest(write(made_up(1))).predict_margin(rows)
