"""A compiled strategy says what CEL says, for values that are there and for values that are not."""

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from fanxing.errors import PolicyInvalid
from fanxing.strategies.compiler import compile_strategy, environment
from fanxing.strategies.rules import evaluate

HEAD = "// reason: TRIED\n// effect: decline\n// says: It was tried.\n"
NAMES = ("evidence_b", "months_of_trade", "receipts_fen_30d")
VALUES = st.one_of(st.sampled_from([0.0, 1.0, 2.5]), st.floats(allow_nan=False))


def numbers():
    leaves = st.one_of(st.sampled_from([f"m.{name}" for name in NAMES]), st.sampled_from(["0.0", "1.0", "2.5", "1e10"]))
    return st.recursive(
        leaves, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner), max_leaves=4
    )


def conditions():
    compared = st.builds("({} {} {})".format, numbers(), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers())
    leaves = st.one_of(compared, st.sampled_from([f"has(m.{name})" for name in NAMES]), st.just("true"))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner),
            st.builds("!{}".format, inner),
            st.builds("({} ? {} : {})".format, inner, inner, inner),
        ),
        max_leaves=6,
    )


def by_cel(condition, values):
    result = environment().compile(condition).eval(data={"m": values, "s": {}})
    return None if result.type() == cel.Type.ERROR else result.value()


@given(conditions(), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_it_says_what_cel_says(condition, values):
    nodes = compile_strategy("tried", HEAD + condition, frozenset()).nodes
    assert evaluate(nodes, values) == by_cel(condition, values)


@pytest.mark.parametrize(
    "condition",
    [
        "((m.evidence_b < m.evidence_b) && (m.evidence_b < 1.0)) && (true || true)",
        "true && 1.0 == 1.0 && has(m.evidence_b)",
        "1.0 / 0.0 == 1.0 / -0.0",
    ],
)
@pytest.mark.parametrize("values", [{}, {"evidence_b": 1.0}])
def test_constants_that_python_calls_equal_stay_apart(condition, values):
    nodes = compile_strategy("tried", HEAD + condition, frozenset()).nodes
    assert evaluate(nodes, values) == by_cel(condition, values)


def test_a_missing_value_is_unknown_and_no_hit():
    strategy = compile_strategy("tried", HEAD + "m.evidence_b < 1.0", frozenset())
    assert strategy.try_on({}).unknown
    assert not strategy.try_on({"evidence_b": 0.5}).unknown
    assert strategy.try_on({"evidence_b": 1.5}) is None


@pytest.mark.parametrize(
    "text",
    [
        "m.evidence_b < 1.0",
        HEAD + "m.luck < 1.0",
        HEAD + "s.pd < 1.0",
        HEAD + "m.evidence_b",
        HEAD + "m.evidence_b < 'a'",
        HEAD + "size([1]) > 0",
        HEAD + "[1.0].exists(x, x > 0.0)",
        HEAD + "m.evidence_b <",
        HEAD + "m.evidence_b < 1.0 " + "&& true " * 4000,
        HEAD.replace("decline", "shrug") + "true",
        HEAD.replace("TRIED", "tried") + "true",
        "",
    ],
)
def test_what_a_strategy_may_not_say_is_refused_by_its_file(text):
    with pytest.raises(PolicyInvalid) as caught:
        compile_strategy("tried", text, frozenset())
    assert caught.value.field == "strategies/tried.cel"
