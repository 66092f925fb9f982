"""What scikit-learn fitted answers here as it does there, to the last bit."""

import numpy as np
import pytest
from sklearn import ensemble
from sklearn.linear_model import LinearRegression
from tests.core.reference import margins, trying_rows

from fanxing_core import ModelError
from fanxing_core.artefact import Transform
from fanxing_core.importer import check_probes, imported_from

RNG = np.random.default_rng(5)
WHOLE = RNG.normal(size=(500, 5))
ROWS = np.where(RNG.random(WHOLE.shape) < 0.1, np.nan, WHOLE)
TRUTH = WHOLE[:, 0] * 2 + RNG.normal(size=500)
HALF, FOUR, POSITIVE = TRUTH > 0, np.digitize(TRUTH, [-1, 0, 1]), np.abs(TRUTH) + 0.1
FEW = {"n_estimators": 15, "random_state": 1}
BINNED = {"max_iter": 15, "random_state": 1}

CASES = {
    "random forest": (ensemble.RandomForestRegressor(**FEW), ROWS, TRUTH),
    "random forest, two targets": (ensemble.RandomForestRegressor(**FEW), ROWS, np.stack((TRUTH, -TRUTH), axis=1)),
    "random forest, two classes": (ensemble.RandomForestClassifier(**FEW), ROWS, HALF),
    "random forest, four classes": (ensemble.RandomForestClassifier(**FEW, max_depth=4), ROWS, FOUR),
    "extra trees": (ensemble.ExtraTreesRegressor(**FEW), ROWS, TRUTH),
    "extra trees, four classes": (ensemble.ExtraTreesClassifier(**FEW), ROWS, FOUR),
    "no missing values": (ensemble.RandomForestRegressor(**FEW), WHOLE, TRUTH),
    "boosting": (ensemble.GradientBoostingRegressor(**FEW), WHOLE, TRUTH),
    "boosting, Huber": (ensemble.GradientBoostingRegressor(**FEW, loss="huber"), WHOLE, TRUTH),
    "boosting, quantile": (ensemble.GradientBoostingRegressor(**FEW, loss="quantile"), WHOLE, TRUTH),
    "boosting from zero": (ensemble.GradientBoostingRegressor(**FEW, init="zero"), WHOLE, TRUTH),
    "boosting, two classes": (ensemble.GradientBoostingClassifier(**FEW), WHOLE, HALF),
    "boosting, exponential": (ensemble.GradientBoostingClassifier(**FEW, loss="exponential"), WHOLE, HALF),
    "boosting, four classes": (ensemble.GradientBoostingClassifier(**FEW), WHOLE, FOUR),
    "boosting that stopped early": (
        ensemble.GradientBoostingRegressor(n_estimators=500, n_iter_no_change=2, random_state=1), WHOLE, TRUTH,
    ),
    "binned": (ensemble.HistGradientBoostingRegressor(**BINNED), ROWS, TRUTH),
    "binned, Poisson": (ensemble.HistGradientBoostingRegressor(**BINNED, loss="poisson"), ROWS, POSITIVE),
    "binned, gamma": (ensemble.HistGradientBoostingRegressor(**BINNED, loss="gamma"), ROWS, POSITIVE),
    "binned, quantile": (ensemble.HistGradientBoostingRegressor(**BINNED, loss="quantile", quantile=0.3), ROWS, TRUTH),
    "binned, two classes": (ensemble.HistGradientBoostingClassifier(**BINNED), ROWS, HALF),
    "binned, four classes": (ensemble.HistGradientBoostingClassifier(**BINNED), ROWS, FOUR),
    "binned, many cuts": (ensemble.HistGradientBoostingRegressor(max_iter=100, max_leaf_nodes=None), ROWS, TRUTH),
}  # fmt: skip


def native(estimator, rows):
    """What scikit-learn sums up, float64 (n, outputs)."""
    if hasattr(estimator, "_raw_predict"):
        narrow = type(estimator).__name__.startswith("Gradient")
        raw = estimator._raw_predict(rows.astype("f4") if narrow else rows)
    else:
        raw = estimator.predict_proba(rows) if hasattr(estimator, "predict_proba") else estimator.predict(rows)
    return np.asarray(raw, dtype="f8").reshape(len(rows), -1)


def rows_for(estimator, imported, missing):
    """Rows at the estimator's own cuts too, which are float64 where it compares float32 values with them."""
    rows = trying_rows(imported, 4000)
    if not missing:
        rows = np.nan_to_num(rows, nan=0.25)
    if hasattr(estimator, "estimators_"):
        first = np.ravel(estimator.estimators_)[0].tree_
        for place in np.flatnonzero((first.feature >= 0) & np.isfinite(first.threshold))[:100]:
            rows[place, first.feature[place]] = first.threshold[place]
    return rows


@pytest.mark.parametrize("case", CASES)
def test_every_ensemble_to_the_last_bit(case):
    estimator, rows, truth = CASES[case]
    estimator.fit(rows, truth)
    imported, probes, theirs = imported_from(estimator)
    check_probes(margins(imported, probes), theirs, imported)
    rows = rows_for(estimator, imported, missing=bool(np.isnan(rows).any()))
    assert margins(imported, rows).tobytes() == native(estimator, rows).tobytes()
    assert len(imported.covers) == len(imported.nodes)
    assert imported.library == "scikit-learn"


def test_a_probability_is_made_as_the_loss_says():
    wanted = {"boosting, two classes": (Transform.SIGMOID, 1), "boosting, exponential": (Transform.SIGMOID, 2),
              "boosting, four classes": (Transform.SOFTMAX, 1), "binned, Poisson": (Transform.EXP, 1),
              "random forest, four classes": (Transform.IDENTITY, 1)}  # fmt: skip
    for case, expected in wanted.items():
        estimator, rows, truth = CASES[case]
        imported, _, _ = imported_from(estimator.fit(rows, truth))
        assert (imported.transform, imported.scale) == expected


def test_a_forest_whose_parameters_were_changed_after_fitting_is_the_forest_that_was_fitted():
    estimator = ensemble.RandomForestRegressor(**FEW).fit(WHOLE, TRUTH)
    estimator.set_params(n_estimators=400)
    imported, _, _ = imported_from(estimator)
    assert len(imported.roots) == 15
    assert estimator.n_estimators == 400


@pytest.mark.parametrize(
    ("estimator", "truth", "message"),
    [
        (ensemble.HistGradientBoostingRegressor(categorical_features=[0], max_bins=255), TRUTH, "categorical features"),
        (ensemble.RandomForestClassifier(**FEW), np.stack((HALF, HALF), axis=1), "several targets"),
        (ensemble.GradientBoostingRegressor(**FEW, init=LinearRegression()), TRUTH, "init"),
        (ensemble.IsolationForest(), None, "IsolationForest"),
        (LinearRegression(), TRUTH, "LinearRegression"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(estimator, truth, message):
    rows = WHOLE.copy()
    rows[:, 0] = np.abs(np.round(rows[:, 0]))
    estimator.fit(rows, truth)
    with pytest.raises(ModelError, match=message):
        imported_from(estimator)


def test_what_is_not_fitted_or_no_model_is_refused():
    for thing in (ensemble.RandomForestRegressor(), ensemble.HistGradientBoostingRegressor(), b"bytes", 7, None):
        with pytest.raises(ModelError):
            imported_from(thing)
