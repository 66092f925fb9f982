"""The payer graph of a day, built from the merchants and sightings known five minutes before the day began.

A call that took its moment before midnight has committed by then, so the graph is the same one, to its digest,
whichever process builds it and whenever in the day.
"""

from collections import OrderedDict
from datetime import date

from fanxing.flows.moments import TOLERANCE_US, day_start_us
from fanxing.flows.ports import Range, Snapshot, Store
from fanxing.indicators.graph import PayerGraph, build_graph
from fanxing.institutions import Institution
from fanxing.merchants import Merchant
from fanxing.payments import Sighting

DAYS_HELD = 4


class Graphs:
    """Keeps the last few days' graphs."""

    def __init__(self) -> None:
        self._graphs: OrderedDict[tuple[str, date], PayerGraph] = OrderedDict()
        self._building: dict[tuple[str, date], object] = {}

    async def of_day(self, institution: Institution, store: Store, day: date) -> PayerGraph:
        """The graph that calls of that local day read."""
        key, mine = (institution.institution_id, day), object()
        if key not in self._graphs:
            self._building[key] = mine
            before = day_start_us(day, institution.time_zone) - TOLERANCE_US - 1
            answers = Snapshot(
                await store.read(
                    institution.institution_id,
                    Range(Sighting, ("known_us", "payer_token", "merchant_id"), until=(before,)),
                    Range(Merchant, ("merchant_id",)),
                )
            )
            merchants = [each for each in answers.many(1, Merchant) if each.registered_us <= before]
            graph = build_graph(answers.many(0, Sighting), merchants, day)
            if self._building.get(key) is not mine:
                return graph  # forgotten meanwhile, or being built again
            del self._building[key]
            self._graphs[key] = graph
            if len(self._graphs) > DAYS_HELD:
                self._graphs.popitem(last=False)
        return self._graphs[key]

    def forget(self, institution: Institution, known_us: int) -> None:
        """Drops graphs of later days: something has become known that they would hold, had they not been asked early.

        A caller may look ahead, and a SYSTEM clock is asked for a few minutes' future.
        """
        for key in {*self._graphs, *self._building}:
            if key[0] == institution.institution_id and known_us < day_start_us(key[1], institution.time_zone):
                self._graphs.pop(key, None)
                self._building.pop(key, None)
