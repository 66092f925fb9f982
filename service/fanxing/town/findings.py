"""What came of a town: decisions by reason, limits against genuine payers, the twins, the cheats. Plain numbers only.

The truth meets the decisions here, once they have fallen; nothing of this goes back to the engine.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from fanxing.payments import PaymentKind
from fanxing.strategies.constants import LimitRules
from fanxing.town.world import DAYS, DISTRICTS, FIRST_DAY, PEOPLE, Shop, Town

HONEST, CHEATS = ("honest", "twin"), ("self", "ring")
PEERS = 10
_BANDS = (range(1), range(1, 300), range(300, 600), range(600, 1000), range(1000, DISTRICTS * PEOPLE + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a merchant was told and got. `reasons`: code -> sentence, most important first; `effects`: code -> fen."""

    outcome: str
    limit_fen: int
    term_months: int
    reasons: dict[str, str]
    effects: dict[str, int]
    caps: dict[str, int]
    binds: str
    inputs: dict[str, float]
    loan_state: str
    principal_fen: int

    @property
    def reason(self) -> str:
        """The first reason's code; of an approval it is the cap that binds."""
        return next(iter(self.reasons))


Results = Mapping[str, Result]


def findings(town: Town, results: Results, rules: LimitRules) -> dict[str, Any]:
    """Everything, ready for JSON. `rules`: the limit's constants, by which the works' documented effect is told."""
    payers = _payers(town)
    return {
        "simulated": True,
        "seed": town.seed,
        "merchants": len(town.shops),
        "days": DAYS,
        "decided_on": str(FIRST_DAY + timedelta(days=DAYS)),
        "decisions": _decisions(results),
        "limits_by_genuine_payers": _by_genuine_payers(town, results),
        "twins": [_pair(town, results, rules, *pair) for pair in town.twins],
        "cheats": [_cheat(town, results, payers, shop) for shop in town.shops if shop.kind in CHEATS],
        "loans": Counter(result.loan_state for result in results.values() if result.loan_state),
        "disbursed_fen": sum(result.principal_fen for result in results.values() if result.loan_state == "ACTIVE"),
        "shops": [_line(shop, results, payers) for shop in town.shops],
    }


def _payers(town: Town) -> dict[str, int]:
    """How many payers each merchant seems to have: what a count of tokens would say."""
    seen: dict[str, set[str]] = {shop.merchant.merchant_id: set() for shop in town.shops}
    for day in town.payments:
        for payment in day:
            if payment.payer_token and payment.kind is PaymentKind.RECEIPT:
                seen[payment.merchant_id].add(payment.payer_token)
    return {merchant_id: len(tokens) for merchant_id, tokens in seen.items()}


def _line(shop: Shop, results: Results, payers: dict[str, int]) -> dict[str, Any]:
    merchant_id = shop.merchant.merchant_id
    result = results[merchant_id]
    return {
        "merchant_id": merchant_id,
        "kind": shop.kind,
        "category": shop.merchant.category,
        "payers": payers[merchant_id],
        "genuine_payers": shop.genuine_payers,
        "outcome": result.outcome,
        "reason": result.reason,
        "limit_fen": result.limit_fen,
        "loan_state": result.loan_state,
        "principal_fen": result.principal_fen,
    }


def _decisions(results: Results) -> list[dict[str, Any]]:
    """Approvals first, then the commonest."""
    told = Counter((result.outcome, result.reason, result.reasons[result.reason]) for result in results.values())
    ordered = sorted(told.items(), key=lambda item: (item[0][0], -item[1]))
    return [
        {"outcome": outcome, "reason": reason, "sentence": sentence, "merchants": count}
        for (outcome, reason, sentence), count in ordered
    ]


def _by_genuine_payers(town: Town, results: Results) -> list[dict[str, Any]]:
    """A merchant who was declined counts with a limit of 0."""
    rows: list[dict[str, Any]] = []
    for band in _BANDS:
        limits = [results[shop.merchant.merchant_id].limit_fen for shop in town.shops if shop.genuine_payers in band]
        row = {"payers_from": band.start, "payers_to": band.stop - 1, "merchants": len(limits)}
        median = float(np.median(limits)) if limits else None
        rows.append(row | {"approved": sum(map(bool, limits)), "median_limit_fen": median})
    return rows


def _pair(town: Town, results: Results, rules: LimitRules, plain_id: str, disturbed_id: str) -> dict[str, Any]:
    plain, disturbed = results[plain_id], results[disturbed_id]
    category = next(shop.merchant.category for shop in town.shops if shop.merchant.merchant_id == plain_id)
    lost = _works_share(rules, disturbed)
    return {
        "plain": plain_id,
        "disturbed": disturbed_id,
        "category": category,
        "works": [kind for kind in rules.works if disturbed.inputs.get(f"works_{kind}_exposure")],
        "receipts_lost_share": lost,
        "plain_fen": plain.limit_fen,
        "disturbed_fen": disturbed.limit_fen,
        "difference_fen": plain.limit_fen - disturbed.limit_fen,
        "documented_fen": round(plain.caps.get("capacity", 0) * lost * _leverage(rules, plain, category)),
        "named_fen": disturbed.effects.get("WORKS_NEARBY"),
        "plain_binds": plain.binds,
        "disturbed_binds": disturbed.binds,
        "plain_inputs": plain.inputs,
        "disturbed_inputs": disturbed.inputs,
        "plain_capacity_fen": plain.caps.get("capacity"),
        "disturbed_capacity_fen": disturbed.caps.get("capacity"),
        "plain_term_months": plain.term_months,
        "disturbed_term_months": disturbed.term_months,
    }


def _works_share(rules: LimitRules, result: Result) -> float:
    """The share of receipts that the works are taken to cost over the term (limit-and-price 7)."""
    kept = 1.0
    for kind, effect in rules.works.items():
        kept *= 1 - effect * result.inputs.get(f"works_{kind}_exposure", 0.0)
    return 1 - kept


def _leverage(rules: LimitRules, result: Result, category: str) -> float:
    """By how much more capacity falls than receipts do: debts elsewhere are served first (limit-and-price 10)."""
    margin = rules.margins.get(category, rules.margin_other)
    gross = rules.capacity_share * margin * result.inputs.get(rules.receipts, 0.0)
    net = gross - result.inputs.get("debt_service_monthly_fen", 0.0)
    return gross / net if net > 0 else 0.0


def _cheat(town: Town, results: Results, payers: dict[str, int], cheat: Shop) -> dict[str, Any]:
    """One cheat beside the honest merchants with as many payers or just more."""
    merchant_id = cheat.merchant.merchant_id
    honest = sorted(
        (payers[shop.merchant.merchant_id], shop.merchant.merchant_id) for shop in town.shops if shop.kind in HONEST
    )
    peers = [peer for count, peer in honest if count >= payers[merchant_id]][:PEERS]
    median = float(np.median([results[peer].limit_fen for peer in peers])) if peers else None
    limit_fen = results[merchant_id].limit_fen
    return _line(cheat, results, payers) | {
        "peers": peers,
        "peers_median_limit_fen": median,
        "share_of_peers": limit_fen / median if median else None,
    }
