"""A forest answers as the library that trained it, to the bit, and a damaged file is refused."""

import json

import lightgbm
import numpy as np
import pytest
import treelite

from fanxing_core import Forest, ModelError, import_model


def trained(tmp_path, seed=0, rounds=30, **settings):
    """A LightGBM model on rows with ties and gaps, its file, and rows to try it on."""
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(600, 5)), 1)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    outcomes = (np.nan_to_num(rows[:, 0]) + rng.normal(size=600) > 0).astype(int)
    settings = {"objective": "binary", "num_leaves": 15, "verbose": -1, "num_threads": 1} | settings
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, outcomes), rounds)
    source = tmp_path / "model.txt"
    booster.save_model(source)
    return booster, source, rows


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The bytes of a small artefact, rows, and its margins on them."""
    folder = tmp_path_factory.mktemp("small")
    booster, source, rows = trained(folder, rounds=2, num_leaves=4)
    import_model(source, folder / "model.fxf", golden=(rows[:2], booster.predict(rows[:2], raw_score=True)))
    return (folder / "model.fxf").read_bytes(), rows, booster.predict(rows, raw_score=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("settings", [{}, {"use_missing": False}, {"num_leaves": 127, "min_data_in_leaf": 1}])
def test_lightgbm_to_the_last_bit(tmp_path, seed, settings):
    booster, source, rows = trained(tmp_path, seed, **settings)
    import_model(source, tmp_path / "model.fxf")
    forest = Forest(tmp_path / "model.fxf")
    assert forest.predict_margin(rows).tobytes() == booster.predict(rows, raw_score=True).tobytes()
    np.testing.assert_allclose(forest.predict(rows), booster.predict(rows), rtol=1e-14)
    assert forest.describe()["trees"] == 30


def test_rows_at_every_threshold(tmp_path):
    booster, source, rows = trained(tmp_path)
    import_model(source, tmp_path / "model.fxf")
    cuts = np.unique(rows[~np.isnan(rows)])
    edges = np.repeat(np.concatenate([cuts, np.nextafter(cuts, 9), [np.nan, 1e300, -1e300, 0.0, -0.0]])[:, None], 5, 1)
    assert (Forest(tmp_path / "model.fxf").predict_margin(edges) == booster.predict(edges, raw_score=True)).all()


def test_every_flipped_bit_is_refused(small):
    content, _, _ = small
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            with pytest.raises(ModelError):
                Forest(bytes(damaged))


def test_every_truncation_is_refused(small):
    content, _, _ = small
    for length in range(len(content)):
        with pytest.raises(ModelError):
            Forest(content[:length])


def test_golden_rows_with_other_margins_are_refused(tmp_path):
    booster, source, rows = trained(tmp_path)
    margins = booster.predict(rows[:2], raw_score=True) + 1e-9
    with pytest.raises(ModelError, match="golden"):
        import_model(source, tmp_path / "model.fxf", golden=(rows[:2], margins))
    assert not (tmp_path / "model.fxf").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"left_child=1", b"left_child=100000"),
        (b"num_leaves=15", b"num_leaves=2000000000"),
        (b"split_feature=0", b"split_feature=9000"),
        (b"end of parameters", b""),
        (b"Tree=3\n", b""),
    ],
)
def test_a_damaged_source_is_refused_and_the_caller_lives(tmp_path, before, after):
    _, source, _ = trained(tmp_path)
    content = source.read_bytes()
    assert before in content
    source.write_bytes(content.replace(before, after, 1))
    with pytest.raises(ModelError):
        import_model(source, tmp_path / "model.fxf")


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_source_that_is_cut_short_is_refused(tmp_path, cut):
    _, source, _ = trained(tmp_path)
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(ModelError):
        import_model(source, tmp_path / "model.fxf")


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"{}", b'{"learner": 1}', json.dumps({"a": 1}).encode()])
def test_what_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelError):
        import_model(tmp_path / "m", tmp_path / "o")


def test_what_is_not_supported_is_refused_by_name(tmp_path):
    _, source, _ = trained(tmp_path, objective="multiclass", num_class=2)
    with pytest.raises(ModelError, match="several outputs"):
        import_model(source, tmp_path / "o")
    _, source, _ = trained(tmp_path, zero_as_missing=True)
    with pytest.raises(ModelError, match="zero_as_missing"):
        import_model(source, tmp_path / "o")


@pytest.mark.parametrize("rows", [np.zeros(5), np.zeros((1, 4)), np.zeros((2, 3, 5))])
def test_rows_of_another_shape_are_refused(small, rows):
    with pytest.raises(ValueError, match="rows must be"):
        Forest(small[0]).predict_margin(rows)


def test_no_rows_and_other_orders_are_answered(small):
    content, rows, margins = small
    forest = Forest(content)
    assert forest.predict_margin(np.empty((0, 5))).shape == (0,)
    assert (forest.predict_margin(np.asfortranarray(rows)) == margins).all()


def test_treelites_own_walk_agrees(tmp_path):
    _, source, rows = trained(tmp_path)
    import_model(source, tmp_path / "model.fxf")
    model = treelite.frontend.load_lightgbm_model(source)
    theirs = treelite.gtil.predict(model, rows, nthread=1, pred_margin=True).reshape(-1)
    np.testing.assert_allclose(Forest(tmp_path / "model.fxf").predict_margin(rows), theirs, rtol=1e-12)
