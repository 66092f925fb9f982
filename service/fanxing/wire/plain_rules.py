"""Whether a message keeps the contract, decided at once for the plain rules that a payment has, from one reading.

The rules are read from the contract, where they stand, and compiled once: one pattern for all texts, one set for all
enumerations. A rule that is not plain is refused when the service starts, so none is ever left out. What breaks a rule
is protovalidate's to tell: this only says that there is nothing to tell.
"""

import re
from collections.abc import Callable
from itertools import product
from operator import attrgetter, itemgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2

_PLAIN_PATTERN = re.compile(r"\^(\[[A-Za-z0-9._:!~-]+\]\{\d+,\d+\})\$")
"""One class of visible ASCII characters, so many times: Python's and RE2's engines agree on these."""
_BETWEEN = "\n"
"""No such class has it, so texts that are joined by it match together just when each does."""


Scalars = tuple[Any, ...]


def scalars(descriptor: Descriptor) -> Callable[[Message], Scalars]:
    """Reads a message of this kind: all that is no message itself, in the order of the contract."""
    return attrgetter(*(each.name for each in descriptor.fields if each.type != each.TYPE_MESSAGE))


def keeps(descriptor: Descriptor) -> Callable[[Message, Scalars], bool]:
    """Tells whether a message of this kind, read by `scalars`, keeps all its rules.

    ValueError when it has rules that are not plain.
    """
    if descriptor.GetOptions().HasExtension(validate_pb2.message):
        raise ValueError(f"{descriptor.full_name} has rules of the whole message")
    required = [each.name for each in descriptor.fields if _required(each)]
    fields = [*enumerate(each for each in descriptor.fields if each.type != each.TYPE_MESSAGE)]
    patterns = {place: _pattern(each) for place, each in fields if each.type == each.TYPE_STRING}
    numbers = {place: _numbers(each) for place, each in fields if each.type == each.TYPE_ENUM}
    bounds = [(place, *_bounds(each)) for place, each in fields if each.type == each.TYPE_INT32]
    texts, match = itemgetter(*patterns), re.compile(_BETWEEN.join(patterns.values())).fullmatch
    chosen, allowed = itemgetter(*numbers), frozenset(product(*numbers.values()))

    def kept(message: Message, values: Scalars) -> bool:
        if chosen(values) not in allowed or match(_BETWEEN.join(texts(values))) is None:
            return False
        for place, low, high in bounds:
            if not low <= values[place] <= high:
                return False
        return all(map(message.HasField, required))

    return kept


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def _only(rules: Message, *known: str) -> None:
    unknown = {descriptor.name for descriptor, _ in rules.ListFields()} - {*known}
    if unknown:
        raise ValueError(f"not plain: {', '.join(sorted(unknown))}")


def _required(field: FieldDescriptor) -> bool:
    """Whether the field must be there. Scalars have the rules of their kind, and messages of others none inside."""
    rules = _rules(field)
    if field.type == field.TYPE_MESSAGE:
        _only(rules, "required")
        kind = field.message_type
        if field.is_repeated or kind is None or kind.file.package not in {"google.type", "google.protobuf"}:
            raise ValueError(f"{field.full_name} may have rules inside")
        return rules.required
    kinds = {field.TYPE_STRING: "string", field.TYPE_ENUM: "enum", field.TYPE_INT32: "int32", field.TYPE_BOOL: ""}
    _only(rules, kinds[field.type])
    return False


def _pattern(field: FieldDescriptor) -> str:
    _only(_rules(field).string, "pattern")
    plain = _PLAIN_PATTERN.fullmatch(_rules(field).string.pattern)
    if plain is None:
        raise ValueError(f"{field.full_name} has a pattern that is not plain")
    return plain[1]


def _numbers(field: FieldDescriptor) -> list[int]:
    rules, kind = _rules(field).enum, field.enum_type
    _only(rules, "defined_only", "not_in")
    if kind is None or not rules.defined_only:
        raise ValueError(f"{field.full_name} may be anything")
    return [each.number for each in kind.values if each.number not in rules.not_in]


def _bounds(field: FieldDescriptor) -> tuple[int, int]:
    rules = _rules(field).int32
    _only(rules, "gte", "lte")
    return rules.gte, rules.lte
