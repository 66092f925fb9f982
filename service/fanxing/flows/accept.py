"""AcceptOffer: what the merchant was shown becomes a credit line."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fanxing.errors import OfferDigestMismatch, OfferExpired
from fanxing.flows.feed_lag import refuse_behind
from fanxing.flows.find import find
from fanxing.flows.moments import US_PER_SECOND, moment, tick_lending
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet
from fanxing.flows.score import Dossier, last_limit_fen, read_dossier
from fanxing.flows.watermarks import told_now
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.lending.application import Application, ApplicationState
from fanxing.lending.line import CreditLine, LineState
from fanxing.lending.offer import Offer
from fanxing.merchants import Merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer:
    """The plain command."""

    request_id: str
    application_id: str
    offer_digest: str
    effective_us: int | None


async def accept(institution: Institution, command: AcceptOffer, world: World) -> CreditLine:
    """Accepts an offer and opens a line, once."""

    async def unit(line_id: str) -> ChangeSet:
        application = await find(institution, Application, command.application_id, world)
        dossier = await read_dossier(institution, application.merchant_id, world)
        told_us = moment(institution, command.effective_us, world.now)
        merchant, controller = tick_lending(institution, dossier.merchant, dossier.controller, told_us)
        at_us = merchant.last_known_us
        accepted = application.step(ApplicationState.ACCEPTED, at_us, line_id=line_id)
        assert application.offer is not None, "an approved application has an offer"
        _check(application.offer, command.offer_digest, merchant.last_told_us)
        _refuse_overtaken(application, dossier.lines + dossier.group_lines)
        await _refuse_behind(institution, dossier, merchant, application.offer, world)
        line = _opened(application, application.offer, line_id, at_us)
        return ChangeSet(inserts=(line,), updates=(accepted, merchant, controller))

    return await find(
        institution, CreditLine, await once(institution, world.store, "AcceptOffer", command, unit), world
    )


def _check(offer: Offer, digest: str, at_us: int) -> None:
    if digest != offer.digest:
        raise OfferDigestMismatch("the digest is not that of this offer", field="offer_digest", expected=offer.digest)
    if at_us >= offer.expires_us:
        expired = datetime.fromtimestamp(offer.expires_us / US_PER_SECOND, UTC).isoformat()
        raise OfferExpired(f"the offer ended at {expired}", field="application_id", expired_at=expired)


def _refuse_overtaken(application: Application, lines: tuple[CreditLine, ...]) -> None:
    """An offer rests on the lines of its moment: of several offers for one controller's trade only one is lent."""
    since = [line for line in lines if line.created_us >= application.created_us]
    if since:
        opened = datetime.fromtimestamp(since[0].created_us / US_PER_SECOND, UTC).isoformat()
        raise OfferExpired(
            "a credit line was opened after this offer was made; apply again", field="application_id", expired_at=opened
        )


async def _refuse_behind(
    institution: Institution, dossier: Dossier, ticked: Merchant, offer: Offer, world: World
) -> None:
    """What is known of the trade may have ended since the offer: what a decision would not lend now, it does not."""
    at_us, known_us = ticked.last_told_us, ticked.last_known_us
    history = dossier.history.known(known_us)
    told = await told_now(institution, dossier.feeds, history.channel_names, at_us, known_us, world.store)
    grows = offer.limit_fen > last_limit_fen(dossier, known_us)
    refuse_behind(world.policies.active(institution), history, told, at_us, grows=grows)


def _opened(application: Application, offer: Offer, line_id: str, at_us: int) -> CreditLine:
    return CreditLine(
        line_id=line_id,
        merchant_id=application.merchant_id,
        application_id=application.application_id,
        state=LineState.ACTIVE,
        limit_fen=offer.limit_fen,
        reserved_fen=0,
        drawn_fen=0,
        annual_rate=offer.annual_rate,
        term_months=offer.term_months,
        repayment_method=offer.repayment_method,
        created_us=at_us,
    )


def as_shown(application: Application, at_us: int) -> Application:
    """The application as a reader sees it: an offer that ran out is EXPIRED, though no call has written that."""
    offer = application.offer
    if application.state is ApplicationState.APPROVED and offer is not None and at_us >= offer.expires_us:
        return replace(application, state=ApplicationState.EXPIRED, changed_us=offer.expires_us)
    return application
