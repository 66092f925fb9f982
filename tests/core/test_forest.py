"""A forest predicts what the library predicts that trained it, and tells what it is."""

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)

from fanxing_core import Forest, ModelError, import_model


def assert_close(got, want):
    """Within a unit in the last place; two at most where the library's own `exp` was rounded the other way."""
    np.testing.assert_array_max_ulp(got, want, 2)
    apart = np.abs(got.view(f"i{got.itemsize}") - want.view(f"i{want.itemsize}"))
    assert (apart > 1).mean() < 0.001


@pytest.fixture(scope="module")
def data():
    """Rows with ties and gaps, and something to learn from them: float64 (3000, 5) and float64 (3000,)."""
    rng = np.random.default_rng(0)
    rows = np.round(rng.normal(size=(3000, 5)), 1)
    signal = rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=3000)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, signal


def target(signal, classes):
    """What an objective learns: classes by their share, or a positive quantity."""
    return (
        np.exp(signal / 3)
        if classes is None
        else np.searchsorted(np.quantile(signal, np.arange(1, classes) / classes), signal)
    )


def forest_of(tmp_path, source):
    import_model(source, tmp_path / "model.fxf")
    return Forest(tmp_path / "model.fxf")


@pytest.mark.parametrize(
    ("objective", "classes", "settings"),
    [
        ("binary", 2, {}),
        ("binary", 2, {"sigmoid": 0.7}),
        ("cross_entropy", 2, {}),
        ("cross_entropy_lambda", 2, {}),
        ("multiclass", 4, {"num_class": 4}),
        ("multiclassova", 3, {"num_class": 3}),
        ("regression", None, {}),
        ("regression", None, {"reg_sqrt": True}),
        ("poisson", None, {}),
        ("tweedie", None, {}),
        ("gamma", None, {}),
    ],
)
def test_what_lightgbm_predicts(tmp_path, data, objective, classes, settings):
    rows, signal = data
    told = {"objective": objective, "verbose": -1, "num_threads": 1, "num_leaves": 15} | settings
    booster = lightgbm.train(told, lightgbm.Dataset(rows, target(signal, classes)), 30)
    booster.save_model(tmp_path / "model.txt")
    forest = forest_of(tmp_path, tmp_path / "model.txt")
    assert forest.predict_margin(rows).tobytes() == booster.predict(rows, raw_score=True).tobytes()
    assert_close(forest.predict(rows), booster.predict(rows))


@pytest.mark.parametrize(
    ("objective", "classes"),
    [
        ("binary:logistic", 2),
        ("multi:softprob", 4),
        ("reg:squarederror", None),
        ("count:poisson", None),
        ("reg:tweedie", None),
        ("reg:gamma", None),
    ],
)
def test_what_xgboost_predicts(tmp_path, data, objective, classes):
    rows, signal = data
    told = {"objective": objective, "nthread": 1} | ({"num_class": classes} if objective.startswith("multi") else {})
    matrix = xgboost.DMatrix(rows, target(signal, classes))
    booster = xgboost.train(told, matrix, 30)
    booster.save_model(tmp_path / "model.json")
    forest = forest_of(tmp_path, tmp_path / "model.json")
    assert forest.predict_margin(rows).tobytes() == booster.predict(matrix, output_margin=True).astype("f8").tobytes()
    assert_close(forest.predict(rows).astype("f4"), booster.predict(matrix))


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(30, random_state=0),
        RandomForestRegressor(30, random_state=0),
        GradientBoostingClassifier(n_estimators=30, random_state=0),
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_what_scikit_learn_predicts(tmp_path, data, estimator):
    rows, signal = data
    rows = np.nan_to_num(rows) if isinstance(estimator, GradientBoostingClassifier) else rows
    is_classifier = hasattr(estimator, "predict_proba")
    estimator.fit(rows, target(signal, 2 if is_classifier else None))
    got = forest_of(tmp_path, estimator).predict(rows)
    want = estimator.predict_proba(rows) if is_classifier else estimator.predict(rows)
    assert_close(got, np.ascontiguousarray(want if got.ndim == 2 or not is_classifier else want[:, 1]))


def test_golden_rows_with_other_margins_are_refused_and_nothing_is_written(tmp_path, data):
    rows, signal = data
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, signal), 5)
    booster.save_model(tmp_path / "model.txt")
    margins = booster.predict(rows[:4], raw_score=True)
    import_model(tmp_path / "model.txt", tmp_path / "good.fxf", golden=(rows[:4], margins))
    margins[2] = np.nextafter(margins[2], 9)
    with pytest.raises(ModelError, match="golden"):
        import_model(tmp_path / "model.txt", tmp_path / "bad.fxf", golden=(rows[:4], margins))
    assert not (tmp_path / "bad.fxf").exists()


def test_a_forest_tells_what_it_is(tmp_path, data):
    rows, signal = data
    booster = lightgbm.train({"verbose": -1, "num_threads": 1, "num_leaves": 7}, lightgbm.Dataset(rows, signal), 5)
    booster.save_model(tmp_path / "model.txt")
    forest = forest_of(tmp_path, tmp_path / "model.txt")
    told = forest.describe()
    assert {name: told[name] for name in ("trees", "nodes", "features", "outputs", "depth", "library")} == {
        "trees": 5,
        "nodes": 5 * 13,
        "features": 5,
        "outputs": 1,
        "depth": max(depth_of(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]),
        "library": "lightgbm",
    }
    assert told["bytes"] == (tmp_path / "model.fxf").stat().st_size
    same = Forest((tmp_path / "model.fxf").read_bytes())
    assert (same.digest, same.describe()) == (forest.digest, told)


def depth_of(node):
    """How deep LightGBM says that a tree is."""
    return 1 + max(depth_of(node[f"{side}_child"]) for side in ("left", "right")) if "split_index" in node else 0


def test_a_machine_that_this_is_not_is_refused(tmp_path, data):
    rows, signal = data
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, signal), 2)
    booster.save_model(tmp_path / "model.txt")
    import_model(tmp_path / "model.txt", tmp_path / "model.fxf")
    with pytest.raises(ValueError, match="walks"):
        Forest(tmp_path / "model.fxf", machine="abacus")
