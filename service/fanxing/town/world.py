"""The market town, size S: a simulated world with known truth. Nothing here was fitted to any bank's data.

200 merchants and 6,000 payers in five districts trade for 120 days; the same seed gives the same town. What the engine
may see are merchants, facts and payments; the truth (who is genuine, who cheats, who would default) stands apart.
"""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
from msgspec import structs

from fanxing.facts import Debt, Fact, FactKind, Works, WorksKind
from fanxing.merchants import Merchant
from fanxing.payments import CodeKind, Instrument, Payment, PaymentKind

FIRST_DAY, DAYS = date(2026, 5, 1), 120
CURRENCY, TIME_ZONE, UTC_OFFSET_HOURS = "CNY", "Asia/Shanghai", 8
MERCHANTS, DISTRICTS, PEOPLE = 200, 5, 1200
_BOUGHT, _RELATIVES = 6000, 7000
"""From where bought accounts and self-payers' relatives are numbered: after the town's people, and like them."""
DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade: median ticket in fen, mean receipts a day, peak hours, margin kept of receipts in truth."""

    ticket_fen: int
    per_day: float
    hours: tuple[int, ...]
    margin: float


TRADES = {
    "canteen": Trade(1800, 13, (8, 12, 12, 18, 19), 0.28),
    "buns": Trade(900, 16, (6, 7, 7, 8), 0.27),
    "fruit": Trade(2200, 9, (10, 17, 18, 19), 0.22),
    "services": Trade(4000, 5, (10, 14, 16, 20), 0.38),
}


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant and the truth about it: what it is ("honest", "twin", "self", "ring"), payers, chance of default."""

    merchant: Merchant
    kind: str
    genuine_payers: int
    default_probability: float


@dataclass(slots=True)
class Town:
    """`shops` with their truth; what is visible: `facts`, and `payments` by day of happening, in order."""

    seed: int
    shops: list[Shop] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    payments: list[list[Payment]] = field(default_factory=lambda: [[] for _ in range(DAYS)])
    twins: tuple[tuple[str, str], ...] = ()


def day_us(day: int) -> int:
    """The local beginning of the town's day, in microseconds UTC."""
    return ((FIRST_DAY + timedelta(days=day)) - _EPOCH).days * DAY_US - UTC_OFFSET_HOURS * HOUR_US


def build_town(seed: int, merchants: int = MERCHANTS) -> Town:
    """The town of a seed. The last 12 merchants are two twins of earlier ones, four self-payers and a ring of six.

    Tokens and names tell nothing of that.
    """
    rng = np.random.default_rng(seed)
    town = Town(seed)
    for number in range(merchants - 12):
        _open_honest(town, rng, number)
    _open_twins(town)
    for number in range(merchants - 10, merchants - 6):
        _open_self_payer(town, rng, number)
    accounts = [f"payer-{_BOUGHT + number}" for number in range(60)]
    for number in range(merchants - 6, merchants):
        _open_ring_member(town, rng, number, accounts)
    for day in town.payments:
        day.sort(key=lambda payment: (payment.occurred_us, payment.merchant_id, payment.payment_id))
    return town


def _merchant(number: int, category: str, age_days: int, frontage: float) -> Merchant:
    opened = FIRST_DAY - timedelta(days=age_days)
    return Merchant(
        merchant_id=f"m{number:04d}",
        name=f"{category} {number}",
        category=category,
        opened_on=opened,
        code_activated_on=FIRST_DAY,
        place=f"district-{number % DISTRICTS}",
        frontage=frontage,
        controller_token=f"owner-{number}",
        licence_token=f"licence-{number}",
        payout_account_token=f"account-{number}",
        phone_token=f"phone-{number}",
        device_token=f"device-{number}",
        time_zone="",
    )


