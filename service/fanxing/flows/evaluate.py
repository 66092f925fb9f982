"""Evaluate: a decision from the caller's own indicators; nothing is read and nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fanxing.flows.indicators import refuse_unknown
from fanxing.flows.moments import moment
from fanxing.flows.score import asked, row_digest, verdict_of
from fanxing.flows.world import World
from fanxing.indicators.catalogue import catalogue_digest
from fanxing.institutions import Institution
from fanxing.models.assess import CORE_DIGEST
from fanxing.strategies.decision import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """The plain query. Names that are not given are missing."""

    indicators: Mapping[str, float]
    category: str
    requested_fen: int | None
    requested_term_months: int
    effective_us: int | None


def evaluate(institution: Institution, query: Evaluate, world: World) -> Decision:
    """Decides; the decision has no id."""
    at_us = moment(institution, query.effective_us, world.now)
    policy = world.policies.active(institution)
    ask = asked(policy, query.requested_fen, query.requested_term_months)
    started = world.cpu_time()
    refuse_unknown(query.indicators)
    given: dict[str, float] = {**query.indicators, "requested_term_months": ask.term_months}
    if ask.requested_fen is not None:
        given["requested_amount_fen"] = ask.requested_fen
    row = np.array([given.get(name, np.nan) for name in policy.reads])
    verdict = verdict_of(policy, row, query.category)
    return Decision(
        decision_id="",
        merchant_id="",
        as_of_us=at_us,
        known_us=at_us,
        merchant_seq=0,
        fact_seq=0,
        policy_digest=policy.digest,
        catalogue_digest=catalogue_digest(),
        core_digest=CORE_DIGEST,
        graph_digest="",
        peers_digest="",
        row_digest=row_digest(row),
        watermarks=(),
        verdict=verdict,
        cpu_micros=(world.cpu_time() - started) // 1000,
    )
