"""Damaged, hostile and foreign files: a named refusal in bounded time, and nothing written."""

import json
import os
import pickle
import re
import time

import lightgbm
import numpy as np
import pytest
import xgboost

from fanxing_core import ModelError, import_model, importer, sources

RNG = np.random.default_rng(7)
ROWS = np.round(RNG.normal(size=(300, 4)), 2)
ROWS[:, 3] = RNG.integers(0, 40, 300)
TRUTH = ROWS[:, 0] + 3 * np.sin(ROWS[:, 3] * 7)
DATA = {"feature_types": ["q", "q", "q", "c"], "enable_categorical": True}
FEW = {"max_depth": 3, "nthread": 1, "max_cat_to_onehot": 1}
XGBOOST = xgboost.train(FEW, xgboost.DMatrix(ROWS, TRUTH, **DATA), 4)
JSON, UBJSON = bytes(XGBOOST.save_raw("json")), bytes(XGBOOST.save_raw("ubj"))
SETS = {"max_cat_to_onehot": 1, "min_data_per_group": 5, "cat_smooth": 1}
SMALL = {"num_leaves": 7, "verbose": -1, "num_threads": 1} | SETS
LIGHTGBM = lightgbm.train(SMALL, lightgbm.Dataset(ROWS, TRUTH, categorical_feature=[3]), 4).model_to_string().encode()


def assert_refused(tmp_path, content):
    """By the look at the file that precedes Treelite's reading, which is fast to try, or by all of the import."""
    try:
        sources.describe(content)
    except ModelError:
        return
    assert_refused_apart(tmp_path, content)


def assert_refused_apart(tmp_path, content):
    (tmp_path / "source").write_bytes(content)
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        import_model(tmp_path / "source", tmp_path / "target")
    assert time.monotonic() - started < 20
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "target").exists()


def in_tree(change):
    """LightGBM's text with its first tree changed, and the sizes told right."""
    head, *blocks = re.split(rb"(?=Tree=\d)", LIGHTGBM)
    changed = change(blocks[0])
    assert changed != blocks[0]
    grown = b"tree_sizes=%d " % len(changed)
    return re.sub(rb"tree_sizes=\d+ ", grown, head) + changed + b"".join(blocks[1:])


def in_json(change):
    """XGBoost's JSON, changed by a function of the learner and of the first tree."""
    content = json.loads(JSON)
    learner = content["learner"]
    change(learner, learner["gradient_booster"]["model"]["trees"][0])
    return json.dumps(content).encode()


def line(name, edit):
    return lambda tree: re.sub(rb"(?m)^(" + name + rb"=)(.*)$", lambda found: found[1] + edit(found[2]), tree, count=1)


def in_learner(change):
    return in_json(lambda learner, _: change(learner["learner_model_param"], learner["gradient_booster"]["model"]))


