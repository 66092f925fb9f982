"""Facts that others tell of a shop by the last day: credit reports, debts, links. What is untold stays in the truth."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np

from fanxing.facts import Debt, Fact, FactKind, Link
from fanxing.town.medium.shops import DebtTruth, Shop
from fanxing.town.medium.size import FIRST_DAY, Size, stream
from fanxing.town.medium.works import morning_us, works_facts

_REPORTS, _DECLARED = 0.7, 0.5
_REPORT_DAYS = 30
_RELATION = {"one_hand": "same_controller", "relatives": "family"}


def facts_of(seed: int, size: Size, shop: Shop, merchant_ids: list[str]) -> list[Fact]:
    """In the order of becoming known. `merchant_ids`: by shop's number."""
    rng = stream(seed, "facts", shop.dice)
    own = stream(seed, "fact ids", shop.number)
    merchant_id, day = merchant_ids[shop.number], size.days - int(rng.integers(1, _REPORT_DAYS))
    facts = works_facts(shop, merchant_id, (_id(own), _id(own)), size)
    if rng.random() < _REPORTS:
        facts += _reported(own, shop, merchant_id, day)
    if shop.relation in _RELATION and shop.group != shop.number and rng.random() < _DECLARED and _open(shop):
        link = Link(merchant_id=merchant_ids[shop.group], relation=_RELATION[shop.relation])
        facts.append(replace(_blank(own, merchant_id, FactKind.LINK, day), source="merchant", link=link))
    return sorted(facts, key=lambda fact: fact.known_us)


def _open(shop: Shop) -> bool:
    """Nominees declare nothing."""
    return shop.relation != "one_hand" or shop.signed == shop.hand


def _reported(rng: np.random.Generator, shop: Shop, merchant_id: str, day: int) -> list[Fact]:
    """A credit report, and the debts that it tells of, or that it tells of none."""
    facts = [_blank(rng, merchant_id, FactKind.CREDIT_REPORT, day)]
    told = [debt for debt in shop.debts if debt.told]
    for debt in told:
        fact = _blank(rng, merchant_id, FactKind.DEBT, day)
        facts.append(replace(fact, source=debt.source, debt=_debt(debt, day)))
    if not told:
        facts.append(replace(_blank(rng, merchant_id, FactKind.DEBT, day), none_found=True))
    return facts


def _debt(debt: DebtTruth, day: int) -> Debt:
    return Debt(
        balance_fen=debt.balance_fen,
        monthly_service_fen=debt.monthly_service_fen,
        matures_on=FIRST_DAY + timedelta(days=day + 365),
    )


def _blank(rng: np.random.Generator, merchant_id: str, kind: FactKind, day: int) -> Fact:
    return Fact(
        fact_id=_id(rng),
        merchant_id=merchant_id,
        kind=kind,
        valid_from=FIRST_DAY + timedelta(days=day),
        valid_to=None,
        source="credit-bureau",
        none_found=False,
        works=None,
        debt=None,
        link=None,
        supersedes="",
        fact_seq=0,
        known_us=morning_us(day),
    )


def _id(rng: np.random.Generator) -> str:
    return str(UUID(bytes=rng.bytes(16), version=4))
