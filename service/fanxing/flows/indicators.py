"""GetIndicators: a merchant's indicators as they were known at any moment."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from fanxing.errors import IndicatorsTooMany, IndicatorUnknown
from fanxing.flows.moments import moment, refuse_future
from fanxing.flows.score import measure_dossier, read_dossier, settled_day
from fanxing.flows.watermarks import seen_at, told_by, told_now
from fanxing.flows.world import World
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import STANDARD, definition_of, names_with
from fanxing.indicators.definition import Definition
from fanxing.indicators.known_through import known_through_us
from fanxing.indicators.peers import NO_PEERS, RANKS
from fanxing.institutions import Institution

NAMES_MAX = 10_000
_NOTHING_ASKED = Ask(requested_fen=None, term_months=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetIndicators:
    """The plain query. No names and no prefix: the standard ones."""

    merchant_id: str
    names: tuple[str, ...]
    prefix: str
    as_of_us: int | None
    known_us: int | None
    effective_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators:
    """Values in the order asked; NaN when missing. `known_through_us`: of receipts; None where no feed has told."""

    definitions: tuple[Definition, ...]
    values: np.ndarray
    as_of_us: int
    merchant_seq: int
    known_through_us: int | None


async def get_indicators(institution: Institution, query: GetIndicators, world: World) -> Indicators:
    """Computes what was asked."""
    at_us = moment(institution, query.effective_us, world.now)
    names = names_of(query)
    dossier = await read_dossier(institution, query.merchant_id, world)
    as_of_us = at_us if query.as_of_us is None else query.as_of_us
    known_us = as_of_us if query.known_us is None else query.known_us
    # What is on record may be dated ahead of the call: a clock was held, or calls were dated alike.
    newest_us = max(at_us, dossier.merchant.last_known_us, dossier.controller.last_known_us)
    if query.as_of_us is None and query.known_us is None:
        known_us = newest_us
    refuse_future(as_of_us, max(at_us, dossier.merchant.last_told_us), "as_of")
    refuse_future(known_us, newest_us, "known_at")
    if known_us < at_us:
        dossier = replace(dossier, headroom_fen=None)  # the funder's headroom is only kept as it is now
    day = settled_day(institution, as_of_us, known_us)
    graph = await world.graphs.looked_at(institution, world.store, day)
    history = dossier.history.known(known_us)
    channels = frozenset(history.channel_names)
    if known_us < at_us:
        told = await told_by(institution, dossier.feeds, channels, known_us, world.store)
    else:
        told = await told_now(institution, dossier.feeds, channels, at_us, known_us, world.store)
    if any(feed.channel in channels for feed in dossier.feeds):
        through_seq = dossier.history.through_seq
        told = await seen_at(institution, query.merchant_id, told, known_us, through_seq, world.store)
    ranked, zone = not RANKS.keys().isdisjoint(names), institution.time_zone
    peers = await world.peers.looked_at(institution, world.store, day) if ranked else NO_PEERS
    row = measure_dossier(names, dossier, _NOTHING_ASKED, as_of_us, known_us, graph, peers, zone, told)
    return Indicators(
        definitions=tuple(found for name in names if (found := definition_of(name)) is not None),
        values=row,
        as_of_us=as_of_us,
        merchant_seq=history.through_seq,
        known_through_us=known_through_us(history, told, as_of_us),
    )


def names_of(query: GetIndicators) -> tuple[str, ...]:
    """The names that are asked for, each once; IndicatorUnknown, or IndicatorsTooMany beyond NAMES_MAX."""
    refuse_unknown(query.names)
    names = dict.fromkeys(query.names)
    if query.prefix:
        names |= dict.fromkeys(islice(names_with(query.prefix), NAMES_MAX + 1))
        if not names:
            raise IndicatorUnknown(f"no indicator begins with {query.prefix}", field="prefix", name=query.prefix)
    if len(names) > NAMES_MAX:
        raise IndicatorsTooMany(f"more than {NAMES_MAX} indicators are asked for at once", field="prefix")
    return tuple(names) or STANDARD


def refuse_unknown(names: Iterable[str]) -> None:
    """IndicatorUnknown for the first name that the catalogue has not."""
    for name in names:
        if definition_of(name) is None:
            raise IndicatorUnknown(f"the catalogue has no indicator {name}", field="names", name=name)
