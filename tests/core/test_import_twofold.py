"""Files that two readers read in two ways: refused, or read as the library reads them."""

import pytest
import xgboost
from tests.core.test_import_bad_sources import JSON, LIGHTGBM, ROWS, UBJSON, assert_refused, in_json, in_tree

from fanxing_core import ModelError, import_model, lightgbm_text, xgboost_file


def model_of(learner):
    return learner["gradient_booster"]["model"]


def exchange_trees(learner, _):
    trees = model_of(learner)["trees"]
    trees[0], trees[1] = trees[1], trees[0]


def leave_a_round_out(learner, _):
    model_of(learner)["iteration_indptr"][0] = 1


def claim_more_categories(_, tree):
    tree["categories_sizes"] = [size + 9 for size in tree["categories_sizes"]] or [9]


def exchange_children(_, tree):
    """XGBoost goes to the left child's number plus one, Treelite to the right child."""
    inner = [at for at, left in enumerate(tree["left_children"]) if left != -1]
    at = inner[-1]
    tree["left_children"][at], tree["right_children"][at] = tree["right_children"][at], tree["left_children"][at]


def ask_for_no_feature(_, tree):
    tree["split_indices"][0] = -(2**31)


@pytest.mark.parametrize(
    "change", [exchange_trees, leave_a_round_out, claim_more_categories, exchange_children, ask_for_no_feature]
)
def test_an_order_or_a_length_that_treelite_does_not_look_at(tmp_path, change):
    assert_refused(tmp_path, in_json(change))


def test_a_name_that_stands_twice(tmp_path):
    assert JSON.count(b'"base_score":') == 1
    assert_refused(tmp_path, JSON.replace(b'"base_score":', b'"base_score":"9","base_score":', 1))


def test_a_name_behind_an_escape(tmp_path):
    assert_refused(tmp_path, JSON.replace(b'"split_type"', b'"split_typ\\u0065"'))


@pytest.mark.parametrize("content", [JSON + b"{}", UBJSON + b"}", UBJSON[:-1]])
def test_what_goes_on_after_its_end_or_ends_before(tmp_path, content):
    assert_refused(tmp_path, content)


@pytest.mark.parametrize("score", [1e-7, 0.9999999])
def test_a_base_score_that_xgboost_moves_before_it_uses_it(tmp_path, score):
    told = {"objective": "binary:logistic", "base_score": score, "max_depth": 2, "nthread": 1}
    booster = xgboost.train(told, xgboost.DMatrix(ROWS[:, :3], ROWS[:, 0] > 0), 2)
    assert_refused(tmp_path, bytes(booster.save_raw("json")))


@pytest.mark.parametrize("score", ["0.500000_06", "[1.00000005960464477540E0]", "9" * 30, "0x1", "1e0 ", "nan"])
def test_a_base_score_that_two_readers_read_in_two_ways(tmp_path, score):
    def tell(learner, _):
        learner["learner_model_param"]["base_score"] = score

    assert_refused(tmp_path, in_json(tell))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"objective=regression", b"objective="),
        (b"objective=regression", b"objective=huber sqrt"),
        (b"objective=regression", b"objective=regression\rmax_feature_idx=9"),
        (b"\n[boosting: gbdt]", b"\n[boosting]"),
    ],
)
def test_a_head_or_a_parameter_that_lightgbm_reads_otherwise(tmp_path, old, new):
    assert LIGHTGBM.count(old) == 1
    assert_refused(tmp_path, LIGHTGBM.replace(old, new))


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.rstrip(b"\n") + b"\n",
        lambda tree: tree.replace(b"split_feature=", b"split_feature=-"),
        lambda tree: tree.replace(b"\nshrinkage=", b"\r\nshrinkage="),
    ],
)
def test_a_tree_without_an_end_or_of_no_feature(tmp_path, change):
    assert_refused(tmp_path, in_tree(change))


def test_only_two_objectives_of_lightgbm_scale_their_sigmoid():
    told = LIGHTGBM.replace(b"objective=regression", b"objective=cross_entropy sigmoid:2")
    assert lightgbm_text.describe(told).scale == 1
    told = LIGHTGBM.replace(b"objective=regression", b"objective=binary sigmoid:2")
    assert lightgbm_text.describe(told).scale == 2


def test_a_refusal_holds_nothing_that_a_terminal_obeys():
    def name(learner, _):
        learner["gradient_booster"]["name"] = "\x1b[31mgblinear"

    with pytest.raises(ModelError) as caught:
        xgboost_file.describe(in_json(name))
    assert "\x1b" not in str(caught.value)


def test_a_line_of_a_lightgbm_tree_that_is_no_assignment(tmp_path):
    assert_refused(tmp_path, in_tree(lambda tree: tree.replace(b"shrinkage=", b"shrinkage: ")))


@pytest.mark.parametrize("line", [b"average_output ", b"average_output=1"])
def test_an_average_that_only_one_reader_sees(tmp_path, line):
    assert_refused(tmp_path, LIGHTGBM.replace(b"\nfeature_names=", b"\n" + line + b"\nfeature_names=", 1))


@pytest.mark.parametrize("content", [JSON, UBJSON, LIGHTGBM], ids=["JSON", "UBJSON", "text"])
def test_the_files_that_were_changed_here_are_read_as_they_were(tmp_path, content):
    (tmp_path / "source").write_bytes(content)
    import_model(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").exists()
