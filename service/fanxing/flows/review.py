"""RequestReview and CancelApplication: the merchant asks for a person, or withdraws."""

from dataclasses import dataclass

from fanxing.flows.find import find
from fanxing.flows.moments import moment, tick
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.lending.application import Application, ApplicationState
from fanxing.merchants import Merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeApplication:
    """The plain command of both."""

    request_id: str
    application_id: str
    effective_us: int | None


async def request_review(institution: Institution, command: ChangeApplication, world: World) -> Application:
    """A machine's decision is put before a person, once."""
    return await _step(institution, "RequestReview", command, ApplicationState.REFERRED, world)


async def cancel_application(institution: Institution, command: ChangeApplication, world: World) -> Application:
    """An application is withdrawn, once."""
    return await _step(institution, "CancelApplication", command, ApplicationState.CANCELLED, world)


async def _step(
    institution: Institution, rpc: str, command: ChangeApplication, state: ApplicationState, world: World
) -> Application:
    async def unit(_: str) -> ChangeSet:
        application = await find(institution, Application, command.application_id, world)
        held = await find(institution, Merchant, application.merchant_id, world)
        merchant = tick(institution, held, moment(institution, command.effective_us, world.now))
        return ChangeSet(updates=(application.step(state, merchant.last_known_us), merchant))

    await once(institution, world.store, rpc, command, unit)
    return await find(institution, Application, command.application_id, world)
