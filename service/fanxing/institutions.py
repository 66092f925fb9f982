"""An institution: who lends, in which money, in which time zone and by which clock. Fixed when it is created."""

from dataclasses import dataclass
from enum import StrEnum


class Clock(StrEnum):
    """Who says what time it is."""

    SYSTEM = "SYSTEM"
    """The service does: requests carry no effective_time, and what comes late becomes known now."""
    CALLER = "CALLER"
    """The caller does, by effective_time: that is how history is replayed. Only the simulated rail pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Institution:
    """One tenant. `currency` is ISO 4217, `time_zone` an IANA name."""

    institution_id: str
    currency: str
    time_zone: str
    clock: Clock
