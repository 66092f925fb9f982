"""`python -m tests.bench.indicators_against_sql --berka FOLDER`: the engine against the oracle on whole populations.

Random questions at random points, a point being a merchant, an `as_of` and a `known_at`, of Berka's bank and of the
town. It prints how many answers were compared, how many were unequal, each family's worst, and the smallest cases. Exit
code 1 where any was unequal.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from tests.indicator_sql import Merchant

from fanxing.indicators import questions
from fanxing.indicators.families import Statistic
from fanxing.indicators.history import EMPTY, PaymentHistory, fold
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.indicators.plan import plan_of
from fanxing.indicators.questions import Question
from fanxing.indicators.state import state_of
from fanxing.payments import Payment, RecordedPayment
from fanxing.town import world
from fanxing.town.feed import news
from fanxing.training import bank

WITHIN, EXACT = 1e-9, {"count", "fen", "day"}
BETWEEN = ("mean", "deviation")
"""Measures in fen that are rounded more than once."""
TOWN_SEED, TOWN_MERCHANTS = 7, 40


@dataclass(frozen=True)
class Population:
    """Merchants' logs and their controllers."""

    name: str
    time_zone: str
    logs: dict[str, list[RecordedPayment]]
    controllers: dict[str, str]


@dataclass
class Tally:
    """What came of the comparing; `unequal` has payments, point, name, engine's and oracle's value."""

    compared: int = 0
    missing: int = 0
    zero: int = 0
    worst: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    unequal: list[tuple[int, str, str, float, float]] = field(default_factory=list)

    def add(self, payments: int, point: str, question: Question, value: float, expected: float) -> None:
        """One answer of each."""
        self.compared += 1
        self.missing += math.isnan(expected)
        self.zero += expected == 0
        apart = difference(value, expected)
        self.worst[question.family.name] = max(self.worst[question.family.name], apart)
        if apart > (0 if is_exact(question) else WITHIN):
            self.unequal.append((payments, point, question.name, value, expected))


def is_exact(question: Question) -> bool:
    """Whether it is a count or a sum, or one of the values themselves."""
    told = question.statistic is Statistic.VALUE and question.definition.unit in EXACT
    return told and not any(word in question.family.name for word in BETWEEN)


def difference(value: float, expected: float) -> float:
    """Relative; 0 where both are missing, infinite where one is."""
    if math.isnan(value) or math.isnan(expected):
        return 0.0 if math.isnan(value) and math.isnan(expected) else math.inf
    return abs(value - expected) / max(abs(value), abs(expected)) if value != expected else 0.0


def logged(log: list[RecordedPayment], payment: Payment, known_us: int) -> None:
    """Appends a payment to a merchant's log."""
    sent = {name: getattr(payment, name) for name in Payment.__struct_fields__}
    log.append(RecordedPayment(**sent, merchant_seq=len(log) + 1, known_us=known_us, content_hash=""))


def berka(folder: Path) -> Population:
    """The bank: a day's movements are known at 23:00."""
    read, logs = bank.read_bank(folder), defaultdict(list)
    for day in sorted(read.payments):
        for payment in read.payments[day]:
            logged(logs[payment.merchant_id], payment, bank.at(day, 23))
    controllers = {name: merchant.controller_token for name, merchant in read.merchants.items()}
    return Population("berka", bank.TIME_ZONE, dict(logs), controllers)


def town() -> Population:
    """The town with refunds, late news and self-payers: a day's payments are known at 23:00, or days later."""
    built, logs = world.build_town(TOWN_SEED, TOWN_MERCHANTS), defaultdict(list)
    for day in range(world.DAYS):
        for payment in news(built, day):
            logged(logs[payment.merchant_id], payment, world.day_us(day + 1) - world.HOUR_US)
    controllers = {shop.merchant.merchant_id: shop.merchant.controller_token for shop in built.shops}
    return Population("town", world.TIME_ZONE, dict(logs), controllers)


