"""GetIndicators: a merchant's indicators as they were known at any moment."""

from dataclasses import dataclass, replace

import numpy as np

from fanxing.errors import IndicatorUnknown
from fanxing.flows.moments import moment, refuse_future
from fanxing.flows.score import graph_day, measure_dossier, read_dossier
from fanxing.flows.world import World
from fanxing.indicators.ask import Ask
from fanxing.indicators.catalogue import CATALOGUE, INDEX, Definition
from fanxing.institutions import Institution

_NOTHING_ASKED = Ask(requested_fen=None, term_months=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetIndicators:
    """The plain query. No names: all of the catalogue."""

    merchant_id: str
    names: tuple[str, ...]
    as_of_us: int | None
    known_us: int | None
    effective_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators:
    """Values in the order asked; NaN when missing."""

    definitions: tuple[Definition, ...]
    values: np.ndarray
    as_of_us: int
    merchant_seq: int


async def get_indicators(institution: Institution, query: GetIndicators, world: World) -> Indicators:
    """Computes what was asked."""
    at_us = moment(institution, query.effective_us, world.now)
    positions = positions_of(query.names)
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
    day = graph_day(institution, as_of_us, known_us)
    graph = await world.graphs.looked_at(institution, world.store, day)
    row = measure_dossier(dossier, _NOTHING_ASKED, as_of_us, known_us, graph, institution.time_zone)
    return Indicators(
        definitions=tuple(CATALOGUE[position] for position in positions),
        values=row[positions],
        as_of_us=as_of_us,
        merchant_seq=dossier.history.known(known_us).through_seq,
    )


def positions_of(names: tuple[str, ...]) -> list[int]:
    """Places in the row, or IndicatorUnknown."""
    unknown = [name for name in names if name not in INDEX]
    if unknown:
        raise IndicatorUnknown(f"the catalogue has no indicator {unknown[0]}", field="names", name=unknown[0])
    return [INDEX[name] for name in names] if names else list(range(len(CATALOGUE)))
