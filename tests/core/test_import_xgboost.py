"""What XGBoost trained answers here as it does there, to the last bit."""

import json

import numpy as np
import pytest
import xgboost
from tests.core.reference import margins, trying_rows

from fanxing_core import ModelError, importer, importer_child, layout, xgboost_file
from fanxing_core.artefact import Transform
from fanxing_core.importer import check_probes, imported_from

RNG = np.random.default_rng(3)
ROWS = np.round(RNG.normal(size=(600, 5)), 2).astype("f4").astype("f8")
ROWS[RNG.random(ROWS.shape) < 0.1] = np.nan
ROWS[:, 4] = RNG.integers(0, 40, 600)
TRUTH = np.nan_to_num(ROWS[:, 0]) * 2 + np.sin(ROWS[:, 4] * 7) + RNG.normal(size=600)
TRUTHS = np.stack((TRUTH, -TRUTH), axis=1)
HALF, FOUR, POSITIVE = (TRUTH > 0) * 1, np.digitize(TRUTH, [-1, 0, 1]), np.abs(TRUTH) + 0.1
SETTINGS = {"max_depth": 5, "nthread": 1, "seed": 1, "subsample": 0.8}
FOREST = {"num_parallel_tree": 20, "subsample": 0.6, "colsample_bynode": 0.6, "eta": 1}
FOUR_CLASSES = {"objective": "multi:softprob", "num_class": 4}
GROUPS = np.arange(600) // 10

