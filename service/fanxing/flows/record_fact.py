"""RecordFact: a dated fact joins the merchant's record."""

from dataclasses import dataclass, replace

from fanxing.errors import InvalidRequest
from fanxing.facts import Fact
from fanxing.flows.find import find
from fanxing.flows.moments import moment, tick
from fanxing.flows.once import once, resource_id
from fanxing.flows.ports import ChangeSet, Range, Snapshot
from fanxing.flows.world import World
from fanxing.institutions import Institution
from fanxing.merchants import Merchant


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFact:
    """The plain command. `fact` has no id, number or known_us yet."""

    request_id: str
    fact: Fact
    effective_us: int | None


async def record_fact(institution: Institution, command: RecordFact, world: World) -> Fact:
    """Records a fact, once."""
    fact, rpc = command.fact, "RecordFact"
    if fact.valid_to is not None and fact.valid_to < fact.valid_from:
        raise InvalidRequest("a fact cannot end before it begins", field="fact.valid_to")

    async def unit(fact_id: str) -> ChangeSet:
        held = await find(institution, Merchant, fact.merchant_id, world, within="fact.")
        merchant = tick(institution, held, moment(institution, command.effective_us, world.now))
        if fact.supersedes and not any(
            each.fact_id == fact.supersedes for each in await facts_of(institution, fact.merchant_id, world)
        ):
            raise InvalidRequest("the fact to replace is not on record", field="fact.supersedes")
        fact_seq = merchant.fact_count + 1
        recorded = replace(fact, fact_id=fact_id, fact_seq=fact_seq, known_us=merchant.last_known_us)
        return ChangeSet(inserts=(recorded,), updates=(replace(merchant, fact_count=fact_seq),))

    await once(institution, world.store, rpc, command, unit)
    fact_id = resource_id(institution, rpc, command.request_id)
    return next(held for held in await facts_of(institution, fact.merchant_id, world) if held.fact_id == fact_id)


async def facts_of(institution: Institution, merchant_id: str, world: World) -> tuple[Fact, ...]:
    """All facts of a merchant in the order they became known."""
    answers = await world.store.read(institution.institution_id, facts_query(merchant_id))
    return Snapshot(answers).many(0, Fact)


def facts_query(merchant_id: str) -> Range:
    """The query for all facts of a merchant."""
    return Range(Fact, ("merchant_id", "fact_seq"), prefix=(merchant_id,))
