"""What a model file says that Treelite does not tell, and the damage that Treelite does not see.

Treelite reads a missing number in LightGBM's text as 0, ignores surplus ones and follows children blindly, where
LightGBM itself would stop; and it turns XGBoost's base score into a margin in another precision.
"""

import ctypes
import json
import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fanxing_core.errors import ModelError
from fanxing_core.ubjson import Ubjson, once

ZERO = float(np.float32(1e-35))
"""LightGBM takes whatever is no further from 0 for 0."""
_DIGITS, _REAL = b"0123456789 -", b"0123456789 -+.eE"
_CATEGORICAL, _MISSING_IS_ZERO, _KNOWN = 1, 1, 15
"""Bit 0 of LightGBM's decision_type; the value of its bits 2 and 3; all its bits."""
_ESCAPED_KEY = re.compile(rb'"[^"\\]*\\.(?:[^"\\]|\\.)*"\s*:', re.DOTALL)
_LINE, _LINES_MAX = re.compile(rb"[A-Za-z_]+=[^=\\r]*"), 22
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


class Source(NamedTuple):
    """A checked file: who wrote it, and what its margins need beside the trees."""

    library: str
    version: str
    scale: float = 1.0
    """Of the sigmoid."""
    base_scores: tuple[float, ...] = ()
    """XGBoost's, before its objective's link; one for all outputs or one for each."""


def describe(content: bytes) -> Source:
    """Who wrote the file, by its content. ModelError for what is none of XGBoost's and LightGBM's or is cut short."""
    if content.startswith(b"tree\n"):
        return _lightgbm(content)
    if content.startswith(b"{L\0\0\0\0"):
        return _xgboost(Ubjson(content).whole())
    if content.lstrip(b" \t\r\n").startswith(b"{"):
        return _xgboost(_xgboost_json(content))
    raise ModelError("not a model of XGBoost (JSON, UBJSON) or LightGBM (text)")


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
        raise ModelError(f"the XGBoost file has no tree; {str(booster['name'])[:20]} is not supported")
    dart = booster["name"] == "dart"
    model = booster["gbtree"]["model"] if dart else booster["model"]
    trees, scores = model["trees"], _scores(header["base_score"].encode())
    count = _number(model["gbtree_model_param"]["num_trees"])
    if not trees or len(trees) != count or (dart and len(booster["weight_drop"]) != count):
        raise ModelError("the XGBoost file has no tree, or others than it says")
    info = _integers(model["tree_info"], count)
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
    if (_integers(tree["split_indices"], count)[inner] >= features).any():
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


def _scores(text: bytes) -> tuple[float, ...]:
    """From `0.5`, `5E-1`, `[5E-1]` or `[1E0,2E0]`."""
    try:
        scores = tuple(float(part) for part in text.strip().removeprefix(b"[").removesuffix(b"]").split(b","))
    except ValueError as error:
        raise ModelError("the base score is no number") from error
    if not all(map(math.isfinite, scores)):
        raise ModelError("the base score is not finite")
    return scores


def _lightgbm(content: bytes) -> Source:
    if b"\0" in content:
        raise ModelError("the LightGBM file is no text")
    head, found, _ = content.partition(b"\nTree=")
    settings = _settings(head)
    starts = [match.start() + 1 for match in re.finditer(rb"\nTree=", content)]
    ends = [match.start() + 1 for match in re.finditer(rb"\nend of trees\n", content)]
    if not found or len(ends) != 1 or b"\nend of parameters" not in content:
        raise ModelError("the LightGBM file has no tree or is cut short")
    blocks = [content[start:end] for start, end in pairwise([*starts, ends[0]])]
    if b" ".join(b"%d" % len(block) for block in blocks) != settings.get(b"tree_sizes"):
        raise ModelError("the LightGBM file's trees are not as long as it says")
    for number, block in enumerate(blocks):
        if not block.startswith(b"Tree=%d\n" % number):
            raise ModelError("the LightGBM file's trees are not in order")
        # LightGBM reads a key on to the next `=`, over the ends of lines and trees, and ends at an empty line.
        body = block.rstrip(b"\n").split(b"\n")
        if len(body) > _LINES_MAX or not all(map(_LINE.fullmatch, body)):
            raise ModelError("the LightGBM file has a line that is no setting")
        _check_tree(_settings(block))
    outputs = _whole(settings, b"num_tree_per_iteration")
    if not outputs or len(blocks) % outputs or _whole(settings, b"num_class") != outputs:
        raise ModelError("the LightGBM file's trees and classes do not fit")
    if any(line != b"average_output" for line in head.split(b"\n") if b"average_output" in line):
        raise ModelError("the LightGBM file has another average_output than LightGBM writes")
    sigmoids = re.findall(rb" sigmoid:(\S+)", settings.get(b"objective", b""))
    if len(sigmoids) > 1:
        raise ModelError("the LightGBM file says a thing twice")
    version = settings.get(b"version", b"").decode("ascii", "replace")
    return Source("lightgbm", version[:16], scale=_scores(sigmoids[0])[0] if sigmoids else 1.0)


