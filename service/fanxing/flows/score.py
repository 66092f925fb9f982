"""Score: read the merchant once, then measure, assess and decide in one line of sight, and keep the decision."""

import hashlib
import math
from dataclasses import dataclass
from datetime import date

import numpy as np

from fanxing.errors import ProductUnavailable
from fanxing.facts import Fact, known_facts
from fanxing.feeds import ALL_MERCHANTS, Feed, Watermark
from fanxing.flows.feed_lag import refuse_behind
from fanxing.flows.find import find, not_found
from fanxing.flows.moments import local_day, moment, tick_lending
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet, Get, Quota, Range, Snapshot
from fanxing.flows.record_fact import facts_query
from fanxing.flows.watermarks import feeds_query, told_now
from fanxing.flows.world import World
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import GRAPH_NAMES, catalogue_digest
from fanxing.indicators.exposure import Exposure
from fanxing.indicators.graph import PayerGraph
from fanxing.indicators.history import PaymentHistory
from fanxing.indicators.measure import measure
from fanxing.indicators.peers import NO_PEERS, RANKS, Peers
from fanxing.institutions import Institution
from fanxing.lending.line import CreditLine, LineState
from fanxing.lending.loan import Loan, LoanState
from fanxing.merchants import Controller, Merchant
from fanxing.models.assess import CORE_DIGEST, assess
from fanxing.payments import RecordedPayment
from fanxing.strategies.decide import decide
from fanxing.strategies.decision import Decision, Verdict
from fanxing.strategies.policy import Policy

FUNDING = "funding"
"""The quota that holds the funder's headroom, when the institution has set one."""
_STEP_UP_US = 30 * 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The plain command."""

    request_id: str
    merchant_id: str
    requested_fen: int | None
    requested_term_months: int
    effective_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything about a merchant that a decision reads, from one snapshot."""

    merchant: Merchant
    controller: Controller
    history: PaymentHistory
    feeds: tuple[Feed, ...]
    facts: tuple[Fact, ...]
    lines: tuple[CreditLine, ...]
    loans: tuple[Loan, ...]
    group_lines: tuple[CreditLine, ...]
    headroom_fen: int | None


async def score(institution: Institution, command: Score, world: World) -> Decision:
    """Decides for a merchant as if it applied, once, and keeps the decision."""

    async def unit(decision_id: str) -> ChangeSet:
        dossier = await read_dossier(institution, command.merchant_id, world)
        at_us = moment(institution, command.effective_us, world.now)
        merchant, controller = tick_lending(institution, dossier.merchant, dossier.controller, at_us)
        policy = world.policies.active(institution)
        ask = asked(policy, command.requested_fen, command.requested_term_months)
        decision = await decide_on(institution, dossier, ask, merchant, policy, decision_id, world)
        return ChangeSet(inserts=(decision,), updates=(merchant, controller))

    decision_id = await once(institution, world.store, "Score", command, unit)
    return await find(institution, Decision, decision_id, world)


def asked(policy: Policy, requested_fen: int | None, term_months: int) -> Ask:
    """What is applied for, with the product's own term where none is asked; ProductUnavailable for another."""
    product = policy.product
    if term_months and term_months not in product.terms_months:
        raise ProductUnavailable(
            f"the product is offered for {', '.join(map(str, product.terms_months))} months",
            field="requested_term_months",
        )
    return Ask(requested_fen=requested_fen, term_months=term_months or product.term_months)


async def read_dossier(institution: Institution, merchant_id: str, world: World) -> Dossier:
    """Reads everything about a merchant, or MerchantNotFound."""
    while True:
        tail = world.histories.tail(institution, merchant_id)
        answers = Snapshot(
            await world.store.read(
                institution.institution_id,
                Get(Merchant, ((merchant_id,),)),
                tail,
                facts_query(merchant_id),
                lines_query(merchant_id),
                Range(Loan, ("merchant_id", "created_us", "loan_id"), prefix=(merchant_id,)),
                Get(Quota, ((FUNDING,),)),
                feeds_query(ALL_MERCHANTS),
                feeds_query(merchant_id),
            )
        )
        merchant = answers.one(0, Merchant)
        if merchant is None:
            raise not_found(Merchant, merchant_id)
        history = world.histories.folded(institution, merchant_id, answers.many(1, RecordedPayment))
        if history is not None and history.through_seq >= merchant.payment_count:
            break  # else the cache has lost, since it was asked, what the tail was to follow
    quota = answers.one(5, Quota)
    controller, group = await controlled(institution, merchant.controller_token, world)
    others = tuple(other for other in group if other.merchant_id != merchant_id)
    return Dossier(
        merchant=merchant,
        controller=controller,
        history=history,
        feeds=answers.many(6, Feed) + answers.many(7, Feed),
        facts=answers.many(2, Fact),
        lines=answers.many(3, CreditLine),
        loans=answers.many(4, Loan),
        group_lines=await lines_of(institution, others, world),
        headroom_fen=None if quota is None else quota.limit_fen - quota.used_fen,
    )


def lines_query(merchant_id: str) -> Range:
    """The query for all credit lines of a merchant."""
    return Range(CreditLine, ("merchant_id", "created_us", "line_id"), prefix=(merchant_id,))


async def controlled(
    institution: Institution, controller_token: str, world: World
) -> tuple[Controller, tuple[Merchant, ...]]:
    """A controller and all its merchants. Read before their lines, so that its version guards what was read of them."""
    group = Range(Merchant, ("controller_token", "merchant_id"), prefix=(controller_token,))
    key = Get(Controller, ((controller_token,),))
    answers = Snapshot(await world.store.read(institution.institution_id, key, group))
    controller = answers.one(0, Controller)
    assert controller is not None, "a controller is saved with its first merchant"
    return controller, answers.many(1, Merchant)