def _open_honest(town: Town, rng: np.random.Generator, number: int, age_days: int | None = None) -> None:
    category = list(TRADES)[int(rng.integers(len(TRADES)))]
    trade, size = TRADES[category], float(np.exp(rng.normal(0, 0.5)))
    age = int(rng.choice([0, 0, 400, 900])) if age_days is None else age_days
    merchant = _merchant(number, category, age, round(float(rng.uniform(0.5, 1)), 2))
    home = number % DISTRICTS * PEOPLE
    regulars = home + rng.choice(PEOPLE, size=int(40 + 80 * size), replace=False)
    trend = float(rng.normal(0, 0.15))
    payers = _trade(town, rng, merchant, trade, regulars, size, trend)
    debt = bool(rng.random() < 0.2)
    squeeze = 1.6 * debt - 2.5 * trend - 0.6 * np.log(size) - 4.2
    town.shops.append(Shop(merchant, "honest", payers, float(1 / (1 + np.exp(-squeeze)))))
    _tell_debt(town, merchant, owes_fen=int(size * 300_000) if debt else 0)


def _trade(
    town: Town,
    rng: np.random.Generator,
    merchant: Merchant,
    trade: Trade,
    regulars: np.ndarray,
    size: float,
    trend: float,
) -> int:
    """Receipts of regulars and passers-by, some refunds, daily outflows; returns how many genuine payers there were."""
    seen: set[int] = set()
    balance = 500_000
    for day in range(DAYS):
        weekend = (FIRST_DAY + timedelta(days=day)).weekday() >= 5
        count = int(rng.poisson(trade.per_day * size * (1 + trend * day / DAYS) * (1.2 if weekend else 0.95)))
        people = np.where(
            rng.random(count) < 0.7,
            regulars[rng.integers(len(regulars), size=count)],
            rng.integers(DISTRICTS * PEOPLE, size=count),
        )
        tickets = np.maximum(300, trade.ticket_fen * np.exp(rng.normal(0, 0.5, count))).astype(int)
        times = np.sort(rng.choice(trade.hours, count) * HOUR_US + rng.integers(HOUR_US, size=count))
        for place, (person, ticket, time) in enumerate(
            zip(people.tolist(), tickets.tolist(), times.tolist(), strict=True)
        ):
            balance += ticket
            receipt = _receipt(merchant, f"{day}-{place}", person, ticket, day_us(day) + time, balance)
            town.payments[day].append(receipt)
            if rng.random() < 0.004 and day + 2 < DAYS:
                town.payments[day + 2].append(_refund(receipt))
        seen.update(people.tolist())
        spent = int(tickets.sum() * float(rng.uniform(0.5, 0.95)))
        if spent:
            balance -= spent
            town.payments[day].append(_outflow(merchant, day, spent, balance))
    return len(seen)


def _receipt(merchant: Merchant, label: str, person: int, fen: int, at_us: int, balance: int) -> Payment:
    """People differ in what is known of them, always in the same way."""
    return Payment(
        merchant_id=merchant.merchant_id,
        payment_id=f"r{label}",
        payer_token=f"payer-{person}" if person % 20 else "",
        amount_fen=fen,
        occurred_us=at_us,
        kind=PaymentKind.RECEIPT,
        instrument=(Instrument.BALANCE, Instrument.DEBIT, Instrument.CREDIT)[person % 7 % 3],
        channel="qr",
        code_kind=CodeKind.MERCHANT,
        device_token=f"phone-of-{person}",
        payer_real_name=person % 10 != 0,
        payer_account_age_days=60 + person % 3000,
        balance_after_fen=balance,
    )


def _refund(receipt: Payment) -> Payment:
    return structs.replace(
        receipt,
        payment_id=f"b{receipt.payment_id}",
        kind=PaymentKind.REFUND,
        refund_of=receipt.payment_id,
        occurred_us=receipt.occurred_us + 2 * DAY_US,
        balance_after_fen=None,
    )


def _outflow(merchant: Merchant, day: int, fen: int, balance: int) -> Payment:
    return Payment(
        merchant_id=merchant.merchant_id,
        payment_id=f"o{day}",
        amount_fen=fen,
        occurred_us=day_us(day) + 21 * HOUR_US,
        kind=PaymentKind.OUTFLOW,
        channel="bank",
        balance_after_fen=balance,
    )


