"""PublishPeers and GetPeers: how indicators are spread over merchants of a category and place, made and shown."""

from dataclasses import dataclass

from fanxing.errors import IndicatorUnknown
from fanxing.flows.moments import local_day, moment, refuse_future
from fanxing.flows.peers import newest
from fanxing.flows.ports import PeersOfDay
from fanxing.flows.world import World
from fanxing.indicators.peers import RANKS, Cell, Peers
from fanxing.institutions import Institution


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPeers:
    """The plain query. `name` is a rank's; `as_of_us` None: the moment of the call."""

    name: str
    as_of_us: int | None
    effective_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What holds for a day, and of one indicator the cells: how many merchants, and the cuts."""

    head: PeersOfDay
    cells: tuple[tuple[Cell, int, tuple[float, ...]], ...]


async def publish_peers(institution: Institution, effective_us: int | None, world: World) -> PeersOfDay:
    """Publishes, once a day."""
    return await world.peers.publish(institution, world.store, moment(institution, effective_us, world.now))


async def get_peers(institution: Institution, query: GetPeers, world: World) -> Published:
    """What decisions of that day read, or would."""
    at_us = moment(institution, query.effective_us, world.now)
    if query.name not in RANKS:
        raise IndicatorUnknown(f"{query.name} is no rank among peers", field="name", name=query.name)
    as_of_us = at_us if query.as_of_us is None else query.as_of_us
    refuse_future(as_of_us, at_us, "as_of")
    day = local_day(as_of_us, institution.time_zone)
    head = await newest(institution, world.store, day)
    peers = await world.peers.of(institution, world.store, head)
    return Published(head=head, cells=_cells(peers, RANKS[query.name]))


def _cells(peers: Peers, name: str) -> tuple[tuple[Cell, int, tuple[float, ...]], ...]:
    if name not in peers.names:
        return ()
    column = peers.names.index(name)
    counts, cuts = peers.merchants[:, column].tolist(), peers.cuts[:, column].tolist()
    return tuple((cell, counts[at], tuple(cuts[at])) for cell, at in peers.cells.items() if counts[at])
