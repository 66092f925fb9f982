"""Facets: what a payment is or is not, one bit each, and the filters that indicators are taken over.

The first 13 bits are written into a merchant's state; the others follow from kind, payer, balance, day, hour, amount
and who paid before, when the state is read.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import product

import numpy as np

from fanxing.indicators.public_holidays import holidays


class Facet(IntEnum):
    """The place of each facet's bit."""

    RECEIPT = 0
    RETURNED = 1
    BALANCE_TOLD = 2
    BALANCE_FOLLOWS = 3
    OWN = 4
    REAL_NAME = 5
    OLD_ACCOUNT = 6
    YOUNG_ACCOUNT = 7
    BY_BALANCE = 8
    BY_DEBIT = 9
    BY_CREDIT = 10
    MERCHANT_CODE = 11
    PERSONAL_CODE = 12
    OUTFLOW = 16
    KNOWN_PAYER = 17
    ANONYMOUS = 18
    OVERDRAWN = 19
    WORKDAY = 20
    WEEKEND = 21
    HOLIDAY = 22
    NIGHT = 23
    MORNING = 24
    NOON = 25
    AFTERNOON = 26
    EVENING = 27
    LATE = 28
    UNDER_5_YUAN = 29
    FROM_5_YUAN = 30
    FROM_10_YUAN = 31
    FROM_20_YUAN = 32
    FROM_50_YUAN = 33
    FROM_200_YUAN = 34
    ROUND = 35
    FIRST_VISIT = 36
    REPEAT_VISIT = 37


CORE = {facet: place for place, facet in enumerate((each for each in Facet if each > Facet.BALANCE_FOLLOWS), 1)}
"""The place of each facet in the core's 32 bits; the lowest is of all rows. Facets of decoding alone have none."""
HOUR_STARTS = (
    (0, Facet.NIGHT),
    (6, Facet.MORNING),
    (11, Facet.NOON),
    (14, Facet.AFTERNOON),
    (17, Facet.EVENING),
    (21, Facet.LATE),
)
"""Local hours at which the bands of the day begin."""
AMOUNT_CUTS_FEN = (500, 1000, 2000, 5000, 20_000)
"""Where the bands of amounts, as paid, begin."""
ROUND_FEN = 1000
OLD_DAYS, YOUNG_DAYS = 180, 30

MEANINGS = {
    Facet.KNOWN_PAYER: "of known payers",
    Facet.ANONYMOUS: "of unknown payers",
    Facet.OWN: "paid by the merchant's controller",
    Facet.REAL_NAME: "of payers whose name was verified",
    Facet.OLD_ACCOUNT: f"of accounts {OLD_DAYS} days old or more",
    Facet.YOUNG_ACCOUNT: f"of accounts younger than {YOUNG_DAYS} days",
    Facet.BY_BALANCE: "funded by a wallet's balance",
    Facet.BY_DEBIT: "funded by a bank account",
    Facet.BY_CREDIT: "funded by credit",
    Facet.MERCHANT_CODE: "by a code registered for trade",
    Facet.PERSONAL_CODE: "by a personal code",
    Facet.WORKDAY: "from Monday to Friday",
    Facet.WEEKEND: "on Saturday and Sunday",
    Facet.HOLIDAY: "on public holidays",
    Facet.NIGHT: "between 0 and 6 o'clock",
    Facet.MORNING: "between 6 and 11 o'clock",
    Facet.NOON: "between 11 and 14 o'clock",
    Facet.AFTERNOON: "between 14 and 17 o'clock",
    Facet.EVENING: "between 17 and 21 o'clock",
    Facet.LATE: "between 21 and 24 o'clock",
    Facet.UNDER_5_YUAN: "of less than 5 yuan",
    Facet.FROM_5_YUAN: "of 5 to 10 yuan",
    Facet.FROM_10_YUAN: "of 10 to 20 yuan",
    Facet.FROM_20_YUAN: "of 20 to 50 yuan",
    Facet.FROM_50_YUAN: "of 50 to 200 yuan",
    Facet.FROM_200_YUAN: "of 200 yuan or more",
    Facet.ROUND: "of whole tens of yuan",
    Facet.FIRST_VISIT: "that are their payer's first here",
    Facet.REPEAT_VISIT: "of payers who paid here before",
}