async def lines_of(institution: Institution, merchants: tuple[Merchant, ...], world: World) -> tuple[CreditLine, ...]:
    """All credit lines of these merchants."""
    if not merchants:
        return ()
    queries = (lines_query(merchant.merchant_id) for merchant in merchants)
    lines = await world.store.read(institution.institution_id, *queries)
    return tuple(line for answer in lines for line in answer if isinstance(line, CreditLine))


def measure_dossier(
    names: tuple[str, ...],
    dossier: Dossier,
    ask: Ask,
    as_of_us: int,
    known_us: int,
    graph: PayerGraph | None,
    peers: Peers,
    time_zone: str,
    told: tuple[Watermark, ...],
) -> np.ndarray:
    """These indicators: windows end at as_of_us, and only what was known by known_us counts, as `told` was by then."""
    return measure(
        names,
        dossier.merchant,
        dossier.history.known(known_us),
        known_facts(dossier.facts, known_us),
        graph,
        _exposure(dossier, as_of_us, known_us),
        ask,
        as_of_us,
        dossier.merchant.time_zone or time_zone,
        told,
        peers,
    )


def settled_day(institution: Institution, as_of_us: int, known_us: int) -> date:
    """The day whose payer graph and peers are read: that of `as_of_us`, or of `known_us` if earlier.

    Never a later day, which may be yet to come: another shop of the controller may have moved the clock ahead.
    """
    return local_day(min(as_of_us, known_us), institution.time_zone)


def _exposure(dossier: Dossier, as_of_us: int, known_us: int) -> Exposure:
    """What the merchant and its group may already draw."""
    own = [line for line in dossier.lines if line.created_us <= known_us and line.state is not LineState.CLOSED]
    group = [line for line in dossier.group_lines if line.created_us <= known_us]
    since_us = min(as_of_us, known_us) - _STEP_UP_US
    recent = [line.limit_fen for line in dossier.lines if since_us < line.created_us <= known_us]
    return Exposure(
        lines_open=len(own),
        outstanding_fen=sum(loan.principal_fen for loan in dossier.loans if _owed(loan, known_us)),
        group_outstanding_fen=sum(line.limit_fen for line in group if line.state is not LineState.CLOSED),
        previous_limit_fen=max(recent, default=None),
        last_limit_fen=last_limit_fen(dossier, known_us),
        instalments_paid_on_time=0,
        funder_headroom_fen=dossier.headroom_fen,
    )


def last_limit_fen(dossier: Dossier, known_us: int) -> int:
    """The newest line that was opened by then; 0 before the first."""
    return next((line.limit_fen for line in reversed(dossier.lines) if line.created_us <= known_us), 0)


def _owed(loan: Loan, known_us: int) -> bool:
    """Whether a loan was reserved or drawn at that moment; what a line holds is so only now."""
    open_still = loan.state in {LoanState.PENDING, LoanState.ACTIVE} or loan.changed_us > known_us
    return loan.created_us <= known_us and open_still


async def decide_on(
    institution: Institution,
    dossier: Dossier,
    ask: Ask,
    ticked: Merchant,
    policy: Policy,
    decision_id: str,
    world: World,
) -> Decision:
    """Measure -> assess -> decide, and the record of it, at the moment that the merchant's clock has come to."""
    as_of_us, known_us = ticked.last_told_us, ticked.last_known_us
    history = dossier.history.known(known_us)
    told = await told_now(institution, dossier.feeds, history.channel_names, as_of_us, known_us, world.store)
    refuse_behind(policy, history, told, as_of_us, grows=not last_limit_fen(dossier, known_us))
    day = settled_day(institution, as_of_us, known_us)
    graph, peers = None, NO_PEERS
    if not GRAPH_NAMES.isdisjoint(policy.reads):
        graph = await world.graphs.settled(institution, world.store, day)
    if not RANKS.keys().isdisjoint(policy.reads):
        peers = await world.peers.settled(institution, world.store, day)
    started, zone = world.cpu_time(), institution.time_zone
    row = measure_dossier(policy.reads, dossier, ask, as_of_us, known_us, graph, peers, zone, told)
    verdict = verdict_of(policy, row, dossier.merchant.category)
    return Decision(
        decision_id=decision_id,
        merchant_id=dossier.merchant.merchant_id,
        as_of_us=as_of_us,
        known_us=known_us,
        merchant_seq=history.through_seq,
        fact_seq=max((fact.fact_seq for fact in dossier.facts if fact.known_us <= known_us), default=0),
        policy_digest=policy.digest,
        catalogue_digest=catalogue_digest(),
        core_digest=CORE_DIGEST,
        graph_digest=graph.digest if graph else "",
        peers_digest=peers.digest,
        row_digest=row_digest(row),
        watermarks=told,
        verdict=verdict,
        cpu_micros=(world.cpu_time() - started) // 1000,
    )


def verdict_of(policy: Policy, row: np.ndarray, category: str) -> Verdict:
    """Assess -> decide, for one row (of policy.reads, NaN where missing)."""
    read = zip(policy.reads, row.tolist(), strict=True)
    present = {name: value for name, value in read if not math.isnan(value)}
    return decide(policy, present, assess(policy.models, present), category)


def row_digest(row: np.ndarray) -> str:
    """SHA-256 (hex) of the row's bytes."""
    return hashlib.sha256(np.ascontiguousarray(row, dtype="<f8").tobytes()).hexdigest()
