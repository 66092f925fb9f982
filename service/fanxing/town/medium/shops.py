"""A shop with all that is true of it, and the street of honest shops from which every role is then given out."""

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from fanxing.facts import WorksKind
from fanxing.merchants import Merchant
from fanxing.town.medium.people import People
from fanxing.town.medium.size import FIRST_DAY, Size, stream
from fanxing.town.medium.trades import LOG_SIZE_SD, TRADES

_VILLAGE_WEIGHT = 0.35
"""Shops of a village to those of a district."""
_OPEN_BEFORE = 0.6
_LAST_OPENING_DAYS = 30
_PERSONAL_CODES, _SLOW_CLOCKS, _DEBTS, _RELIEF = 0.08, 0.03, 0.35, 0.3
RELIEF_FEN, RELIEF_RATE = 5_000_000, 0.04
"""A relief loan of 50,000 yuan at 4 % a year, already spent; interest is paid until it is due."""


@dataclass(frozen=True, slots=True)
class WorksTruth:
    """Works before a door, as announced and as they came (days of the town); `effect` is lost of street receipts."""

    kind: WorksKind
    announced: int
    planned: tuple[int, int]
    fate: str
    told: int
    actual: tuple[int, int] | None
    effect: float


@dataclass(frozen=True, slots=True)
class DebtTruth:
    """A debt elsewhere, in fen; `told` to the credit bureau or not."""

    balance_fen: int
    monthly_service_fen: int
    source: str
    told: bool


@dataclass(slots=True, kw_only=True)
class Shop:
    """One shop. Days are the town's.

    `hand`, `signed` and `family` are accounts: who controls it, who is registered, and who with relatives buys here.
    `dice` numbers its random streams, so that twins roll alike; `custom` those of its regulars, so that a sold shop
    keeps them. `cheat`, `life` and `group` are empty or -1 for most.
    """

    number: int
    dice: int
    custom: int
    trade: str
    place: int
    scale: float
    price: float
    cash_share: float
    frontage: float
    opened_day: int
    closed_day: int | None
    hand: int
    signed: int
    family: int
    device: int
    payout: int
    phone: int
    personal_share: float = 0.0
    slow_clock_from: int | None = None
    life: str = ""
    season: tuple[int, int] | None = None
    moved_day: int | None = None
    moved_from: int = -1
    cheat: str = ""
    cheat_since: int = 0
    group: int = -1
    twin_of: int = -1
    relation: str = ""
    works: WorksTruth | None = None
    debts: list[DebtTruth] = field(default_factory=list)

    def is_village(self, size: Size) -> bool:
        """Places are numbered districts first."""
        return self.place >= size.districts

    @property
    def monthly_code_fen(self) -> float:
        """What usually comes in by the code in a month, in fen."""
        trade = TRADES[self.trade]
        tickets = trade.ticket_fen * self.price * trade.per_day * self.scale * 1.13
        return tickets * 30 * (1 - self.cash_share)


def street(seed: int, size: Size) -> list[Shop]:
    """Honest shops in all places and trades, some opened during the 24 months; villages have farms."""
    rng = stream(seed, "street")
    weights = np.array([1.0] * size.districts + [_VILLAGE_WEIGHT] * size.villages)
    places = rng.choice(len(weights), size.merchants, p=weights / weights.sum())
    owners = rng.choice(size.residents, size.merchants, replace=False)
    return [
        _shop(stream(seed, "shop", number), size, number, int(places[number]), int(owners[number]))
        for number in range(size.merchants)
    ]


def _shop(rng: np.random.Generator, size: Size, number: int, place: int, owner: int) -> Shop:
    village = place >= size.districts
    names = list(TRADES)
    before = rng.random() < _OPEN_BEFORE
    opened = -int(rng.integers(1, 1500)) if before else int(rng.integers(0, size.days - _LAST_OPENING_DAYS))
    slow = rng.random() < _SLOW_CLOCKS
    shop = Shop(
        number=number,
        dice=number,
        custom=number,
        trade=names[int(rng.choice(5, p=[0.2, 0.15, 0.1, 0.05, 0.5] if village else [0.35, 0.2, 0.25, 0.2, 0]))],
        place=place,
        scale=float(np.exp(rng.normal(0, LOG_SIZE_SD))),
        price=float(np.exp(rng.normal(0, 0.2))),
        cash_share=float(rng.beta(2, 6) if not village else rng.beta(4, 5)),
        frontage=round(float(rng.uniform(0.5, 1)), 2),
        opened_day=opened,
        closed_day=None,
        hand=owner,
        signed=owner,
        family=owner,
        device=number,
        payout=number,
        phone=number,
        personal_share=float(rng.uniform(0.5, 1)) if rng.random() < _PERSONAL_CODES else 0.0,
        slow_clock_from=int(rng.integers(max(0, opened), size.days)) if slow else None,
    )
    _borrow(rng, shop)
    return shop


def _borrow(rng: np.random.Generator, shop: Shop) -> None:
    """Debts elsewhere, one in three of them told to nobody; farms may have spent a relief loan."""
    if rng.random() < _DEBTS:
        balance = int(shop.monthly_code_fen * rng.uniform(0.3, 2))
        told = bool(rng.random() < 2 / 3)
        shop.debts.append(DebtTruth(balance, balance // 12, "credit-bureau", told))
    if shop.trade == "farm" and rng.random() < _RELIEF:
        shop.debts.append(DebtTruth(RELIEF_FEN, int(RELIEF_FEN * RELIEF_RATE / 12), "relief-office", told=True))


def registered(shop: Shop, names: np.ndarray, people: People, device_token: str) -> Merchant:
    """The shop as it is registered; `names`: shuffled numbers, int (shops,), so that an id tells no role."""
    name = int(names[shop.number])
    opened = FIRST_DAY + timedelta(days=shop.opened_day)
    return Merchant(
        merchant_id=f"m{name:05d}",
        name=f"{shop.trade} {name}",
        category=shop.trade,
        opened_on=opened,
        code_activated_on=opened,
        place=f"place-{shop.place}",
        frontage=shop.frontage,
        controller_token=f"payer-{people.token[shop.signed]}",
        licence_token=f"licence-{name}",
        payout_account_token=f"account-{names[shop.payout]}",
        phone_token=f"number-{names[shop.phone]}",
        device_token=device_token,
        time_zone="",
    )
