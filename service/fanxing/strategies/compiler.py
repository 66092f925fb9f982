"""CEL text -> nodes. CEL's own compiler parses and checks the types; this file walks the checked tree.

A strategy is a file NAME.cel: header lines `// reason: CODE`, `// effect: decline` (or refer), `// says: SENTENCE`,
then one condition over `m.INDICATOR` and `s.MODEL` (a model's probability). CEL is needed here and not to serve what is
compiled. Whatever a condition may not use is refused by its name.
"""

import re
from functools import cache

from cel_expr_python import cel
from google.protobuf.any_pb2 import Any

from fanxing.cel.v1.checked_pb2 import CheckedExpr, Constant, Expr, Select
from fanxing.errors import PolicyInvalid
from fanxing.indicators.catalogue import definition_of
from fanxing.strategies.decision import Effect
from fanxing.strategies.rules import Node, Op, Strategy

TEXT_MAX = 20_000
NODES_MAX = 2_000
_HEADER = re.compile(r"^// (reason|effect|says): (.+)$")
_CODE = re.compile(r"^[A-Z][A-Z0-9_]{2,63}$")
_OPERATORS = {
    "!_": Op.NOT,
    "-_": Op.NEGATE,
    "_&&_": Op.AND,
    "_||_": Op.OR,
    "_?_:_": Op.CHOOSE,
    "_<_": Op.LESS,
    "_<=_": Op.LESS_EQUAL,
    "_>_": Op.GREATER,
    "_>=_": Op.GREATER_EQUAL,
    "_==_": Op.EQUAL,
    "_!=_": Op.NOT_EQUAL,
    "_+_": Op.ADD,
    "_-_": Op.SUBTRACT,
    "_*_": Op.MULTIPLY,
    "_/_": Op.DIVIDE,
}
_ARITHMETIC = (Op.NEGATE, Op.ADD, Op.SUBTRACT, Op.MULTIPLY, Op.DIVIDE)


@cache
def environment() -> cel.Env:
    """Indicators and scores as maps of doubles; that a name exists is checked here, not by CEL."""
    doubles = cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE)
    return cel.NewEnv(variables={"m": doubles, "s": doubles})


def compile_strategy(name: str, text: str, models: frozenset[str]) -> Strategy:
    """A strategy from its file's text, or PolicyInvalid naming the file and what is wrong."""
    file = f"strategies/{name}.cel"
    headers, condition = _parts(text, file)
    try:
        compiled = environment().compile(condition)
    except Exception as error:
        raise PolicyInvalid(f"{file}: {error}", field=file) from error
    if compiled.return_type() != cel.Type.BOOL:
        raise PolicyInvalid(f"{file}: the condition must be true or false", field=file)
    walk = _Walk(file, models)
    walk.add(CheckedExpr.FromString(Any.FromString(compiled.serialize()).value).expr)
    return Strategy(name, headers["reason"], Effect(headers["effect"]), headers["says"], tuple(walk.nodes))


def _parts(text: str, file: str) -> tuple[dict[str, str], str]:
    """The header lines and the condition."""
    if len(text) > TEXT_MAX:
        raise PolicyInvalid(f"{file}: longer than {TEXT_MAX} characters", field=file)
    headers = {match[1]: match[2].strip() for line in text.splitlines() if (match := _HEADER.match(line))}
    for needed in ("reason", "effect", "says"):
        if needed not in headers:
            raise PolicyInvalid(f"{file}: the header line '// {needed}: ...' is missing", field=file)
    if not _CODE.match(headers["reason"]):
        raise PolicyInvalid(f"{file}: {headers['reason']!r} is no reason code", field=file)
    if headers["effect"] not in set(Effect):
        raise PolicyInvalid(f"{file}: the effect is decline or refer, not {headers['effect']!r}", field=file)
    return headers, "\n".join(line for line in text.splitlines() if not line.startswith("//"))


class _Walk:
    """Turns a checked tree into nodes, children first; equal subtrees become one node."""

    def __init__(self, file: str, models: frozenset[str]) -> None:
        self.nodes: list[Node] = []
        self._places: dict[str, int] = {}  # by repr: to Python True is 1.0, and -0.0 is 0.0
        self._whole: set[int] = set()
        self._file = file
        self._models = models

    def add(self, expr: Expr) -> int:
        """The place of an expression's node."""
        kind = expr.WhichOneof("kind")
        if kind == "constant":
            return self._constant(expr.constant)
        if kind == "select":
            return self._select(expr.select)
        if kind == "call" and not expr.call.HasField("target") and expr.call.function in _OPERATORS:
            return self._call(_OPERATORS[expr.call.function], [self.add(each) for each in expr.call.args])
        what = expr.call.function if kind == "call" else expr.ident.name if kind == "ident" else "a list, map or macro"
        raise self._refusal(f"{what} may not be used in a strategy")

    def _constant(self, constant: Constant) -> int:
        value = constant.WhichOneof("value")
        if value is None:
            raise self._refusal("only numbers, true and false may be written")
        place = self._keep(Node(Op.CONSTANT, constant=getattr(constant, value) if value == "bool_value" else
                                float(getattr(constant, value))))  # fmt: skip
        if value == "int64_value":
            self._whole.add(place)
        return place

    def _select(self, select: Select) -> int:
        owner = select.operand.ident.name if select.operand.WhichOneof("kind") == "ident" else ""
        if owner == "m" and definition_of(select.field) is not None:
            name = select.field
        elif owner == "s" and select.field in self._models:
            name = f"s.{select.field}"
        else:
            raise self._refusal(f"there is no {owner}.{select.field}")
        return self._keep(Node(Op.HAS if select.test_only else Op.VALUE, name=name))

    def _call(self, op: Op, uses: list[int]) -> int:
        if op in _ARITHMETIC and self._whole.intersection(uses):
            raise self._refusal("whole-number arithmetic differs from that of doubles; write 2.0 for 2")
        place = self._keep(Node(op, tuple(uses)))
        if op is Op.CHOOSE and self._whole.intersection(uses[1:]):
            self._whole.add(place)
        return place

    def _keep(self, node: Node) -> int:
        written = repr(node)
        if written not in self._places:
            if len(self.nodes) >= NODES_MAX:
                raise self._refusal(f"more than {NODES_MAX} operations")
            self._places[written] = len(self.nodes)
            self.nodes.append(node)
        return self._places[written]

    def _refusal(self, what: str) -> PolicyInvalid:
        return PolicyInvalid(f"{self._file}: {what}", field=self._file)
