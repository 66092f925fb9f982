"""A merchant: who trades, and where. Tokens are opaque; controller and payer tokens share one name space."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A merchant and the counters of its record.

    In microseconds since 1970 UTC: `registered_us` is the moment of its registration, `last_told_us` the latest that a
    call for it named, `last_known_us` that of its newest record, which every call moves on. `payment_count` and
    `fact_count` are the last numbers given to its payments and facts, without gap. `version` guards every change.
    """

    merchant_id: str
    name: str
    category: str
    opened_on: date
    code_activated_on: date | None
    place: str
    frontage: float
    controller_token: str
    licence_token: str
    payout_account_token: str
    phone_token: str
    device_token: str
    time_zone: str
    registered_us: int = 0
    payment_count: int = 0
    fact_count: int = 0
    last_told_us: int = 0
    last_known_us: int = 0
    version: int = 1

    @property
    def activated_on(self) -> date:
        """The first day on which the code could take payments."""
        return self.code_activated_on or self.opened_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Who stands behind one or more merchants: one borrower, however many shops.

    In microseconds since 1970 UTC: `last_told_us` is the latest moment that a decision or acceptance for any of these
    merchants was told to stand for, `last_known_us` that of the newest such record. `version` guards it, so that what
    two shops decide or accept at once is put in order.
    """

    controller_token: str
    last_told_us: int = 0
    last_known_us: int = 0
    version: int = 1
