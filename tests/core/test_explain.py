"""Reasons are exact, those that the training libraries give, and add up to the margin."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations

import lightgbm
import numpy as np
import pytest
import xgboost

from fanxing_core import Forest
from fanxing_core.artefact import NODE, Artefact, NodeFlag, Transform, read, write
from fanxing_core.errors import ModelError
from fanxing_core.explain import Explainer, explain

ORIGIN = {"source_sha256": bytes(32), "library": "none", "library_version": "0"}
SETS = [[], [0], [1, 3], [0, 2, 31, 32, 40]]


def artefact_of(trees, features, *, outputs=1, mixed=False, **settings):
    """Of nested trees, {leaf, cover} or {feature, threshold, flags, set, left, right, cover}; mixed: level by level."""
    nodes, covers, roots, queue = [], [], [], []
    for group in [trees] if mixed else [[tree] for tree in trees]:
        roots += range(len(queue), len(queue) + len(group))
        queue += group
        while len(nodes) < len(queue):
            lay(queue[len(nodes)], nodes, covers, queue)
    words = [np.bincount(np.array(each, int) // 32, 1 << np.array(each, int) % 32).astype("<u4") for each in SETS]
    defaults = {"comparison": 64, "sum": 64, "divisor": 1.0, "scale": 1.0, "base": np.arange(outputs) + 0.5}
    return Artefact(
        transform=Transform.IDENTITY,
        features=features,
        roots=np.array(roots, "<u4"),
        tree_outputs=(np.arange(len(trees)) % outputs).astype("<u4"),
        nodes=np.array(nodes, NODE),
        covers=np.array(covers, "<f8"),
        category_offsets=np.cumsum([0, *map(len, words)]).astype("<u4"),
        category_words=np.concatenate(words),
        golden_rows=np.empty((0, features)),
        golden_margins=np.empty((0, outputs)),
        **(ORIGIN | defaults | settings),
    )


def lay(node, nodes, covers, queue):
    covers.append(node["cover"])
    if "leaf" in node:
        nodes.append((node["leaf"], -1, 0, 0, 0))
    else:
        nodes.append((node["threshold"], node["feature"], len(queue), node["flags"], node.get("set", 0)))
        queue += [node["left"], node["right"]]


def grown(rng, depth, features, cover=64.0):
    """A random tree with every kind of split; a child may have no cover, or all."""
    if depth == 0 or rng.random() < 0.1:
        return {"leaf": float(np.float32(rng.normal())), "cover": cover}
    kind = rng.choice([0, NodeFlag.LESS_EQUAL, NodeFlag.CATEGORY_LEFT, NodeFlag.CATEGORY_RIGHT], p=[0.4, 0.4, 0.1, 0.1])
    left = cover * rng.choice([0, 1, rng.random()], p=[0.1, 0.1, 0.8])
    return {
        "feature": int(rng.integers(features)),
        "threshold": float(rng.choice([-math.inf, math.inf, -1, 0, 1, 2], p=[0.05, 0.05, 0.2, 0.3, 0.2, 0.2])),
        "flags": int(kind | rng.choice([0, NodeFlag.MISSING_LEFT])),
        "set": int(rng.integers(len(SETS))) if kind > NodeFlag.LESS_EQUAL else 0,
        "cover": cover,
        "left": grown(rng, depth - 1, features, left),
        "right": grown(rng, depth - 1, features, cover - left),
    }


def rows_of(rng, count, features):
    """With ties, gaps, infinities and what is in no set."""
    rows = rng.choice([-1, -0.5, 0, 0.5, 1, 2, 3, 31, 32, 40, 1e300, math.inf, -math.inf, math.nan], (count, features))
    return np.where(rng.random(rows.shape) < 0.5, rng.normal(size=rows.shape), rows)


def goes_left(artefact, node, row):
    """The artefact's docstrings, once more."""
    with np.errstate(over="ignore"):
        x = np.float32(row[node["feature"]]) if artefact.comparison == 32 else row[node["feature"]]
    if np.isnan(x):
        return bool(node["flags"] & NodeFlag.MISSING_LEFT)
    if node["flags"] & NodeFlag.CATEGORY_LEFT:
        return np.trunc(x) in SETS[node["category_set"]]
    if node["flags"] & NodeFlag.CATEGORY_RIGHT:
        return not (x >= 0 and np.trunc(x) in SETS[node["category_set"]])
    return bool(x <= node["threshold"] if node["flags"] & NodeFlag.LESS_EQUAL else x < node["threshold"])


