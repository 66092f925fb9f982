"""XGBoost's files, read whole and strictly: what Treelite does not tell, and the damage that it does not see.

Treelite follows children blindly, where XGBoost itself would stop, and turns the base score into a margin in another
precision.
"""

import ctypes
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from fanxing_core.errors import ModelError
from fanxing_core.source import Source
from fanxing_core.ubjson import Ubjson, once

_ESCAPED_KEY = re.compile(rb'"[^"\\]*\\.(?:[^"\\]|\\.)*"\s*:', re.DOTALL)
_NUMBER = rb"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_SCORES = re.compile(rb"%b|\[%b(?:,%b)*\]" % (_NUMBER, _NUMBER, _NUMBER))
"""Numbers as JSON has them, since Python knows more (`1_0`); and no whole ones that XGBoost's int64 cannot hold."""
_LISTS = (
    "left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left", "sum_hessian",
    "loss_changes", "split_type",
)  # fmt: skip
"""XGBoost's lists with one number for each node."""
_HALF_DIRECTION = "the XGBoost file has a default_left that is neither 0 nor 1"
_PROBABLE = np.float32(1e-6)
"""XGBoost 3 takes less for this much."""
_LOGITRAW_SINCE = (1, 4)
"""Before this version, binary:logitraw took its base score for a probability."""


def describe(content: bytes) -> Source:
    """Who wrote a JSON or UBJSON file, and its base score. ModelError for what is damaged or not supported."""
    return _xgboost(Ubjson(content).whole() if content.startswith(b"{L\0\0\0\0") else _xgboost_json(content))


def base_margins(scores: tuple[float, ...], postprocessor: str, outputs: int) -> np.ndarray:
    """XGBoost's base scores as margins, float32 precision, float64 (outputs,). ModelError where there is none."""
    if len(scores) not in {1, outputs}:
        raise ModelError(f"{len(scores)} base scores for {outputs} outputs")
    # The C library's own float32 logarithm, as XGBoost calls it; NumPy's rounds otherwise now and then.
    logf: Callable[[float], float] = ctypes.CDLL(None).logf
    logf.argtypes, logf.restype = [ctypes.c_float], ctypes.c_float  # type: ignore[attr-defined]
    one, values = np.float32(1), np.array(scores, dtype=np.float32)
    with np.errstate(all="ignore"):
        if postprocessor == "sigmoid":
            if ((values < _PROBABLE) | (values > one - _PROBABLE)).any():
                raise ModelError("the base score is a probability so near 0 or 1 that versions of XGBoost disagree")
            values = np.array([-logf(float(one / value - one)) for value in values])
        elif postprocessor == "exponential":
            values = np.array([logf(float(value)) for value in values])
    if not np.isfinite(values).all():
        raise ModelError("the base score has no margin")
    return np.broadcast_to(values.astype("f8"), (outputs,))


def _xgboost_json(content: bytes) -> Any:  # noqa: ANN401
    if b"\\" in content and _ESCAPED_KEY.search(content):
        raise ModelError("the XGBoost file has an escape in a name, which XGBoost and Treelite read differently")
    try:
        return json.loads(content.decode("utf-8", "surrogateescape"), object_pairs_hook=once)
    except ModelError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelError("the XGBoost file is no JSON") from error


def _xgboost(root: Any) -> Source:  # noqa: ANN401
    try:
        return _xgboost_checked(root)
    except ModelError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        raise ModelError(f"the XGBoost file lacks something or has it of another kind ({error})"[:200]) from error


def _xgboost_checked(root: Any) -> Source:  # noqa: ANN401
    """What Treelite does not check: that each list is as long as it must be and all say the same."""
    version = _integers(root["version"], 3)
    learner = root["learner"]
    booster, header, objective = (
        learner["gradient_booster"], learner["learner_model_param"], learner["objective"]["name"],
    )  # fmt: skip
    if (version < 0).any() or version[0] < 1:
        raise ModelError("XGBoost models from before version 1.0 are not supported")
    if tuple(version[:2]) < _LOGITRAW_SINCE and objective == "binary:logitraw":
        raise ModelError("binary:logitraw from before XGBoost 1.4 is not supported")
    if booster["name"] not in {"gbtree", "dart"}:
        raise ModelError(f"the XGBoost file has no tree; {ascii(booster['name'])[:20]} is not supported")
    dart = booster["name"] == "dart"
    model = booster["gbtree"]["model"] if dart else booster["model"]
    trees, scores = model["trees"], _scores(header["base_score"].encode())
    count = _number(model["gbtree_model_param"]["num_trees"])
    if not trees or len(trees) != count or (dart and len(booster["weight_drop"]) != count):
        raise ModelError("the XGBoost file has no tree, or others than it says")
    info = _integers(model["tree_info"], count)
    _check_single(scores)
    _check_single(booster["weight_drop"] if dart else ())
    # XGBoost sums in the order of the ids, over the rounds that iteration_indptr tells (since 2.0).
    features, classes, targets = (_number(header.get(name, "1")) for name in ("num_feature", "num_class", "num_target"))
    rounds = _integers(model.get("iteration_indptr", [0, count]))
    if rounds[0] or rounds[-1] != count or (np.diff(rounds) < 0).any():
        raise ModelError("the XGBoost file's rounds do not make up its trees")
    if ((info < 0) | (info >= max(1, classes) * targets)).any():
        raise ModelError("the XGBoost file has a tree for an output that it lacks")
    if max(1, classes) * targets > count * _number(trees[0]["tree_param"].get("size_leaf_vector", "1")):
        raise ModelError("the XGBoost file has more outputs than trees")
    for number, tree in enumerate(trees):
        if type(tree["id"]) is not int or tree["id"] != number:
            raise ModelError("the XGBoost file's trees are not in order")
        _check_xgboost_tree(tree, features)
    return Source("xgboost", ".".join(map(str, version)), base_scores=scores)


