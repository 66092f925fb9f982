"""What LightGBM trained answers here as it does there, to the last bit."""

import lightgbm
import numpy as np
import pytest
from tests.core.reference import margins, trying_rows

from fanxing_core import Forest, ModelError, importer, importer_child, layout
from fanxing_core.artefact import Transform, write
from fanxing_core.importer import check_probes, imported_from

RNG = np.random.default_rng(4)
ROWS = np.round(RNG.normal(size=(800, 5)), 2)
ROWS[RNG.random(ROWS.shape) < 0.1] = np.nan
ROWS[:, 3] = RNG.poisson(0.5, 800)
ROWS[:, 4] = RNG.integers(0, 70, 800)
TRUTH = np.nan_to_num(ROWS[:, 0]) * 2 + np.sin(ROWS[:, 4] * 7) + RNG.normal(size=800)
HALF, FOUR, POSITIVE = (TRUTH > 0) * 1, np.digitize(TRUTH, [-1, 0, 1]), np.abs(TRUTH) + 0.1
FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
FOUR_CLASSES = {"objective": "multiclass", "num_class": 4}

CASES = {
    "binary": ({"objective": "binary"}, HALF),
    "binary, sigmoid 0.7": ({"objective": "binary", "sigmoid": 0.7}, HALF),
    "regression": ({"objective": "regression"}, TRUTH),
    "square roots": ({"objective": "regression", "reg_sqrt": True}, TRUTH),
    "absolute error": ({"objective": "regression_l1"}, TRUTH),
    "Huber": ({"objective": "huber"}, TRUTH),
    "fair": ({"objective": "fair"}, TRUTH),
    "quantile": ({"objective": "quantile", "alpha": 0.3}, TRUTH),
    "MAPE": ({"objective": "mape"}, POSITIVE),
    "four classes": (FOUR_CLASSES, FOUR),
    "four classes, one against all": ({"objective": "multiclassova", "num_class": 4, "sigmoid": 1.5}, FOUR),
    "Poisson": ({"objective": "poisson"}, POSITIVE),
    "Tweedie": ({"objective": "tweedie"}, POSITIVE),
    "gamma": ({"objective": "gamma"}, POSITIVE),
    "cross entropy": ({"objective": "cross_entropy"}, HALF * 0.8),
    "cross entropy lambda": ({"objective": "cross_entropy_lambda"}, HALF * 0.8),
    "LambdaRank": ({"objective": "lambdarank"}, FOUR),
    "XE-NDCG": ({"objective": "rank_xendcg"}, FOUR),
    "DART": ({"objective": "binary", "boosting": "dart", "drop_rate": 0.5}, HALF),
    "GOSS": ({"objective": "binary", "data_sample_strategy": "goss"}, HALF),
    "missing taken for 0": ({"objective": "binary", "use_missing": False}, HALF),
    "extremely random": ({"objective": "binary", "extra_trees": True}, HALF),
    "one leaf": ({"objective": "regression", "min_gain_to_split": 1e9}, TRUTH),
    "deep": ({"objective": "binary", "num_leaves": 255, "min_data_in_leaf": 1}, HALF),
}  # fmt: skip
TRANSFORMS = {
    "binary, sigmoid 0.7": (Transform.SIGMOID, 0.7),
    "square roots": (Transform.SIGNED_SQUARE, 1),
    "four classes": (Transform.SOFTMAX, 1),
    "four classes, one against all": (Transform.SIGMOID, 1.5),
    "Poisson": (Transform.EXP, 1),
    "cross entropy": (Transform.SIGMOID, 1),
    "cross entropy lambda": (Transform.LOG1P_EXP, 1),
    "LambdaRank": (Transform.IDENTITY, 1),
}


@pytest.fixture(autouse=True)
def _read_here(monkeypatch):
    """Spares a process for each model; test_import_confined.py goes the whole way."""

    def read(content, unconfined):
        return layout.unpack(layout.pack(importer_child.read(content)))

    monkeypatch.setattr(importer, "_read_apart", read)


def trained(tmp_path, settings, truth, categorical=(), rounds=20, names="auto"):
    """A booster as its file says it, and the file."""
    groups = {"group": [10] * 80} if settings["objective"] in {"lambdarank", "rank_xendcg"} else {}
    data = lightgbm.Dataset(ROWS, truth, categorical_feature=list(categorical), feature_name=names, **groups)
    always = {"num_leaves": 20, "verbose": -1, "num_threads": 1, "max_cat_to_onehot": 1}
    lightgbm.train(always | settings, data, rounds).save_model(tmp_path / "model.txt")
    return lightgbm.Booster(model_file=tmp_path / "model.txt"), tmp_path / "model.txt"