def shares(artefact, left):
    """Of the training rows at a split, those that go to each child; equal ones where there were no rows."""
    both = artefact.covers[left : left + 2]
    return both / both.sum() if both.sum() else np.array([0.5, 0.5])


def expected(artefact, place, row, known):
    """What a tree is expected to say of a row of which only some features are known."""
    node = artefact.nodes[place]
    if node["feature"] < 0:
        return node["threshold"]
    children = [expected(artefact, node["left"] + side, row, known) for side in (0, 1)]
    if node["feature"] in known:
        return children[0 if goes_left(artefact, node, row) else 1]
    return shares(artefact, node["left"]) @ children


def margins(artefact, row, known):
    sums = artefact.base.copy()
    for root, output in zip(artefact.roots, artefact.tree_outputs, strict=True):
        sums[output] += expected(artefact, root, row, known)
    return sums / artefact.margin_divisor


def by_subsets(artefact, row):
    """Shapley's formula, word for word: (outputs, features + 1)."""
    count = artefact.features
    subsets = [frozenset(each) for size in range(count + 1) for each in combinations(range(count), size)]
    value = {each: margins(artefact, row, each) for each in subsets}
    phi = np.zeros((artefact.outputs, count + 1))
    for each in subsets:
        weight = 1 / (count * math.comb(count - 1, len(each))) if len(each) < count else 0
        for feature in set(range(count)) - each:
            phi[:, feature] += weight * (value[each | {feature}] - value[each])
    phi[:, -1] = value[frozenset()]
    return phi


def by_paths(artefact, row):
    """For trees of many features: leaf by leaf, subsets of each size together, in a table. (features + 1,)"""
    phi = np.zeros(artefact.features + 1)
    stack = [(root, {}) for root in artefact.roots]
    while stack:
        place, path = stack.pop()
        node = artefact.nodes[place]
        if node["feature"] < 0:
            phi[-1] += node["threshold"] * math.prod(share for share, _ in path.values())
            for feature, (share, stays) in path.items():
                others = [path[other] for other in path if other != feature]
                phi[feature] += (stays - share) * node["threshold"] * mean_weight(others)
            continue
        share, stays = path.get(node["feature"], (1, 1))
        left = goes_left(artefact, node, row)
        for side, part in enumerate(shares(artefact, node["left"])):
            stack.append((node["left"] + side, path | {node["feature"]: (share * part, stays * (left == (side == 0)))}))
    phi[-1] += artefact.base[0]
    return phi / artefact.margin_divisor


def mean_weight(others):
    """Over all orders, of the product of stays of those before and shares of those after."""
    table = np.ones(1)  # by how many come before
    for share, stays in others:
        table = np.append(table * share, 0) + np.append(0, table * stays)
    return sum(entry / math.comb(len(others), before) for before, entry in enumerate(table)) / (len(others) + 1)


@pytest.mark.parametrize("seed", range(40))
def test_shapley_of_all_subsets(seed):
    rng = np.random.default_rng(seed)
    features, depth, outputs = int(rng.integers(1, 6)), int(rng.integers(0, 7)), int(rng.integers(1, 4))
    trees = [grown(rng, depth, features) for _ in range(4)]
    settings = {"comparison": int(rng.choice([32, 64])), "divisor": 4.0, "margins_are_sums": bool(rng.integers(2))}
    artefact = read(write(artefact_of(trees, features, outputs=outputs, **settings)))
    rows = rows_of(rng, 8, features)
    got = explain(artefact, rows).reshape(8, outputs, features + 1)
    for row, answer in zip(rows, got, strict=True):
        np.testing.assert_allclose(answer, by_subsets(artefact, row), rtol=0, atol=1e-13)
        np.testing.assert_allclose(answer.sum(1), margins(artefact, row, set(range(features))), rtol=0, atol=1e-13)


@pytest.mark.parametrize("features", [9, 12, 17, 40])
def test_more_features_than_the_fewest_points_can_tell_apart(features):
    rng = np.random.default_rng(features)
    artefact = artefact_of([grown(rng, 12, features)], features)
    for row in rows_of(rng, 3, features):
        np.testing.assert_allclose(explain(artefact, row[None])[0], by_paths(artefact, row), rtol=0, atol=1e-12)