def points(population: Population, rng: np.random.Generator, many: int) -> Iterator[tuple[str, int, int]]:
    """Merchant, `as_of` up to 100 days after the last payment, `known_at` up to a week before or after that."""
    names = sorted(population.logs)
    for _ in range(many):
        name = names[int(rng.integers(len(names)))]
        log = population.logs[name]
        as_of = int(rng.integers(log[0].occurred_us, log[-1].occurred_us + 100 * DAY_US))
        yield name, as_of, as_of + int(rng.choice([0, rng.integers(-7 * DAY_US, 7 * DAY_US)]))


def shares(catalogue: list[Question]) -> np.ndarray:
    """How likely each question is drawn: half of all alike, half each family alike, of which few are most of all."""
    families = np.unique([question.family.name for question in catalogue], return_inverse=True)[1]
    sizes = np.bincount(families)
    return 0.5 / len(catalogue) + 0.5 / len(sizes) / sizes[families]


def answered(
    history: PaymentHistory, population: Population, name: str, as_of: int, asked: list[Question]
) -> np.ndarray:
    """The engine's answers."""
    today = int(local_us(np.array([as_of]), population.time_zone)[0] // DAY_US)
    state = state_of(history, population.controllers[name], population.time_zone, as_of, b"institution")
    return plan_of(asked).answer(state, today)


def compared(
    population: Population, rng: np.random.Generator, many: int, asked_many: int, end: float
) -> tuple[Tally, int]:
    """As many points as there is time for."""
    tally, done, catalogue = Tally(), 0, list(questions.questions())
    likely = shares(catalogue)
    for name, as_of, known in points(population, rng, many):
        if time.monotonic() > end:
            break
        asked = [catalogue[place] for place in rng.choice(len(catalogue), asked_many, replace=False, p=likely)]
        log = population.logs[name]
        values = answered(fold(EMPTY, log).known(known), population, name, as_of, asked)
        oracle = Merchant(log, population.time_zone, population.controllers[name])
        expected = oracle.answers([question.name for question in asked], as_of, known)
        for question, value in zip(asked, values.tolist(), strict=True):
            tally.add(len(log), f"{name} as of {as_of} known at {known}", question, value, expected[question.name])
        done += 1
    return tally, done


def report(population: Population, tally: Tally, done: int, console: Console) -> None:
    """Sums first, then each family's worst, then the smallest unequal cases."""
    worst = max(tally.worst.values(), default=0.0)
    console.print(
        f"{population.name}: {done} points, {tally.compared} compared, {len(tally.unequal)} unequal, "
        f"worst relative difference {worst:.2e}; {tally.missing} missing, {tally.zero} zero"
    )
    for family, apart in sorted(tally.worst.items(), key=lambda each: -each[1]):
        console.print(f"  {family:26} {apart:.2e}")
    families = Counter(questions.question_of(name).family.name for _, _, name, _, _ in tally.unequal)
    console.print(f"  unequal: {dict(families)}")
    for payments, point, name, value, expected in sorted(tally.unequal)[:20]:
        console.print(f"  {name}: engine {value!r}, SQL {expected!r}; {payments} payments, {point}", soft_wrap=True)


def main(
    berka_folder: Annotated[Path | None, typer.Option("--berka")] = None,
    seed: int = 1,
    many: Annotated[int, typer.Option("--points")] = 200,
    asked: Annotated[int, typer.Option("--questions")] = 1000,
    seconds: Annotated[float, typer.Option(help="for each population")] = 600.0,
    *,
    town_too: Annotated[bool, typer.Option("--town/--no-town")] = True,
) -> None:
    """Compares, and says what it found."""
    console, wrong = Console(highlight=False), 0
    for population in ([berka(berka_folder)] if berka_folder else []) + ([town()] if town_too else []):
        rng = np.random.default_rng(seed)
        tally, done = compared(population, rng, many, asked, time.monotonic() + seconds)
        report(population, tally, done, console)
        wrong += len(tally.unequal)
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
