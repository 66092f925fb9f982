"""RegisterMerchant: the same merchant again is answered as it is, another one under its id is refused."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fanxing.errors import InvalidRequest, MerchantExists
from fanxing.flows.find import find
from fanxing.flows.moments import local_day, moment
from fanxing.flows.once import once
from fanxing.flows.ports import ChangeSet, Get, Snapshot
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.merchants import Controller, Merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMerchant:
    """The plain command. `merchant` has its counters at zero."""

    request_id: str
    merchant: Merchant
    effective_us: int | None


async def register_merchant(institution: Institution, command: RegisterMerchant, world: World) -> Merchant:
    """Registers a merchant, once."""
    at_us = moment(institution, command.effective_us, world.now)
    merchant = replace(command.merchant, registered_us=at_us)
    _check(institution, merchant, at_us)

    async def unit(_: str) -> ChangeSet | None:
        key = Get(Merchant, ((merchant.merchant_id,),))
        held = Snapshot(await world.store.read(institution.institution_id, key)).one(0, Merchant)
        if held is None:
            controller = Controller(controller_token=merchant.controller_token)
            return ChangeSet(inserts=(merchant,), inserts_if_absent=(controller,))
        as_told = replace(
            held,
            registered_us=at_us,
            payment_count=0,
            fact_count=0,
            last_told_us=0,
            last_known_us=0,
            version=1,
        )
        if as_told != merchant:
            raise MerchantExists(
                f"merchant {merchant.merchant_id} is registered with other contents", field="merchant.merchant_id"
            )
        return ChangeSet()

    await once(institution, world.store, "RegisterMerchant", command, unit)
    world.graphs.forget(institution, at_us)
    return await find(institution, Merchant, merchant.merchant_id, world)


def _check(institution: Institution, merchant: Merchant, at_us: int) -> None:
    try:
        today = local_day(at_us, merchant.time_zone or institution.time_zone)
        ZoneInfo(merchant.time_zone or institution.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequest(
            f"{merchant.time_zone!r} is no time zone of the IANA data base", field="merchant.time_zone"
        ) from error
    if merchant.opened_on > today:
        raise InvalidRequest("a merchant cannot have opened in the future", field="merchant.opened_on")