def assert_same_bits(booster, source):
    imported, rows, theirs = imported_from(source)
    check_probes(margins(imported, rows), theirs, imported)
    rows = trying_rows(imported, 2500)
    native = booster.predict(rows, raw_score=True).reshape(len(rows), -1)
    assert margins(imported, rows).tobytes() == native.tobytes()
    assert len(imported.covers) == len(imported.nodes)
    return imported


@pytest.mark.parametrize("categorical", [(), (4,), (3, 4)])
@pytest.mark.parametrize("case", CASES)
def test_every_objective_to_the_last_bit(tmp_path, case, categorical):
    imported = assert_same_bits(*trained(tmp_path, *CASES[case], categorical))
    if case in TRANSFORMS:
        assert (imported.transform, imported.scale) == TRANSFORMS[case]


@pytest.mark.parametrize("rounds", [1, 30])
@pytest.mark.parametrize("case", ["binary", "binary, sigmoid 0.7", "regression", "square roots", "four classes"])
def test_a_random_forest_sums_raw_scores_and_predicts_from_their_mean(tmp_path, case, rounds):
    settings, truth = CASES[case]
    booster, source = trained(tmp_path, settings | FOREST, truth, rounds=rounds)
    assert_same_bits(booster, source)
    golden = ROWS, booster.predict(ROWS, raw_score=True)
    forest, native = Forest(write(imported_from(source, golden=golden)[0])), booster.predict(ROWS)
    np.testing.assert_allclose(forest.predict(ROWS), native, rtol=1e-14)
    if case == "regression":
        assert forest.predict(ROWS).tobytes() == native.tobytes()
    sums = forest.explain(ROWS[:50]).sum(axis=-1)
    np.testing.assert_allclose(sums, forest.predict_margin(ROWS[:50]), atol=1e-12)


@pytest.mark.parametrize("leaves", [2, 20])
def test_features_may_be_called_what_a_tree_is_made_of(tmp_path, leaves):
    settings, truth = CASES["regression"]
    names = ["leaf_value", "threshold", "num_leaves", "left_child", "decision_type"]
    assert_same_bits(*trained(tmp_path, settings | {"num_leaves": leaves}, truth, rounds=1, names=names))


@pytest.mark.parametrize("forest", [{}, FOREST])
def test_features_may_be_called_what_a_file_is_made_of(tmp_path, forest):
    settings, truth = CASES["regression"]
    names = ["Tree=0", "Tree=3", "average_output", "average_output=1", "end_of_trees"]
    assert_same_bits(*trained(tmp_path, settings | forest, truth, rounds=3, names=names))


@pytest.mark.parametrize(
    "threshold", ["0", "-0", "1e-36", "-1e-36", "1.0000000180025095e-35", "-1.0000000180025095e-35"]
)
def test_what_lightgbm_takes_for_zero_goes_where_zero_goes(tmp_path, threshold):
    _, source = trained(tmp_path, *CASES["regression"])
    lines = source.read_text().split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith("threshold="))
    rest = lines[place].split(" ")[1:]
    before = len(lines[place])
    lines[place] = " ".join([f"threshold={threshold}", *rest])
    sizes = next(number for number, line in enumerate(lines) if line.startswith("tree_sizes="))
    first, *others = lines[sizes].removeprefix("tree_sizes=").split(" ")
    lines[sizes] = "tree_sizes=" + " ".join([str(int(first) + len(lines[place]) - before), *others])
    source.write_text("\n".join(lines))
    booster = lightgbm.Booster(model_file=source)
    imported, _, _ = imported_from(source)
    near = 1.0000000180025095e-35
    values = [
        0,
        -0.0,
        1e-36,
        -1e-36,
        5e-36,
        -5e-36,
        near,
        -near,
        np.nextafter(near, 1),
        -np.nextafter(near, 1),
        1e-30,
        -1e-30,
    ]
    rows = np.repeat(np.array(values)[:, None], 5, axis=1)
    assert margins(imported, rows)[:, 0].tobytes() == booster.predict(rows, raw_score=True).tobytes()


def test_what_is_not_supported_is_refused_by_name(tmp_path):
    _, source = trained(tmp_path, {"objective": "binary", "zero_as_missing": True}, HALF)
    with pytest.raises(ModelError, match="zero_as_missing"):
        imported_from(source)
    _, source = trained(tmp_path, {"objective": "regression", "linear_tree": True}, TRUTH)
    with pytest.raises(ModelError, match="linear trees"):
        imported_from(source)