def _tell_debt(town: Town, merchant: Merchant, owes_fen: int) -> None:
    """A credit report was asked for; it tells a debt only where there is one, and one in three is not told."""
    report = Fact(
        fact_id="",
        merchant_id=merchant.merchant_id,
        kind=FactKind.CREDIT_REPORT,
        valid_from=FIRST_DAY,
        valid_to=None,
        source="credit-bureau",
        none_found=False,
        works=None,
        debt=None,
        link=None,
        supersedes="",
        fact_seq=0,
        known_us=0,
    )
    town.facts.append(report)
    told = owes_fen and int(merchant.merchant_id[1:]) % 3
    if not told:
        town.facts.append(replace(report, kind=FactKind.DEBT, none_found=True))
    else:
        debt = Debt(
            balance_fen=owes_fen, monthly_service_fen=owes_fen // 12, matures_on=FIRST_DAY + timedelta(days=365)
        )
        town.facts.append(replace(report, kind=FactKind.DEBT, debt=debt))


def _open_twins(town: Town) -> None:
    """Two honest shops on the street get a twin that differs only in the works announced before its door."""
    pairs = []
    for place in range(2):
        opened = town.shops[place]
        shop = town.shops[place] = replace(opened, merchant=replace(opened.merchant, frontage=1.0))
        number = len(town.shops)
        twin = replace(
            _merchant(number, shop.merchant.category, 0, shop.merchant.frontage),
            opened_on=shop.merchant.opened_on,
            place=shop.merchant.place,
        )
        town.shops.append(Shop(twin, "twin", shop.genuine_payers, shop.default_probability))
        for day in town.payments:
            copies = [payment for payment in day if payment.merchant_id == shop.merchant.merchant_id]
            day += [structs.replace(payment, merchant_id=twin.merchant_id) for payment in copies]
        own = [fact for fact in town.facts if fact.merchant_id == shop.merchant.merchant_id]
        town.facts += [replace(fact, merchant_id=twin.merchant_id) for fact in own]
        last = FIRST_DAY + timedelta(days=DAYS)
        kind = (WorksKind.METRO, WorksKind.PIPES)[place]
        town.facts.append(
            replace(
                own[0], merchant_id=twin.merchant_id, kind=FactKind.WORKS, works=Works(kind=kind), none_found=False,
                valid_from=last, valid_to=last + timedelta(days=182), source="city-works-bureau", debt=None,
            )
        )  # fmt: skip
        pairs.append((shop.merchant.merchant_id, twin.merchant_id))
    town.twins = tuple(pairs)


def _open_self_payer(town: Town, rng: np.random.Generator, number: int) -> None:
    """The owner pays, and so do a dozen accounts of relatives, all from the shop's own device; nobody else does."""
    merchant = _merchant(number, "canteen", 0, 0.5)
    town.shops.append(Shop(merchant, "self", 0, 0.6))
    for day in range(DAYS):
        for place in range(10):
            relative = f"payer-{_RELATIVES + 12 * number + int(rng.integers(12))}" if place else ""
            payer = relative or merchant.controller_token
            town.payments[day].append(_fake(merchant, f"{day}-{place}", payer, merchant.device_token, rng, day))


def _open_ring_member(town: Town, rng: np.random.Generator, number: int, accounts: list[str]) -> None:
    """Six shops pay each other by the same bought accounts, so that each vouches for the others' payers."""
    merchant = _merchant(number, "canteen", 400, 0.5)
    town.shops.append(Shop(merchant, "ring", 0, 0.6))
    for day in range(DAYS):
        for place in range(10):
            account = accounts[int(rng.integers(len(accounts)))]
            town.payments[day].append(_fake(merchant, f"{day}-{place}", account, f"phone-of-{account}", rng, day))


def _fake(merchant: Merchant, label: str, payer: str, device: str, rng: np.random.Generator, day: int) -> Payment:
    honest = _receipt(merchant, label, 1, int(1800 * np.exp(rng.normal(0, 0.4))), day_us(day) + 12 * HOUR_US, 0)
    return structs.replace(
        honest,
        payer_token=payer,
        device_token=device,
        payer_real_name=False,
        payer_account_age_days=30,
        occurred_us=honest.occurred_us + int(rng.integers(HOUR_US)),
        balance_after_fen=None,
    )
