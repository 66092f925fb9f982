"""Apply: an application is taken in, decided and answered with an offer, all in one commit."""

from dataclasses import dataclass

from fanxing.errors import ConsentExpired, ConsentMissing, ProductUnavailable
from fanxing.flows.find import find
from fanxing.flows.moments import moment, refuse_future, tick_lending
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet
from fanxing.flows.score import asked, decide_on, read_dossier
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.lending.application import Application, ApplicationState, Consent
from fanxing.lending.offer import Offer
from fanxing.lending.product import make_offer
from fanxing.strategies.decision import Decision, Outcome
from fanxing.strategies.policy import Policy

CONSENT_NEEDED = "payments"
_STATES = {
    Outcome.APPROVED: ApplicationState.APPROVED,
    Outcome.DECLINED: ApplicationState.DECLINED,
    Outcome.REFERRED: ApplicationState.REFERRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """The plain command."""

    request_id: str
    merchant_id: str
    purpose: str
    requested_fen: int | None
    requested_term_months: int
    consents: tuple[Consent, ...]
    session_started_us: int | None
    effective_us: int | None


async def apply(institution: Institution, command: Apply, world: World) -> tuple[Application, Decision]:
    """Takes an application in and decides it, once."""

    async def unit(application_id: str) -> ChangeSet:
        dossier = await read_dossier(institution, command.merchant_id, world)
        told_us = moment(institution, command.effective_us, world.now)
        merchant, controller = tick_lending(institution, dossier.merchant, dossier.controller, told_us)
        policy = world.policies.active(institution)
        _check(command, policy, merchant.last_told_us)
        ask = asked(policy, command.requested_fen, command.requested_term_months)
        decision = await decide_on(institution, dossier, ask, merchant, policy, application_id, world)
        offer = _offer(decision, policy, merchant.time_zone or institution.time_zone)
        at_us = merchant.last_known_us
        application = _taken_in(command, application_id, at_us).step(ApplicationState.SCORED, at_us)
        decided = application.step(
            _STATES[decision.verdict.outcome], at_us, decision_id=decision.decision_id, offer=offer
        )
        return ChangeSet(inserts=(decision, decided), updates=(merchant, controller))

    application_id = await once(institution, world.store, "Apply", command, unit)
    application = await find(institution, Application, application_id, world)
    return application, await find(institution, Decision, application.decision_id, world)


def _check(command: Apply, policy: Policy, at_us: int) -> None:
    if command.session_started_us is not None:
        refuse_future(command.session_started_us, at_us, "session_started_at")
    scopes = {consent.scope: consent.expires_us for consent in command.consents}
    if CONSENT_NEEDED not in scopes:
        raise ConsentMissing(f"consent to use {CONSENT_NEEDED} is needed", field="consents", consent=CONSENT_NEEDED)
    if scopes[CONSENT_NEEDED] <= at_us:
        raise ConsentExpired("the consent has ended", field="consents", consent=CONSENT_NEEDED)
    if command.purpose not in policy.product.purposes:
        raise ProductUnavailable(f"no product for the purpose {command.purpose}", field="purpose")


def _offer(decision: Decision, policy: Policy, time_zone: str) -> Offer | None:
    if decision.verdict.outcome is not Outcome.APPROVED:
        return None
    return make_offer(decision.verdict, policy.product, decision.as_of_us, time_zone)


def _taken_in(command: Apply, application_id: str, at_us: int) -> Application:
    return Application(
        application_id=application_id,
        merchant_id=command.merchant_id,
        state=ApplicationState.RECEIVED,
        purpose=command.purpose,
        requested_fen=command.requested_fen,
        requested_term_months=command.requested_term_months,
        consents=command.consents,
        session_started_us=command.session_started_us,
        decision_id="",
        offer=None,
        line_id="",
        created_us=at_us,
        changed_us=at_us,
    )
