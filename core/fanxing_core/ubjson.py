"""UBJSON as XGBoost writes it, read strictly: no name twice, nothing behind the end."""

from typing import Any

import numpy as np

from fanxing_core.errors import ModelError

_KINDS = {b"i": "i1", b"U": "u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_CONSTANTS = {b"T": True, b"F": False, b"Z": None}


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object: XGBoost takes the last of two values with one name, Treelite the first."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ModelError("the XGBoost file says a thing twice")
    return found


class Ubjson:
    """What XGBoost writes of UBJSON: sized strings and arrays, unsized objects."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def whole(self) -> Any:  # noqa: ANN401
        """The one value that the content is, or ModelError."""
        try:
            value = self._value(self._take(1))
        except ModelError:
            raise
        except (KeyError, ValueError, OverflowError, IndexError, RecursionError) as error:
            raise ModelError("the XGBoost file is no UBJSON") from error
        if self._at != len(self._content):
            raise ModelError("the XGBoost file goes on after its end")
        return value

    def _take(self, count: int) -> bytes:
        part = self._content[self._at : self._at + count]
        if count < 0 or len(part) != count:
            raise ValueError
        self._at += count
        return part

    def _array(self, kind: bytes, count: int) -> np.ndarray:
        form = np.dtype(_KINDS[kind])
        return np.frombuffer(self._take(count * form.itemsize), form)

    def _whole_number(self) -> int:
        kind = self._take(1)
        if kind in b"dD":
            raise ValueError
        return int(self._array(kind, 1)[0])

    def _text(self) -> str:
        return self._take(self._whole_number()).decode("utf-8", "surrogateescape")

    def _value(self, kind: bytes) -> Any:  # noqa: ANN401
        if kind == b"{":
            return self._object()
        if kind == b"[":
            return self._list()
        if kind == b"S":
            return self._text()
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        return self._array(kind, 1)[0].item()

    def _object(self) -> dict[str, Any]:
        pairs = []
        while (ahead := self._content[self._at : self._at + 1]) != b"}":
            if not ahead:
                raise ValueError
            pairs.append((self._text(), self._value(self._take(1))))
        self._at += 1
        return once(pairs)

    def _list(self) -> Any:  # noqa: ANN401
        sign, item = self._take(1), b""
        if sign == b"$":
            item, sign = self._take(1), self._take(1)
        if sign != b"#":
            raise ValueError
        count = self._whole_number()
        if item:
            return self._array(item, count)
        if not 0 <= count <= len(self._content):
            raise ValueError
        return [self._value(self._take(1)) for _ in range(count)]
