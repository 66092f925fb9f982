"""A tree, and ensembles of them in the formats of the libraries that racers load from."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Tree(NamedTuple):
    """Arrays over nodes, the root first. `x < cut` goes left, NaN where `missing_left` says; right is left + 1."""

    feature: np.ndarray  # -1 in a leaf
    cut: np.ndarray  # float32
    left: np.ndarray
    missing_left: np.ndarray
    leaf: np.ndarray  # float32
    cover: np.ndarray


def as_xgboost(trees: Sequence[Tree], features: int) -> str:
    """The model as XGBoost 3 writes it: JSON."""
    model = {
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": list(range(len(trees) + 1)),
        "tree_info": [0] * len(trees),
        "trees": [_xgboost_tree(number, tree, features) for number, tree in enumerate(trees)],
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"name": "gbtree", "model": model},
        "learner_model_param": {
            "base_score": "[5E-1]",
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": str(features),
            "num_target": "1",
        },
        "objective": {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}},
    }
    return json.dumps({"learner": learner, "version": [3, 2, 0]})


def _xgboost_tree(number: int, tree: Tree, features: int) -> dict[str, object]:
    count, inner = len(tree.feature), tree.feature >= 0
    parents = np.full(count, 2**31 - 1)
    for side in (0, 1):
        parents[tree.left[inner] + side] = np.flatnonzero(inner)
    return {
        "id": number,
        "base_weights": [0.0] * count,
        **{name: [] for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")},
        "default_left": tree.missing_left.astype(int).tolist(),
        "left_children": np.where(inner, tree.left, -1).tolist(),
        "right_children": np.where(inner, tree.left + 1, -1).tolist(),
        "loss_changes": [0.0] * count,
        "parents": parents.tolist(),
        "split_conditions": [float(each) for each in np.where(inner, tree.cut, tree.leaf)],
        "split_indices": np.maximum(tree.feature, 0).tolist(),
        "split_type": [0] * count,
        "sum_hessian": tree.cover.astype(float).tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(count),
            "size_leaf_vector": "1",
        },
    }


def as_lightgbm(trees: Sequence[Tree], features: int) -> str:
    """The model as LightGBM 4 writes it: text."""
    blocks = [_lightgbm_tree(number, tree) for number, tree in enumerate(trees)]
    head = {
        "version": "v4",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "label_index": 0,
        "max_feature_idx": features - 1,
        "objective": "binary sigmoid:1",
        "feature_names": _listed(f"column_{place}" for place in range(features)),
        "feature_infos": _listed(["[0:1]"] * features),
        "tree_sizes": _listed(len(block) for block in blocks),
    }
    tail = "end of trees\n\nfeature_importances:\n\nparameters:\n[objective: binary]\nend of parameters\n"
    return f"tree\n{_lines(head)}\n{''.join(blocks)}{tail}\npandas_categorical:[]\n"


def _lightgbm_tree(number: int, tree: Tree) -> str:
    inner, leaf = np.flatnonzero(tree.feature >= 0), np.flatnonzero(tree.feature < 0)
    names = np.empty(len(tree.feature), dtype="i8")  # splits count up from 0, leaves down from -1
    names[inner], names[leaf] = np.arange(len(inner)), ~np.arange(len(leaf))
    # It asks <=, so it gets the next float32 below a cut.
    thresholds = np.nextafter(tree.cut[inner], np.float32(-1)).astype("f8")
    return (
        _lines(
            {
                "Tree": number,
                "num_leaves": len(leaf),
                "num_cat": 0,
                "split_feature": _listed(tree.feature[inner]),
                "split_gain": _listed([1] * len(inner)),
                "threshold": _listed(map(float, thresholds)),
                "decision_type": _listed(8 + 2 * tree.missing_left[inner]),
                "left_child": _listed(names[tree.left[inner]]),
                "right_child": _listed(names[tree.left[inner] + 1]),
                "leaf_value": _listed(map(float, tree.leaf[leaf])),
                "leaf_weight": _listed(tree.cover[leaf]),
                "leaf_count": _listed(tree.cover[leaf]),
                "internal_value": _listed([0] * len(inner)),
                "internal_weight": _listed(tree.cover[inner]),
                "internal_count": _listed(tree.cover[inner]),
                "is_linear": 0,
                "shrinkage": 1,
            }
        )
        + "\n\n"
    )


def _listed(values: object) -> str:
    return " ".join(map(str, values))


def _lines(fields: dict[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in fields.items())