FOREIGN = {
    "nothing": b"",
    "a pickle": pickle.dumps({"a": 1}),
    "an object of nothing": b"{}",
    "another object": b'{"learner": 1}',
    "an array": b"[]",
    "UBJSON of nothing": b"{L\0\0\0\0\0\0\0\x07learner{}}",
    "text": b"tree\nversion=v4\n",
    "deep nesting": b'{"a":' * 100_000,
    "zeros": bytes(1000),
}
DAMAGED = {
    "LightGBM, 2e9 leaves": in_tree(line(b"num_leaves", lambda _: b"2000000000")),
    "LightGBM, no leaf": in_tree(line(b"num_leaves", lambda _: b"0")),
    "LightGBM, a leaf too few": in_tree(line(b"leaf_value", lambda text: text.rpartition(b" ")[0])),
    "LightGBM, a leaf too many": in_tree(line(b"leaf_value", lambda text: text + b" 1.5")),
    "LightGBM, an empty place": in_tree(line(b"threshold", lambda text: text.replace(b" ", b"  ", 1))),
    "LightGBM, an infinite leaf": in_tree(line(b"leaf_value", lambda text: b"inf " + text.partition(b" ")[2])),
    "LightGBM, no number": in_tree(line(b"leaf_value", lambda text: b"nan " + text.partition(b" ")[2])),
    "LightGBM, hexadecimal": in_tree(line(b"leaf_value", lambda text: b"0x1p3 " + text.partition(b" ")[2])),
    "LightGBM, a child far away": in_tree(line(b"left_child", lambda text: b"100000" + text[1:])),
    "LightGBM, a circle": in_tree(line(b"left_child", lambda text: b"0" + text[1:])),
    "LightGBM, a feature far away": in_tree(line(b"split_feature", lambda text: b"9000" + text[1:])),
    "LightGBM, a negative feature": in_tree(line(b"split_feature", lambda text: b"-1" + text[1:])),
    "LightGBM, a set far away": in_tree(line(b"cat_boundaries", lambda _: b"0 9")),
    "LightGBM, a thing twice": in_tree(lambda tree: tree.replace(b"num_cat=", b"num_leaves=7\nnum_cat=")),
    "LightGBM, an unknown decision": in_tree(line(b"decision_type", lambda text: b"33" + text[1:])),
    "LightGBM, a tree less": re.sub(rb"Tree=1(.|\n)*?(?=Tree=2)", b"", LIGHTGBM),
    "LightGBM, a tree twice": re.sub(rb"Tree=1((.|\n)*?)(?=Tree=2)", rb"Tree=1\1Tree=1\1", LIGHTGBM),
    "LightGBM, a zero byte": LIGHTGBM.replace(b"feature_names", b"feature_name\0"),
    "LightGBM, no trees": re.sub(rb"Tree=0(.|\n)*(?=end of trees)", b"", LIGHTGBM),
    "LightGBM, an unknown objective": LIGHTGBM.replace(b"objective=regression", b"objective=something"),
    "XGBoost, no trees": in_learner(lambda _, model: model.update(trees=[], tree_info=[])),
    "XGBoost, a circle": in_json(lambda _, tree: tree["left_children"].__setitem__(1, 0)),
    "XGBoost, a child far away": in_json(lambda _, tree: tree["left_children"].__setitem__(0, 10**6)),
    "XGBoost, a child twice": in_json(lambda _, tree: tree["left_children"].__setitem__(0, tree["right_children"][0])),
    "XGBoost, a feature far away": in_json(lambda _, tree: tree["split_indices"].__setitem__(0, 10**6)),
    "XGBoost, no base score": in_learner(lambda header, _: header.pop("base_score")),
    "XGBoost, three base scores": in_learner(lambda header, _: header.update(base_score="[1,2,3]")),
    "XGBoost, infinite base": in_learner(lambda header, _: header.update(base_score="[inf]")),
    "XGBoost, words for base": in_learner(lambda header, _: header.update(base_score="[a]")),
    "XGBoost, a cover less": in_json(lambda _, tree: tree["sum_hessian"].pop()),
    "XGBoost, half a direction": in_json(lambda _, tree: tree["default_left"].__setitem__(0, 7)),
    "XGBoost, infinite leaves": in_json(lambda _, tree: tree.update(split_conditions=[1e39] * len(tree["parents"]))),
    "XGBoost, a tree of another class": in_json(
        lambda learner, _: learner["gradient_booster"]["model"]["tree_info"].__setitem__(0, 7)
    ),
    "XGBoost, 2e9 categories": in_json(lambda _, tree: tree["categories"].__setitem__(0, 2_000_000_000)),
    "XGBoost, an unknown objective": in_json(lambda learner, _: learner["objective"].update(name="reg:other")),
    "XGBoost, a hundred million features": in_json(
        lambda learner, _: learner["learner_model_param"].update(num_feature="100000000")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_model_is_refused(tmp_path, what):
    assert_refused_apart(tmp_path, FOREIGN[what])


@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_damaged_is_refused(tmp_path, what):
    assert_refused(tmp_path, DAMAGED[what])


@pytest.mark.parametrize("content", [JSON, UBJSON, LIGHTGBM], ids=["JSON", "UBJSON", "LightGBM"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_what_is_cut_short_is_refused(tmp_path, content, share):
    end = content.index(b"\nend of parameters") if content is LIGHTGBM else len(content)
    assert_refused(tmp_path, content[: int(end * share)])


def test_every_truncation_of_the_text_is_seen_before_treelite_sees_it():
    end = LIGHTGBM.index(b"\nend of parameters") + len(b"\nend of parameters")
    for length in range(0, end, 7):
        with pytest.raises(ModelError):
            sources.describe(LIGHTGBM[:length])


def test_a_folder_a_hole_and_a_giant_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="directory"):
        import_model(tmp_path, tmp_path / "target")
    with pytest.raises(ModelError, match="No such file"):
        import_model(tmp_path / "none", tmp_path / "target")
    (tmp_path / "giant").write_bytes(JSON)
    monkeypatch.setattr(importer, "SOURCE_BYTES_MAX", len(JSON) - 1)
    with pytest.raises(ModelError, match="larger than"):
        import_model(tmp_path / "giant", tmp_path / "target")
    monkeypatch.setattr(importer, "SOURCE_BYTES_MAX", len(JSON))
    with pytest.raises(ModelError, match="No such file"):
        import_model(tmp_path / "giant", tmp_path / "no folder" / "target")


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="is no regular file"):
        import_model(tmp_path / "pipe", tmp_path / "target")


def test_what_a_string_within_the_model_says_is_not_taken_for_its_header():
    def boast(learner, _):
        learner["attributes"] = {"note": '"learner_model_param":{"base_score":"9"}, "version":[0,0,0]'}

    assert sources.describe(in_json(boast)) == sources.describe(JSON)