def chain(order, rng):
    """One leaf beside every split of the path."""
    node, cover = {"leaf": 1.0, "cover": 1.0}, 1.0
    for feature in order:
        leaf = {"leaf": float(rng.normal()), "cover": float(rng.integers(1, 4))}
        cover += leaf["cover"]
        children = [leaf, node] if rng.random() < 0.5 else [node, leaf]
        node = {"feature": feature, "threshold": 0.0, "flags": 0, "cover": cover} | dict(
            zip(("left", "right"), children, strict=True)
        )
    return node


@pytest.mark.parametrize("features", [64, 40, 20, 16, 2])
def test_a_path_of_64_splits(features):
    rng = np.random.default_rng(features)
    artefact = read(write(artefact_of([chain(np.arange(64) % features, rng)], features)))
    stays = np.array([1.0 if flags else -1.0 for flags in rng.random(features) < 0.5])
    for row in [*rng.normal(size=(4, features)), stays]:
        got = explain(artefact, row[None])[0]
        np.testing.assert_allclose(got, by_paths(artefact, row), rtol=0, atol=1e-11)
        assert abs(got.sum() - margins(artefact, row, set(range(features)))[0]) < 1e-12


def test_tiny_and_huge_covers_give_numbers():
    rng = np.random.default_rng(0)
    artefact = artefact_of([grown(rng, 6, 3) for _ in range(20)], 3)
    rows = rows_of(rng, 50, 3)
    for covers in ([0.0], [0, 5e-324], [0, 5e-324, 1.7e308], [1e-300, 1e300]):
        artefact.covers[:] = rng.choice(covers, len(artefact.covers))
        got = explain(artefact, rows)
        whole = [margins(artefact, row, {0, 1, 2})[0] for row in rows]
        np.testing.assert_allclose(got.sum(1), whole, rtol=0, atol=1e-12)
    huge = rng.choice([0, 1.7e308], len(artefact.covers))  # two of them are more than a float holds
    answers = [explain(replace(artefact, covers=covers), rows).tobytes() for covers in (huge, (huge > 0) * 1.0)]
    assert answers[0] == answers[1]


def lightgbm_tree(node):
    if "leaf_value" in node:
        return {"leaf": node["leaf_value"], "cover": node.get("leaf_count", 0)}
    flags, number, threshold = NodeFlag.MISSING_LEFT * node["default_left"], 0, 0.0
    if node["decision_type"] == "==":
        flags, number = NodeFlag.CATEGORY_LEFT, len(SETS)
        SETS.append([int(each) for each in node["threshold"].split("||")])
    else:
        flags, threshold = flags | NodeFlag.LESS_EQUAL, node["threshold"]
    return {
        "feature": node["split_feature"],
        "threshold": threshold,
        "flags": int(flags),
        "set": number,
        "cover": node["internal_count"],
        "left": lightgbm_tree(node["left_child"]),
        "right": lightgbm_tree(node["right_child"]),
    }


@pytest.fixture
def sets():
    count = len(SETS)
    yield SETS
    del SETS[count:]


@pytest.fixture(scope="module")
def table():
    """Rows with gaps, ties and a column of categories, and a number to learn."""
    rng = np.random.default_rng(1)
    rows = np.round(rng.normal(size=(2000, 10)), 1)
    rows[:, 3] = rng.integers(0, 40, 2000)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    known = np.nan_to_num(rows)
    return rows, known[:, 0] * known[:, 1] + known[:, 2] + np.sin(known[:, 3]) + rng.normal(size=2000) / 9


@pytest.mark.parametrize("settings", [{}, {"num_leaves": 200, "min_data_in_leaf": 1}, {"num_class": 3}])
def test_lightgbm_says_the_same(table, sets, settings):
    rows, numbers = table
    outputs = settings.get("num_class", 1)
    labels = np.digitize(numbers, [-1, 1]) if outputs > 1 else numbers
    settings = {"objective": "multiclass" if outputs > 1 else "regression", "verbose": -1, "num_threads": 1} | settings
    data = lightgbm.Dataset(rows, labels, categorical_feature=[3])
    booster = lightgbm.train(settings, data, 20)
    trees = [lightgbm_tree(each["tree_structure"]) for each in booster.dump_model()["tree_info"]]
    artefact = artefact_of(trees, 10, outputs=outputs, base=np.zeros(outputs))
    want = booster.predict(rows[:300], pred_contrib=True).reshape(300, outputs, 11)
    got = explain(artefact, rows[:300]).reshape(want.shape)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * np.abs(want).max())


