"""What a model file says that Treelite does not tell, and the damage that Treelite does not see.

Treelite reads a missing number in LightGBM's text as 0, ignores surplus ones and follows children blindly, where
LightGBM itself would stop; and it turns XGBoost's base score into a margin in another precision.
"""

import ctypes
import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fanxing_core.errors import ModelError

ZERO = float(np.float32(1e-35))
"""LightGBM takes whatever is no further from 0 for 0."""
_DIGITS, _REAL = b"0123456789 -", b"0123456789 -+.eE"
_CATEGORICAL, _MISSING_IS_ZERO, _KNOWN = 1, 1, 15
"""Bit 0 of LightGBM's decision_type; the value of its bits 2 and 3; all its bits."""
_LISTS = b"left_children|right_children|parents|split_indices|split_conditions|default_left|sum_hessian|loss_changes"
"""XGBoost's lists with one number for each node."""
_UBJSON_KINDS = {b"i": "i1", b"U": "u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_HALF_DIRECTION = "the XGBoost file has a default_left that is neither 0 nor 1"
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
        return _xgboost_ubjson(content)
    if content.lstrip(b" \t\r\n").startswith(b"{"):
        return _xgboost_json(content)
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
            values = np.array([-logf(float(one / value - one)) for value in values])
        elif postprocessor == "exponential":
            values = np.array([logf(float(value)) for value in values])
    if not np.isfinite(values).all():
        raise ModelError("the base score has no margin")
    return np.broadcast_to(values.astype("f8"), (outputs,))


def _xgboost_json(content: bytes) -> Source:
    # A quote within a JSON string has a backslash before it, so that none of these is found in one.
    score = _one(rb'"learner_model_param"\s*:\s*\{[^{}]*?"base_score"\s*:\s*"([^"]*)"', content, "base score")
    version = _one(rb'"version"\s*:\s*\[\s*(\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3})\s*\]', content, "version")
    numbers = tuple(int(part) for part in version.split(b","))
    if numbers < (1,):
        raise ModelError("XGBoost models from before version 1.0 are not supported")
    if numbers[:2] < _LOGITRAW_SINCE and re.search(rb'"name"\s*:\s*"binary:logitraw"', content):
        raise ModelError("binary:logitraw from before XGBoost 1.4 is not supported")
    lists: dict[bytes, list[bytes]] = {}
    for name, text in re.findall(rb'"(' + _LISTS + rb')"\s*:\s*\[([^\[\]]*)\]', content):
        lists.setdefault(name, []).append(text)
    _check_lengths(
        {name: [text.count(b",") + 1 if text.strip() else 0 for text in texts] for name, texts in lists.items()}
    )
    if any(text.translate(None, b"01, \r\n\ttruefals") for text in lists.get(b"default_left", [])):
        raise ModelError(_HALF_DIRECTION)
    for left, right in zip(lists[b"left_children"], lists[b"right_children"], strict=True):
        _check_children(_numbers(left, b","), _numbers(right, b","))
    return Source("xgboost", ".".join(map(str, numbers)), base_scores=_scores(score))


def _xgboost_ubjson(content: bytes) -> Source:
    header = _one(rb"learner_model_param\{L\0{7}\nbase_scoreSL\0{7}(.{256})", content + bytes(256), "base score")
    score = header[1 : 1 + header[0]]
    lists: dict[bytes, list[np.ndarray]] = {}
    for found in re.finditer(rb"L\0{7}.(" + _LISTS + rb")\[\$(.)#L(.{8})", content, re.DOTALL):
        lists.setdefault(found[1], []).append(_typed(content, found[2], int.from_bytes(found[3], "big"), found.end()))
    _check_lengths({name: [len(values) for values in each] for name, each in lists.items()})
    if any((values > 1).any() for values in lists.get(b"default_left", [])):
        raise ModelError(_HALF_DIRECTION)
    for left, right in zip(lists[b"left_children"], lists[b"right_children"], strict=True):
        _check_children(left, right)
    version = _one(rb"L\0{7}\x07version\[#L\0{7}\x03i(.i.i.)", content, "version")
    return Source("xgboost", ".".join(map(str, version[::2])), base_scores=_scores(score))


def _typed(content: bytes, kind: bytes, count: int, start: int) -> np.ndarray:
    """A UBJSON array of numbers of one kind."""
    try:
        return np.frombuffer(content, _UBJSON_KINDS[kind], count, start)
    except (KeyError, ValueError, OverflowError) as error:
        raise ModelError("the XGBoost file has a list that is cut short or of another kind") from error


def _check_lengths(lengths: dict[bytes, list[int]]) -> None:
    nodes = lengths.get(b"left_children")
    if not nodes:
        raise ModelError("the XGBoost file has no tree; gblinear is not supported")
    if b"right_children" not in lengths or any(others != nodes for others in lengths.values()):
        raise ModelError("the XGBoost file has lists of nodes that differ in length")


def _check_children(left: np.ndarray, right: np.ndarray) -> None:
    """No node is a child twice, and the root is none: Treelite walks in circles for ever."""
    inner = left != -1  # a vector leaf keeps its own number in its right child
    children = np.concatenate((left[inner], right[inner])).astype("i8")
    if ((children < 1) | (children >= len(left))).any() or (np.bincount(children, minlength=1) > 1).any():
        raise ModelError("the XGBoost file has a child out of range, or one reached twice")


def _one(pattern: bytes, content: bytes, what: str) -> bytes:
    found: list[bytes] = re.findall(pattern, content, re.DOTALL)
    if len(found) != 1:
        raise ModelError(f"an XGBoost model with one {what} is expected, not with {len(found)}")
    return found[0]


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
        _check_tree(_settings(block))
    if len(blocks) % _whole(settings, b"num_tree_per_iteration") or not _whole(settings, b"num_class"):
        raise ModelError("the LightGBM file's trees and classes do not fit")
    sigmoid = re.search(rb" sigmoid:(\S+)", settings.get(b"objective", b""))
    version = settings.get(b"version", b"").decode("ascii", "replace")
    return Source("lightgbm", version[:16], scale=_scores(sigmoid[1])[0] if sigmoid else 1.0)


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
        return
    for name in (b"split_feature", b"internal_count"):
        if name != b"internal_count" or name in tree:
            _listed(tree, name, leaves - 1, _DIGITS)
    _listed(tree, b"threshold", leaves - 1, _REAL + b"inf")  # at inf, the missing part from the rest
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


def _check_sets(tree: dict[bytes, bytes], sets: int, categorical: np.ndarray) -> None:
    bounds = _numbers(_listed(tree, b"cat_boundaries", sets + 1, _DIGITS))
    if bounds[0] or (np.diff(bounds) < 0).any():
        raise ModelError("the LightGBM file has category sets that do not follow each other")
    _listed(tree, b"cat_threshold", int(bounds[-1]), _DIGITS)
    chosen = np.array([float(text) for text in tree[b"threshold"].split(b" ")])[categorical]
    if ((chosen != np.floor(chosen)) | (chosen < 0) | (chosen >= sets)).any():
        raise ModelError("the LightGBM file has a category set out of range")


def _listed(tree: dict[bytes, bytes], name: bytes, count: int, alphabet: bytes) -> bytes:
    text = tree.get(name, b"")
    # Treelite takes an empty place for 0.
    whole = text.count(b" ") == count - 1 and b"  " not in text and text == text.strip(b" ") and text
    if not whole or text.translate(None, alphabet):
        raise ModelError(f"the LightGBM file's {name.decode()} is no list of {count} numbers")
    return text


def _numbers(text: bytes, between: bytes = b" ") -> np.ndarray:
    try:
        return np.array(list(map(int, text.split(between))), dtype="i8")
    except (ValueError, OverflowError) as error:
        raise ModelError("the model has a number that is none") from error
