"""Local days and hours of many moments at once, by the IANA data base."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

DAY_US = 86_400_000_000
_DAYS = 50_000
"""Days from 1970 that are tabled: until 2106."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def _offsets_us(time_zone: str) -> np.ndarray:
    """The zone's offset at the beginning of each UTC day since 1970, in microseconds."""
    zone = ZoneInfo(time_zone)
    hours = ((_EPOCH + timedelta(days=day)).astimezone(zone).utcoffset() for day in range(_DAYS + 1))
    return np.array([offset // timedelta(microseconds=1) for offset in hours if offset is not None], dtype="i8")


def local_us(times_us: np.ndarray, time_zone: str) -> np.ndarray:
    """Wall-clock microseconds since 1970 of moments (int64, UTC); divide by DAY_US for the local day."""
    offsets = _offsets_us(time_zone)
    days = np.clip(times_us // DAY_US, 0, _DAYS - 1)
    offset = offsets[days]
    changing = offset != offsets[days + 1]
    if changing.any():
        zone = ZoneInfo(time_zone)
        for place in np.flatnonzero(changing):
            moment = _EPOCH + timedelta(microseconds=int(times_us[place]))
            exact = moment.astimezone(zone).utcoffset()
            assert exact is not None
            offset[place] = exact // timedelta(microseconds=1)
    return np.asarray(times_us + offset)
