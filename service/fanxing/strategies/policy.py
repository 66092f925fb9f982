"""A policy: a directory of constants, strategies and models, packed into one archive that is named by its digest.

    policy.toml            constants (strategies/constants.py)
    strategies/NAME.cel    conditions (strategies/compiler.py)
    models/NAME.fxf .toml  artefact and card of each model (models/model.py)

Other files of the directory are notes and are left out.
"""

import hashlib
import io
import math
import re
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from fanxing.errors import PolicyInvalid
from fanxing.models.model import Model, read_model
from fanxing.strategies import limit as limit_rules
from fanxing.strategies.compiler import compile_strategy
from fanxing.strategies.constants import Constants, ProductTerms
from fanxing.strategies.price import RATE_QUANTUM
from fanxing.strategies.rules import Strategy

ARCHIVE_BYTES_MAX = 64 << 20
_MEMBER = re.compile(r"^(policy\.toml|strategies/[a-z][a-z0-9_]*\.cel|models/[a-z][a-z0-9_]*\.(fxf|toml))$")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: an archive's digest must depend on its contents alone."""


@dataclass(frozen=True)
class Policy:
    """A compiled policy."""

    digest: str
    constants: Constants
    models: tuple[Model, ...]
    strategies: tuple[Strategy, ...]

    @property
    def product(self) -> ProductTerms:
        """What is offered."""
        return self.constants.product

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The indicators that decide, by name: a row has their values in this order."""
        read = limit_rules.READS | {self.constants.limit.receipts, "requested_term_months"}
        if self.constants.limit.breadth is None:
            read -= {"evidence_b"}
        if self.constants.limit.feed_lag is not None:
            read |= limit_rules.FEED_LAG_READS
        read |= {column for model in self.models for column in model.card.columns}
        read |= {name for strategy in self.strategies for name in strategy.reads}
        return tuple(sorted(read))


def pack(directory: Path) -> bytes:
    """The directory as an archive, equal bytes for equal contents; PolicyInvalid when it cannot be read."""
    if not (directory / "policy.toml").is_file():
        raise PolicyInvalid(f"{directory} has no policy.toml", field="policy.toml")
    members = sorted(
        name
        for path in directory.rglob("*")
        if path.is_file() and _MEMBER.match(name := path.relative_to(directory).as_posix())
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name in members:
            packed.writestr(zipfile.ZipInfo(name, _EPOCH), _read(directory, name))
    return archive.getvalue()


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise PolicyInvalid(f"{directory / name} cannot be read: {error.strerror}", field=name) from error


def load_policy(directory: Path) -> Policy:
    """The compiled policy of a directory."""
    return unpack(pack(directory))


def unpack(archive: bytes) -> Policy:
    """The compiled policy of an archive; PolicyInvalid or ModelInvalid names the file at fault and what is wrong."""
    members = _members(archive)
    constants = _constants(members)
    models = tuple(
        read_model(name, _member(members, f"models/{name}.toml"), _member(members, f"models/{name}.fxf"))
        for name in constants.models
    )
    scored = frozenset(constants.models)
    strategies = tuple(
        compile_strategy(name, _text(members, f"strategies/{name}.cel"), scored) for name in constants.strategies
    )
    return Policy(hashlib.sha256(archive).hexdigest(), constants, models, strategies)


def _members(archive: bytes) -> dict[str, bytes]:
    if len(archive) > ARCHIVE_BYTES_MAX:
        raise PolicyInvalid(f"a policy of more than {ARCHIVE_BYTES_MAX} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            for entry in packed.infolist():
                if not _MEMBER.match(entry.filename) or entry.compress_type != zipfile.ZIP_STORED:
                    raise PolicyInvalid(f"{entry.filename!r} does not belong in a policy", field=entry.filename)
            return {name: packed.read(name) for name in packed.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise PolicyInvalid(f"not a policy archive: {error}") from error


def _member(members: dict[str, bytes], name: str) -> bytes:
    if name not in members:
        raise PolicyInvalid(f"policy.toml names {name}, which is not there", field=name)
    return members[name]


def _text(members: dict[str, bytes], name: str) -> str:
    try:
        return _member(members, name).decode()
    except UnicodeDecodeError as error:
        raise PolicyInvalid(f"{name}: not UTF-8: {error}", field=name) from error


def _constants(members: dict[str, bytes]) -> Constants:
    try:
        read = tomllib.loads(_text(members, "policy.toml"))
        constants = TypeAdapter(Constants).validate_python(read)
        _check(constants)
    except (ValueError, RecursionError) as error:
        raise PolicyInvalid(f"policy.toml: {error}", field="policy.toml") from error
    return constants


def _check(constants: Constants) -> None:
    """What no single constant shows: names stand once, and nothing divides by zero or grows without end."""
    twice = {name for group in (constants.models, constants.strategies) for name in group if group.count(name) > 1}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))} is named twice")
    if min(constants.product.all_in_cap, constants.limit.rate_cap, constants.price.step) <= 0:
        raise ValueError("product.all_in_cap, limit.rate_cap and price.step must be positive")
    if constants.price.step % RATE_QUANTUM:
        raise ValueError(f"price.step must be a multiple of {RATE_QUANTUM}, as rates are told")
    if constants.limit.step_up is not None and math.isinf(constants.limit.step_up.factor):
        raise ValueError("limit.step_up.factor must be finite")
