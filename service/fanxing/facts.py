"""Dated facts about a merchant besides its payments. Two clocks: when a fact holds, and when it became known."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class FactKind(StrEnum):
    """What a fact is about."""

    WORKS = "WORKS"
    DEBT = "DEBT"
    LINK = "LINK"
    CREDIT_REPORT = "CREDIT_REPORT"


class WorksKind(StrEnum):
    """What kind of municipal works."""

    METRO = "METRO"
    PIPES = "PIPES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """Works in front of the shop from valid_from to valid_to."""

    kind: WorksKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """A debt owed to others, in fen."""

    balance_fen: int
    monthly_service_fen: int
    matures_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link to another merchant."""

    merchant_id: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact. `none_found`: it was asked for and there is none, which differs from never having asked.

    `supersedes` is the id of an earlier fact that this one replaces, or empty. `valid_to` is the last day, None when
    open. `fact_seq` runs from 1 without gap per merchant.
    """

    fact_id: str
    merchant_id: str
    kind: FactKind
    valid_from: date
    valid_to: date | None
    source: str
    none_found: bool
    works: Works | None
    debt: Debt | None
    link: Link | None
    supersedes: str
    fact_seq: int
    known_us: int


def known_facts(facts: tuple[Fact, ...], known_us: int) -> tuple[Fact, ...]:
    """The facts known by then, without those that another known one replaces."""
    known = [fact for fact in facts if fact.known_us <= known_us]
    replaced = {fact.supersedes for fact in known}
    return tuple(fact for fact in known if fact.fact_id not in replaced)