CASES = {
    "squared error": ({"objective": "reg:squarederror"}, TRUTH),
    "absolute error": ({"objective": "reg:absoluteerror"}, TRUTH),
    "squared log error": ({"objective": "reg:squaredlogerror"}, POSITIVE),
    "pseudo-Huber": ({"objective": "reg:pseudohubererror"}, TRUTH),
    "quantile": ({"objective": "reg:quantileerror", "quantile_alpha": 0.3}, TRUTH),
    "three quantiles": ({"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.5, 0.7]}, TRUTH),
    "two targets": ({"objective": "reg:squarederror"}, TRUTHS),
    "vector leaves": ({"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"}, TRUTHS),
    "vector leaves, four classes": (FOUR_CLASSES | {"multi_strategy": "multi_output_tree"}, FOUR),
    "logistic regression": ({"objective": "reg:logistic"}, HALF * 0.9),
    "binary": ({"objective": "binary:logistic"}, HALF),
    "raw logits": ({"objective": "binary:logitraw", "base_score": 0.3}, HALF),
    "hinge": ({"objective": "binary:hinge"}, HALF),
    "Poisson": ({"objective": "count:poisson"}, POSITIVE),
    "gamma": ({"objective": "reg:gamma"}, POSITIVE),
    "Tweedie": ({"objective": "reg:tweedie"}, POSITIVE),
    "Cox": ({"objective": "survival:cox"}, POSITIVE),
    "four classes": (FOUR_CLASSES, FOUR),
    "softmax": ({"objective": "multi:softmax", "num_class": 4, "base_score": 0.7}, FOUR),
    "pairwise ranking": ({"objective": "rank:pairwise"}, FOUR),
    "NDCG ranking": ({"objective": "rank:ndcg"}, FOUR),
    "MAP ranking": ({"objective": "rank:map"}, HALF),
    "DART": ({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3}, HALF),
    "DART, four classes": (FOUR_CLASSES | {"booster": "dart", "rate_drop": 0.3}, FOUR),
    "random forest": ({"objective": "binary:logistic"} | FOREST, HALF),
    "random forest, four classes": (FOUR_CLASSES | FOREST, FOUR),
    "pruned": ({"objective": "reg:squarederror", "tree_method": "exact", "gamma": 2.0}, TRUTH),
    "one leaf": ({"objective": "reg:squarederror", "gamma": 1e9}, TRUTH),
    "deep": ({"objective": "reg:squarederror", "max_depth": 20, "min_child_weight": 0}, TRUTH),
}


def trained(settings, truth, types=None):
    """A booster and its training data."""
    groups = {"qid": GROUPS} if settings["objective"].startswith("rank:") else {}
    data = xgboost.DMatrix(ROWS, truth, feature_types=types, enable_categorical=True, **groups)
    rounds = 3 if "num_parallel_tree" in settings else 16
    return xgboost.train(SETTINGS | settings, data, rounds)


def native(booster, rows):
    """XGBoost's own margins, (n, outputs)."""
    data = xgboost.DMatrix(rows, feature_types=booster.feature_types, enable_categorical=True)
    return booster.predict(data, output_margin=True).astype("f8").reshape(len(rows), -1)


def assert_same_bits(booster, source, count=2000):
    imported, rows, theirs = imported_from(source)
    check_probes(margins(imported, rows), theirs, imported)
    rows = trying_rows(imported, count)
    assert margins(imported, rows).tobytes() == native(booster, rows).tobytes()
    return imported


@pytest.fixture(autouse=True)
def _read_here(monkeypatch):
    """Spares a process for each model; test_import_confined.py goes the whole way."""

    def read(content, unconfined):
        return layout.unpack(layout.pack(importer_child.read(content)))

    monkeypatch.setattr(importer, "_read_apart", read)


@pytest.mark.parametrize("kind", ["json", "ubj"])
@pytest.mark.parametrize("case", CASES)
def test_every_objective_to_the_last_bit(tmp_path, case, kind):
    booster = trained(*CASES[case])
    booster.save_model(tmp_path / f"model.{kind}")
    imported = assert_same_bits(booster, tmp_path / f"model.{kind}")
    assert len(imported.covers) == len(imported.nodes)


@pytest.mark.parametrize("onehot_up_to", [1, 100])
@pytest.mark.parametrize("case", ["squared error", "binary", "four classes", "DART"])
def test_categories_unseen_negative_and_between(tmp_path, case, onehot_up_to):
    settings, truth = CASES[case]
    booster = trained(settings | {"max_cat_to_onehot": onehot_up_to}, truth, types=["q", "q", "q", "q", "c"])
    booster.save_model(tmp_path / "model.json")
    imported = assert_same_bits(booster, tmp_path / "model.json")
    assert len(imported.category_words)


@pytest.mark.parametrize(("objective", "link"), [("binary:logistic", "sigmoid"), ("count:poisson", "exponential")])
def test_margins_of_base_scores_are_those_of_its_own_logarithm(objective, link):
    data = xgboost.DMatrix(np.zeros((2, 1)), [0, 1])
    for score in RNG.uniform(0.001, 0.999, 300).astype("f4"):
        booster = xgboost.train({"objective": objective, "base_score": float(score), "eta": 0, "nthread": 1}, data, 1)
        margin = xgboost_file.base_margins((float(score),), link, 1)
        assert margin.astype("f4").tobytes() == booster.predict(data, output_margin=True)[:1].tobytes()


@pytest.mark.parametrize(("form", "version"), [
    ("5E-1", [1, 7, 6]), ("0.5", [2, 1, 4]), ("3E-1", [1, 0, 0]), ("[5E-1]", [3, 1, 0]),
    ("[1E-1,2E-1,3E-1,4E-1]", [3, 2, 0]),
])  # fmt: skip
@pytest.mark.parametrize("case", ["binary", "four classes", "Tweedie"])
def test_base_scores_as_each_version_writes_them(tmp_path, case, form, version):
    content = json.loads(bytes(trained(*CASES[case]).save_raw("json")))
    outputs = 4 if case == "four classes" else 1
    if form.count(",") + 1 not in {1, outputs}:
        form = "[2E-1]"
    content["learner"]["learner_model_param"]["base_score"] = form
    content["version"] = version
    (tmp_path / "model.json").write_text(json.dumps(content))
    booster = xgboost.Booster(model_file=tmp_path / "model.json")
    assert_same_bits(booster, tmp_path / "model.json")


def test_a_probability_is_made_as_the_objective_says(tmp_path):
    wanted = {"binary": Transform.SIGMOID, "four classes": Transform.SOFTMAX, "gamma": Transform.EXP,
              "hinge": Transform.STEP, "raw logits": Transform.IDENTITY}  # fmt: skip
    for case, transform in wanted.items():
        trained(*CASES[case]).save_model(tmp_path / "model.json")
        assert imported_from(tmp_path / "model.json")[0].transform == transform


def test_what_is_not_supported_is_refused_by_name(tmp_path):
    xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(np.nan_to_num(ROWS), TRUTH), 3).save_model(
        tmp_path / "l.json"
    )
    with pytest.raises(ModelError, match="gblinear"):
        imported_from(tmp_path / "l.json")
    raw = bytes(trained(*CASES["raw logits"]).save_raw("json")).replace(b"[3,2,0]", b"[1,2,0]")
    (tmp_path / "raw.json").write_bytes(raw)
    with pytest.raises(ModelError, match=r"logitraw from before XGBoost 1\.4"):
        imported_from(tmp_path / "raw.json")