DAYS = (Facet.WORKDAY, Facet.WEEKEND, Facet.HOLIDAY)
HOURS = tuple(facet for _, facet in HOUR_STARTS)
AMOUNTS = tuple(Facet(Facet.UNDER_5_YUAN + band) for band in range(len(AMOUNT_CUTS_FEN) + 1))
VISITS = (Facet.FIRST_VISIT, Facet.REPEAT_VISIT, Facet.ANONYMOUS)
_OTHERS = tuple(facet for facet in MEANINGS if facet not in {*DAYS, *HOURS, *AMOUNTS, *VISITS})
_PAIRS = (
    *product(DAYS, HOURS),
    *product(DAYS, AMOUNTS),
    *product(HOURS, AMOUNTS),
    *product(VISITS, (*DAYS, *HOURS, *AMOUNTS)),
    *product((Facet.BY_CREDIT, Facet.PERSONAL_CODE, Facet.YOUNG_ACCOUNT, Facet.REAL_NAME), (*HOURS, *AMOUNTS)),
    *product((Facet.ROUND,), (*HOURS, *VISITS)),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """The payments that have all these facets; none: all payments."""

    facets: tuple[Facet, ...] = ()

    @property
    def name(self) -> str:
        """As it stands in an indicator's name: empty, or such as "_weekend_noon"."""
        return "".join(f"_{facet.name.lower()}" for facet in self.facets)

    @property
    def meaning(self) -> str:
        """As it stands in a definition."""
        return "".join(f" {MEANINGS[facet]}" for facet in self.facets)

    @property
    def bits(self) -> int:
        """The core's bits that a payment must have."""
        return sum(1 << CORE[facet] for facet in self.facets)


ALL = Filter()
SINGLES = (ALL, *(Filter((facet,)) for facet in (*DAYS, *HOURS, *AMOUNTS, *VISITS, *_OTHERS)))
PAIRS = tuple(Filter(pair) for pair in _PAIRS)
TIMES_AND_AMOUNTS = (ALL, *(Filter((facet,)) for facet in (*DAYS, *HOURS, *AMOUNTS, Facet.ROUND)))
FEW = (ALL, *(Filter((facet,)) for facet in (*DAYS, *HOURS)))
COUNTED = (*DAYS, *HOURS, *AMOUNTS)
"""Facets that payers are counted by: bits side by side, as the core reads them."""
PLACES = {each: place for place, each in enumerate((*SINGLES, *PAIRS))}


MARKS = {facet.name.lower(): 1 << CORE.get(facet, facet) for facet in Facet}
"""The core's bits by name; of what decoding alone reads, those of a state's tags."""


@cache
def hour_bits() -> np.ndarray:
    """The core's bits by band of the day, uint32 (bands,)."""
    return np.array([1 << CORE[hour] for hour in HOURS], "u4")


@cache
def amount_bits() -> np.ndarray:
    """The core's bits by band of amount, uint32 (bands,)."""
    return np.array([1 << CORE[amount] for amount in AMOUNTS], "u4")


def day_bits(today: int) -> np.ndarray:
    """The core's bits by age on a local day (since 1970, a Thursday), uint32, to a week before all holidays.

    Weeks repeat beyond. A holiday is a day of the week too.
    """
    days = today - np.arange(max(0, today - int(holidays()[0]) + 1) + 7)
    weekend = (days + 3) % 7 >= 5
    bits = np.where(weekend, 1 << CORE[Facet.WEEKEND], 1 << CORE[Facet.WORKDAY]).astype("u4")
    bits[np.isin(days, holidays())] |= np.uint32(1 << CORE[Facet.HOLIDAY])
    return bits