def xgboost_tree(node):
    if "leaf" in node:
        return {"leaf": float(np.float32(node["leaf"])), "cover": node["cover"]}
    children = {child["nodeid"]: xgboost_tree(child) for child in node["children"]}
    return {
        "feature": int(node["split"][1:]),
        "threshold": float(np.float32(node["split_condition"])),
        "flags": int(NodeFlag.MISSING_LEFT) * (node["missing"] == node["yes"]),
        "cover": node["cover"],
        "left": children[node["yes"]],
        "right": children[node["no"]],
    }


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("depth", [1, 6, 12])
def test_xgboost_says_the_same_within_float32(table, outputs, depth):
    rows, numbers = table
    objective = {"objective": "multi:softprob", "num_class": 3} if outputs > 1 else {"objective": "reg:squarederror"}
    labels = np.digitize(numbers, [-1, 1]) if outputs > 1 else numbers
    settings = objective | {"max_depth": depth, "base_score": 0.5, "nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(rows, labels), 20)
    trees = [xgboost_tree(json.loads(each)) for each in booster.get_dump(dump_format="json", with_stats=True)]
    artefact = artefact_of(trees, 10, outputs=outputs, base=np.full(outputs, 0.5), comparison=32, sum=32)
    want = booster.predict(xgboost.DMatrix(rows[:300]), pred_contribs=True)
    np.testing.assert_allclose(explain(artefact, rows[:300]), want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.fixture(scope="module")
def forest():
    """A forest of shallow and deep trees for three outputs, and rows."""
    rng = np.random.default_rng(7)
    return artefact_of([grown(rng, depth, 30) for depth in (1, 3, 6, 9, 12) * 4], 30, outputs=3), rows_of(rng, 200, 30)


def test_the_bits_are_the_same_on_every_machine(forest):
    artefact, rows = forest
    assert Explainer(artefact).explain(rows).tobytes() == Explainer(artefact, portable=True).explain(rows).tobytes()


def test_neither_company_nor_threads_change_a_bit(forest):
    artefact, rows = forest
    explainer = Explainer(artefact)
    want = explainer.explain(rows)
    assert explainer.explain(rows[::-1])[::-1].tobytes() == want.tobytes()
    assert np.concatenate([explainer.explain(row[None]) for row in rows]).tobytes() == want.tobytes()
    with ThreadPoolExecutor(4) as pool:
        assert all(got.tobytes() == want.tobytes() for got in pool.map(explainer.explain, [rows] * 20))


def test_the_walk_goes_the_same_ways(forest):
    artefact, rows = forest
    want = Forest(write(artefact)).predict_margin(rows)
    np.testing.assert_allclose(explain(artefact, rows).sum(2), want, rtol=0, atol=1e-12)


def test_trees_whose_nodes_lie_mixed():
    rng = np.random.default_rng(3)
    trees, rows = [grown(rng, 5, 4) for _ in range(7)], rows_of(rng, 20, 4)
    apart, mixed = (artefact_of(trees, 4, outputs=2, mixed=mixed) for mixed in (False, True))
    assert not np.array_equal(apart.nodes, mixed.nodes)
    np.testing.assert_allclose(explain(read(write(mixed)), rows), explain(apart, rows), rtol=0, atol=1e-14)


def test_shapes_kinds_and_refusals(forest):
    artefact, rows = forest
    explainer = Explainer(artefact)
    assert explainer.explain(rows).shape == (200, 3, 31)
    assert explainer.explain(rows[:0]).shape == (0, 3, 31)
    assert explain(artefact_of([{"leaf": 2.0, "cover": 0.0}], 4), np.zeros((2, 4))).tolist() == [[0, 0, 0, 0, 2.5]] * 2
    singles = np.nan_to_num(rows, posinf=1e30).clip(-1e30, 1e30).astype("f4")
    assert explainer.explain(singles).tobytes() == explainer.explain(singles.astype("f8")).tobytes()
    assert explainer.explain(np.asfortranarray(rows)).tobytes() == explainer.explain(rows).tobytes()
    for wrong, error in ((rows[:, 1:], ValueError), (rows[0], ValueError), (rows.astype("c16"), TypeError)):
        with pytest.raises(error):
            explainer.explain(wrong)
    with pytest.raises(ModelError, match="no covers"):
        explain(replace(artefact, covers=np.empty(0)), rows)