def _settings(block: bytes) -> dict[bytes, bytes]:
    pairs = [line.partition(b"=") for line in block.split(b"\n") if line]
    settings = {key: value for key, _, value in pairs}
    if len(settings) != len(pairs):
        raise ModelError("the LightGBM file says a thing twice")
    return settings


def _whole(settings: dict[bytes, bytes], name: bytes) -> int:
    text = settings.get(name, b"")
    if not re.fullmatch(rb"\d{1,9}", text):
        raise ModelError(f"the LightGBM file has no {name.decode()}")
    return int(text)


def _check_tree(tree: dict[bytes, bytes]) -> None:
    """Each list is as long as it must be, and the children form one tree."""
    leaves, sets = _whole(tree, b"num_leaves"), _whole(tree, b"num_cat")
    if tree.get(b"is_linear", b"0") != b"0":
        raise ModelError("linear trees are not supported")
    _listed(tree, b"leaf_value", leaves, _REAL)
    if tree.get(b"leaf_count"):
        _listed(tree, b"leaf_count", leaves, _DIGITS)
    if leaves == 1:
        if sets:  # Treelite would read as many as it says
            raise ModelError("the LightGBM file has category sets without a decision")
        return
    _check_lists(tree, leaves)
    kinds = _numbers(_listed(tree, b"decision_type", leaves - 1, _DIGITS))
    if ((kinds >> 2 & 3) == _MISSING_IS_ZERO).any():
        raise ModelError("zero_as_missing is not supported")
    if ((kinds & ~_KNOWN) != 0).any() or ((kinds >> 2 & 3) == 3).any():
        raise ModelError("the LightGBM file has a decision of unknown type")
    children = [_numbers(_listed(tree, name, leaves - 1, _DIGITS)) for name in (b"left_child", b"right_child")]
    if not np.array_equal(np.sort(np.concatenate(children)), np.r_[-leaves:0, 1 : leaves - 1]):
        raise ModelError("the LightGBM file has a child out of range, or one reached never or twice")
    if sets or (kinds & _CATEGORICAL).any():
        _check_sets(tree, sets, (kinds & _CATEGORICAL) != 0)


def _check_lists(tree: dict[bytes, bytes], leaves: int) -> None:
    _listed(tree, b"split_feature", leaves - 1, _DIGITS)
    if b"internal_count" in tree:
        _listed(tree, b"internal_count", leaves - 1, _DIGITS)
    _listed(tree, b"threshold", leaves - 1, _REAL + b"inf")  # at inf, the missing part from the rest
    for name, count in ((b"leaf_weight", leaves), (b"internal_weight", leaves - 1), (b"internal_value", leaves - 1),
                        (b"split_gain", leaves - 1), (b"shrinkage", 1)):  # fmt: skip
        if name in tree:
            _listed(tree, name, count, _REAL + b"inf" + b"a")
            _reals(tree[name])
    for name in (b"leaf_value", b"threshold"):
        _reals(tree[name])


def _check_sets(tree: dict[bytes, bytes], sets: int, categorical: np.ndarray) -> None:
    bounds = _numbers(_listed(tree, b"cat_boundaries", sets + 1, _DIGITS))
    if bounds[0] or (np.diff(bounds) < 0).any():
        raise ModelError("the LightGBM file has category sets that do not follow each other")
    _listed(tree, b"cat_threshold", int(bounds[-1]), _DIGITS)
    chosen = _reals(tree[b"threshold"])[categorical]
    if ((chosen != np.floor(chosen)) | (chosen < 0) | (chosen >= sets)).any():
        raise ModelError("the LightGBM file has a category set out of range")


def _listed(tree: dict[bytes, bytes], name: bytes, count: int, alphabet: bytes) -> bytes:
    text = tree.get(name, b"")
    # Treelite takes an empty place for 0.
    whole = text.count(b" ") == count - 1 and b"  " not in text and text == text.strip(b" ") and text
    if not whole or text.translate(None, alphabet):
        raise ModelError(f"the LightGBM file's {name.decode()} is no list of {count} numbers")
    return text


def _reals(text: bytes) -> np.ndarray:
    try:
        return np.array(list(map(float, text.split(b" "))))
    except ValueError as error:
        raise ModelError("the model has a number that is none") from error


def _numbers(text: bytes, between: bytes = b" ") -> np.ndarray:
    try:
        return np.array(list(map(int, text.split(between))), dtype="i8")
    except (ValueError, OverflowError) as error:
        raise ModelError("the model has a number that is none") from error
