"""A published model: its forest, the columns that it reads, and what its margins have meant."""

import bisect
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from fanxing.errors import ModelInvalid
from fanxing.indicators.catalogue import definition_of
from fanxing_core import Forest, ModelError


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Bin:
    """A piece of the calibration: margins from `margin_from` on; PD, and its upper 80 % bound (Wilson)."""

    margin_from: float
    pd: float
    pd_upper: float


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Card:
    """What a model's card says: the columns in order, the calibration, and how it came to be."""

    columns: tuple[str, ...]
    calibration: tuple[Bin, ...]
    monotone: dict[str, int]
    fitted_on: str
    data_sha256: str
    auc_out_of_fold: float
    rows: int
    positives: int
    seed: int


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can score the values of its card's columns."""

    name: str
    forest: Forest
    card: Card

    def calibrated(self, margin: float) -> tuple[float, float]:
        """PD and its upper 80 % bound for a margin."""
        starts = [piece.margin_from for piece in self.card.calibration]
        piece = self.card.calibration[max(0, bisect.bisect_right(starts, margin) - 1)]
        return piece.pd, piece.pd_upper


def read_model(name: str, card: bytes, artefact: bytes) -> Model:
    """A model from its card (TOML) and its artefact, or ModelInvalid naming the file and what is wrong."""
    file = str(PurePosixPath("models") / name)
    try:
        read = TypeAdapter(Card).validate_python(tomllib.loads(card.decode()))
        forest = Forest(artefact)
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelInvalid(f"{file}.toml: {error}", field=f"{file}.toml") from error
    except ModelError as error:
        raise ModelInvalid(f"{file}.fxf: {error}", field=f"{file}.fxf") from error
    _check(read, forest, file)
    return Model(name, forest, read)


def _check(card: Card, forest: Forest, file: str) -> None:
    unknown = [column for column in card.columns if definition_of(column) is None]
    if unknown:
        raise ModelInvalid(f"{file}.toml: the catalogue has no indicator {unknown[0]}", field=f"{file}.toml")
    if len(card.columns) != forest.features:
        raise ModelInvalid(
            f"{file}: the card names {len(card.columns)} columns and the forest reads {forest.features}",
            field=f"{file}.toml",
        )
    pieces = card.calibration
    rising = all(a.margin_from < b.margin_from and a.pd_upper <= b.pd_upper for a, b in pairwise(pieces))
    if not pieces or not rising or any(not 0 <= piece.pd <= piece.pd_upper <= 1 for piece in pieces):
        raise ModelInvalid(f"{file}.toml: the calibration must rise with the margin", field=f"{file}.toml")
