"""Everyone who pays, by account: residents, villagers, tourists, and the accounts that cheats buy.

Owners and their relatives are residents like others, and shop like others. An account's number tells its kind here; its
token, a shuffled number, does not.
"""

from dataclasses import dataclass

import numpy as np

from fanxing.town.medium.size import Size, stream

_HOUSEHOLDS, _ANONYMOUS = 0.05, 0.05
_REAL_NAMED, _BOUGHT_REAL_NAMED = (0.7, 0.97), 0.6
"""By district, from newcomers' to long settled ones; of bought accounts many carry a stolen name."""
_STAY_DAYS = 4
_WALLET_DAYS = (400, 4000)
_ACCOUNTS_A_DEVICE, _FARMED = 4, 0.5
RELATIVES = 24
"""How many residents next to an owner may be relatives."""


@dataclass(frozen=True, slots=True)
class People:
    """By account, shape (accounts,): `token` and `device` numbers, `opened_day` of the first wallet, and habits.

    A person changes wallets every `wallet_days`; the token stays, the age of the account begins again.

    `device_numbers` gives the devices of accounts and then of shops their shuffled numbers. `arrived_day` is of the
    tourists, rising.
    """

    size: Size
    token: np.ndarray
    device: np.ndarray
    device_numbers: np.ndarray
    opened_day: np.ndarray
    wallet_days: np.ndarray
    real_name: np.ndarray
    anonymous: np.ndarray
    credit_share: np.ndarray
    arrived_day: np.ndarray

    def age_days(self, account: np.ndarray, day: np.ndarray) -> np.ndarray:
        """How old each account was on each day, int64; 0 where it is not open yet."""
        return np.asarray(np.maximum(0, day - self.opened_day[account]) % self.wallet_days[account])

    def residents(self, district: int) -> tuple[int, int]:
        """The first account of a district's residents, and how many they are."""
        count = self.size.residents // self.size.districts
        return district % self.size.districts * count, count

    def villagers(self, village: int, shop: int, shops: int) -> np.ndarray:
        """The accounts of the villagers who use the `shop`-th of a village's shops, and no other."""
        count = self.size.villagers // self.size.villages
        return self.size.residents + village * count + np.arange(shop, count, shops)

    def tourists(self, day: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """A tourist in town on each day, by a chance between 0 and 1."""
        first = np.searchsorted(self.arrived_day, day - _STAY_DAYS + 1)
        count = np.maximum(1, np.searchsorted(self.arrived_day, day, side="right") - first)
        found = np.minimum(first + (chance * count).astype(int), self.size.tourists - 1)
        return np.asarray(self.size.residents + self.size.villagers + found)

    @property
    def bought(self) -> tuple[int, int]:
        """The first bought account, and how many there are, oldest first."""
        return self.size.residents + self.size.villagers + self.size.tourists, self.size.bought

    def relatives(self, owner: int, count: int) -> np.ndarray:
        """Residents next to an owner."""
        return np.asarray((owner + 1 + np.arange(count)) % self.size.residents)


def people_of(seed: int, size: Size) -> People:
    """Bought accounts are younger and seldom real-named, and several are run from one device; so are some honest."""
    rng = stream(seed, "people")
    honest = size.residents + size.villagers + size.tourists
    count = honest + size.bought
    device = np.arange(count)
    shares = np.flatnonzero(rng.random(size.residents - 1) < _HOUSEHOLDS) + 1
    device[shares] = shares - 1
    farmed = honest + np.flatnonzero(rng.random(size.bought) < _FARMED)
    device[farmed] = honest + (farmed - honest) // _ACCOUNTS_A_DEVICE
    opened = -rng.integers(20, 2500, count)
    opened[honest:] = np.sort(rng.integers(-1200, size.days // 2, size.bought))
    settled = rng.random(size.districts)[np.arange(count) * size.districts // size.residents % size.districts]
    low, high = _REAL_NAMED
    named = np.where(np.arange(count) < honest, low + (high - low) * settled, _BOUGHT_REAL_NAMED)
    wallet = _WALLET_DAYS[0] + (settled * (_WALLET_DAYS[1] - _WALLET_DAYS[0]) * rng.random(count)).astype(int)
    return People(
        size=size,
        token=rng.permutation(count),
        device=device,
        device_numbers=rng.permutation(count + size.merchants),
        opened_day=opened,
        wallet_days=np.where(np.arange(count) < honest, wallet, _WALLET_DAYS[1]),
        real_name=rng.random(count) < named,
        anonymous=rng.random(count) < _ANONYMOUS,
        credit_share=rng.beta(0.6, 2.0, count),
        arrived_day=np.sort(rng.integers(0, size.days, size.tourists)),
    )
