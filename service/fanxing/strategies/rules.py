"""Compiled strategies: flat nodes over the row, evaluated by CEL's own rules for what is missing.

A value is a double, a bool, or None, which is CEL's error: what is missing is an error to whoever uses it, errors
spread, and `false && error` is false, `true || error` is true. Nodes stand after the nodes that they use.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from fanxing.strategies.decision import Effect, Hit

Value = float | bool | None


class Op(Enum):
    """What a node does with the nodes it uses."""

    CONSTANT = "constant"
    VALUE = "value"
    HAS = "has"
    NOT = "!"
    NEGATE = "-x"
    AND = "&&"
    OR = "||"
    CHOOSE = "?:"
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    EQUAL = "=="
    NOT_EQUAL = "!="
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: what it does, the places of the nodes it uses, its constant or the name it reads."""

    op: Op
    uses: tuple[int, ...] = ()
    constant: float | bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy: name, reason code, effect, the sentence for the merchant, its nodes and the names that they read."""

    name: str
    reason_code: str
    effect: Effect
    sentence: str
    nodes: tuple[Node, ...]

    @property
    def reads(self) -> frozenset[str]:
        """The names that the condition reads."""
        return frozenset(node.name for node in self.nodes if node.name)

    def try_on(self, values: Mapping[str, float]) -> Hit | None:
        """The hit, the hit that stayed unknown, or None. `values` holds what is present, and no NaN."""
        outcome = evaluate(self.nodes, values)
        if outcome is False:
            return None
        return Hit(strategy=self.name, reason_code=self.reason_code, effect=self.effect, unknown=outcome is None)


def _divide(a: float, b: float) -> float:
    """IEEE 754, where Python would raise."""
    if b:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


_STRICT: dict[Op, Callable[..., float | bool]] = {
    Op.NOT: operator.not_,
    Op.NEGATE: operator.neg,
    Op.LESS: operator.lt,
    Op.LESS_EQUAL: operator.le,
    Op.GREATER: operator.gt,
    Op.GREATER_EQUAL: operator.ge,
    Op.EQUAL: operator.eq,
    Op.NOT_EQUAL: operator.ne,
    Op.ADD: operator.add,
    Op.SUBTRACT: operator.sub,
    Op.MULTIPLY: operator.mul,
    Op.DIVIDE: _divide,
}
"""An error in any operand is an error."""


_LEAVES: dict[Op, Callable[[Node, Mapping[str, float]], Value]] = {
    Op.CONSTANT: lambda node, _: node.constant,
    Op.VALUE: lambda node, values: values.get(node.name),
    Op.HAS: lambda node, values: node.name in values,
}


def evaluate(nodes: tuple[Node, ...], values: Mapping[str, float]) -> Value:
    """The value of the last node."""
    held: list[Value] = []
    for node in nodes:
        held.append(_evaluate(node, [held[place] for place in node.uses], values))
    return held[-1]


def _evaluate(node: Node, used: list[Value], values: Mapping[str, float]) -> Value:
    if node.op in _STRICT:
        return None if None in used else _STRICT[node.op](*used)
    if node.op in _LEAVES:
        return _LEAVES[node.op](node, values)
    if node.op is Op.CHOOSE:
        return None if used[0] is None else used[1] if used[0] else used[2]
    deciding = node.op is Op.OR
    if any(each is deciding for each in used):
        return deciding
    return None if None in used else not deciding
