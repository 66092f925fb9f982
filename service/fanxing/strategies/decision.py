"""What a decision is: outcome, limit, price, reasons, and everything that it rests on."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from fanxing.feeds import Watermark
from fanxing.models.score import Score


class Outcome(StrEnum):
    """What was decided."""

    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    REFERRED = "REFERRED"


class Effect(StrEnum):
    """What a strategy asks for when it hits."""

    DECLINE = "decline"
    REFER = "refer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A value that the policy read; None when missing."""

    name: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A strategy that hit, or whose condition ended in an error because a value was missing (`unknown`: no hit)."""

    strategy: str
    reason_code: str
    effect: Effect
    unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """One cap on the limit, in fen, and whether it is the one that binds."""

    name: str
    amount_fen: int
    binds: bool
    reason_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: code, sentence, and by how much it lowered the limit where that is defined."""

    code: str
    sentence: str
    effect_fen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `decide` says of one row: pure, so equal rows under one policy give equal verdicts."""

    outcome: Outcome
    limit_fen: int
    annual_rate: Decimal | None
    term_months: int
    expected_loss: Decimal | None
    reasons: tuple[Reason, ...]
    scores: tuple[Score, ...]
    hits: tuple[Hit, ...]
    caps: tuple[Cap, ...]
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict on record: about whom, as of when, from which artefacts, at what cost. Times in microseconds UTC.

    `watermarks`: what the channels of its payments were known to have told; whatever they tell later, this is what it
    saw. Equal inputs give equal decisions but for `cpu_micros`.
    """

    decision_id: str
    merchant_id: str
    as_of_us: int
    known_us: int
    merchant_seq: int
    fact_seq: int
    policy_digest: str
    catalogue_digest: str
    core_digest: str
    graph_digest: str
    peers_digest: str
    row_digest: str
    watermarks: tuple[Watermark, ...]
    verdict: Verdict
    cpu_micros: int