def _check_xgboost_tree(tree: dict[str, Any], features: int) -> None:
    count, width = _number(tree["tree_param"]["num_nodes"]), _number(tree["tree_param"].get("size_leaf_vector", "1"))
    left, right = _integers(tree["left_children"], count), _integers(tree["right_children"], count)
    _check_children(left, right)
    parents, inner = _integers(tree["parents"], count), np.flatnonzero(left != -1)
    if (parents[left[inner]] != inner).any() or (parents[right[inner]] != inner).any():
        raise ModelError("the XGBoost file has a child of another parent")
    if count - 1 - 2 * len(inner) != _number(tree["tree_param"]["num_deleted"]):
        raise ModelError("the XGBoost file has a node that no tree reaches and that was not deleted")
    asked = _integers(tree["split_indices"], count)[inner]
    if ((asked < 0) | (asked >= features)).any():
        raise ModelError("the XGBoost file has a feature out of range")
    lengths = {len(tree[name]) for name in _LISTS if name in tree}
    if lengths != {count} or len(tree["base_weights"]) not in {count, count * width}:
        raise ModelError("the XGBoost file has lists of nodes that differ in length")
    for name in ("split_conditions", "base_weights", "leaf_weights"):
        _check_single(tree.get(name, ()))
    ways = np.asarray(tree["default_left"])
    if ways.dtype.kind not in "iub" or (ways > 1).any() or (ways < 0).any():
        raise ModelError(_HALF_DIRECTION)
    if "leaf_weights" in tree:
        leaves = np.sort(right[left == -1])  # a vector leaf keeps its own number in its right child
        if len(tree["leaf_weights"]) != len(leaves) * width or not np.array_equal(leaves, np.arange(len(leaves))):
            raise ModelError("the XGBoost file's vector leaves do not fit its nodes")
    if "categories_nodes" in tree:
        _check_categories(tree, _integers(tree.get("split_type", [0] * count), count))


def _check_single(values: Any) -> None:  # noqa: ANN401
    """No number half way between two of float32: XGBoost rounds decimals once, Treelite twice, by way of float64."""
    found = np.asarray(values, dtype="f8")
    with np.errstate(all="ignore"):
        near = found.astype("f4")
        beside = np.nextafter(near, np.where(found > near, np.float32(np.inf), np.float32(-np.inf)))
        halfway = (found != near) & (found - near == beside.astype("f8") - found)
    if halfway.any():
        raise ModelError("the XGBoost file has a number half way between two of float32")


def _check_categories(tree: dict[str, Any], kinds: np.ndarray) -> None:
    """One set for each node that tests for categories, one after the other."""
    nodes = _integers(tree["categories_nodes"])
    sizes, starts = (_integers(tree[name], len(nodes)) for name in ("categories_sizes", "categories_segments"))
    follow = not (sizes < 0).any() and np.array_equal(starts, np.cumsum(sizes) - sizes)
    if not follow or sizes.sum() != len(_integers(tree["categories"])):
        raise ModelError("the XGBoost file has category sets that do not follow each other")
    if not np.isin(kinds, (0, 1)).all() or not np.array_equal(nodes, np.flatnonzero(kinds)):
        raise ModelError("the XGBoost file has category sets for other nodes than those that test for them")


def _integers(values: Any, count: int | None = None) -> np.ndarray:  # noqa: ANN401
    found = np.asarray(values if len(values) else np.empty(0, "i8"))
    if found.ndim != 1 or found.dtype.kind not in "iu" or (count is not None and len(found) != count):
        raise ModelError("the XGBoost file has a list of another length or kind than it must be")
    return found.astype("i8")


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise ModelError("the XGBoost file has a count that is none")
    return int(text)


def _check_children(left: np.ndarray, right: np.ndarray) -> None:
    """No node is a child twice, and the root is none: Treelite walks in circles for ever."""
    inner = left != -1
    children = np.concatenate((left[inner], right[inner]))
    if ((children < 1) | (children >= len(left))).any() or (np.bincount(children, minlength=1) > 1).any():
        raise ModelError("the XGBoost file has a child out of range, or one reached twice")
    if (right[inner] != left[inner] + 1).any():  # XGBoost goes to left + 1, Treelite to right
        raise ModelError("the XGBoost file has a right child that does not follow the left one")


def _scores(text: bytes) -> tuple[float, ...]:
    """From `0.5`, `5E-1`, `[5E-1]` or `[1E0,2E0]`."""
    if not _SCORES.fullmatch(text):
        raise ModelError("the base score is no number")
    try:
        scores = tuple(float(part) for part in text.strip().removeprefix(b"[").removesuffix(b"]").split(b","))
    except ValueError as error:
        raise ModelError("the base score is no number") from error
    if not all(map(math.isfinite, scores)):
        raise ModelError("the base score is not finite")
    return scores
