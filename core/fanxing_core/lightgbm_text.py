"""LightGBM's text, read whole and strictly: what Treelite does not tell, and the damage that it does not see.

Treelite reads a missing number as 0, ignores surplus ones and follows children blindly, where LightGBM itself would
stop.
"""

import re
from itertools import pairwise

import numpy as np

from fanxing_core.errors import ModelError
from fanxing_core.source import Source

ZERO = float(np.float32(1e-35))
"""LightGBM takes whatever is no further from 0 for 0."""
_DIGITS, _REAL = b"0123456789 -", b"0123456789 -+.eE"
_CATEGORICAL, _MISSING_IS_ZERO, _KNOWN = 1, 1, 15
"""Bit 0 of LightGBM's decision_type; the value of its bits 2 and 3; all its bits."""
_LINE, _LINES_MAX = re.compile(rb"[A-Za-z_]+=[^=]*"), 22
_PARAMETER = re.compile(rb"\[[^:]+:.*\]")
_SCALE = re.compile(rb"[0-9]{1,15}(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?")


def describe(content: bytes) -> Source:
    """Who wrote the text, and the scale of its sigmoid. ModelError for what is damaged or not supported."""
    if b"\0" in content or b"\r" in content:  # LightGBM ends a line at a carriage return too
        raise ModelError("the LightGBM file is no text, or has carriage returns")
    head, _, _ = content.partition(b"\nTree=")
    settings, blocks = _settings(head), _blocks(content)
    if b" ".join(b"%d" % len(block) for block in blocks) != settings.get(b"tree_sizes"):
        raise ModelError("the LightGBM file's trees are not as long as it says")
    for number, block in enumerate(blocks):
        _check_block(number, block)
    outputs = _whole(settings, b"num_tree_per_iteration")
    if not outputs or len(blocks) % outputs or _whole(settings, b"num_class") != outputs:
        raise ModelError("the LightGBM file's trees and classes do not fit")
    lines = [line for line in head.split(b"\n") if not line.startswith(b"feature_names=")]
    if any(line != b"average_output" for line in lines if b"average_output" in line):
        raise ModelError("the LightGBM file has another average_output than LightGBM writes")
    version = settings.get(b"version", b"").decode("ascii", "replace")
    return Source("lightgbm", version[:16], scale=_scale(settings.get(b"objective", b"custom")))


def _blocks(content: bytes) -> list[bytes]:
    """The text of each tree, up to its end."""
    # What follows the trees has features' names where lines begin, and one may be called Tree=0.
    starts = [match.start() + 1 for match in re.finditer(rb"\nTree=", content.partition(b"\nend of trees\n")[0])]
    ends = [match.start() + 1 for match in re.finditer(rb"\nend of trees\n", content)]
    if not starts or len(ends) != 1 or b"\nend of parameters" not in content:
        raise ModelError("the LightGBM file has no tree or is cut short")
    parameters = content.partition(b"\nparameters:")[2].partition(b"\nend of parameters")[0]
    if not all(_PARAMETER.fullmatch(line) for line in parameters.split(b"\n") if line):
        raise ModelError("the LightGBM file has a parameter that is none")  # LightGBM crashes
    return [content[start:end] for start, end in pairwise([*starts, ends[0]])]


def _check_block(number: int, block: bytes) -> None:
    if not block.startswith(b"Tree=%d\n" % number):
        raise ModelError("the LightGBM file's trees are not in order")
    # LightGBM reads a key on to the next `=`, over the ends of lines and trees, and ends at an empty line.
    body = block.rstrip(b"\n").split(b"\n")
    if not block.endswith(b"\n\n") or len(body) > _LINES_MAX or not all(map(_LINE.fullmatch, body)):
        raise ModelError("the LightGBM file has a line that is no setting, or a tree without an end")
    _check_tree(_settings(block))


def _scale(objective: bytes) -> float:
    """Of the sigmoid, which all objectives but two ignore."""
    name, _, told = objective.partition(b" ")
    if not name:
        raise ModelError("the LightGBM file has no objective")  # Treelite crashes
    if name == b"huber" and b"sqrt" in told:
        raise ModelError("the LightGBM file has a huber objective of square roots, which LightGBM ignores")
    sigmoids = re.findall(rb"sigmoid:(\S+)", told) if name in {b"binary", b"multiclassova"} else []
    if len(sigmoids) > 1:
        raise ModelError("the LightGBM file says a thing twice")
    if sigmoids and not _SCALE.fullmatch(sigmoids[0]):
        raise ModelError("the LightGBM file's sigmoid is no number")
    return float(sigmoids[0]) if sigmoids else 1.0


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
    _listed(tree, b"split_feature", leaves - 1, b"0123456789 ")  # Treelite crashes at a negative one
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
