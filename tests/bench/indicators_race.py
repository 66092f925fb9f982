"""`python -m tests.bench.indicators_race`: 5,000 windowed indicators of one merchant: the engine, DuckDB and Polars.

One merchant, a year, 20,000 payments, one core. The peers compute from payments that they hold as columns of their own;
the engine once from payments too, as it does when its state is made anew, and once from the state that it keeps. The
times are medians; ratios come first, and hold where times do not. All answers are compared. Exit code 1 where any is
unequal.
"""

import os

os.environ |= dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from tests.bench.indicators_in_duckdb import InDuckDB
from tests.bench.indicators_in_polars import InPolars

from fanxing.indicators import questions
from fanxing.indicators.history import EMPTY, PaymentHistory, fold
from fanxing.indicators.local_time import DAY_US, local_us
from fanxing.indicators.plan import Plan, plan_of
from fanxing.indicators.state import state_of
from fanxing.payments import CodeKind, Instrument, PaymentKind, RecordedPayment

ZONE, CONTROLLER, NOW_US = "Asia/Shanghai", "payer-1", 1_790_000_000_000_000
PAYMENTS, DAYS, PEOPLE = 20_000, 365, 5000
WITHIN = 1e-9


def merchant(rng: np.random.Generator) -> list[RecordedPayment]:
    """A year of receipts, an outflow in 20 and a refund in 100 of them; few payers come often, many once."""
    at = np.sort(NOW_US - (rng.random(PAYMENTS) * DAYS * DAY_US).astype("i8")).tolist()
    people, found = rng.zipf(1.3, PAYMENTS) % PEOPLE, []
    for place, occurred_us in enumerate(at):
        kind = PaymentKind(rng.choice(["RECEIPT", "OUTFLOW", "REFUND"], p=[0.94, 0.05, 0.01]))
        refund = kind is PaymentKind.REFUND and found
        found.append(
            RecordedPayment(
                merchant_id="m",
                payment_id=str(place),
                payer_token=f"payer-{people[place]}" if rng.random() < 0.9 else "",
                amount_fen=1 + int(rng.lognormal(7.2, 0.8)),
                occurred_us=occurred_us,
                kind=kind,
                refund_of=str(rng.integers(place)) if refund else "",
                instrument=list(Instrument)[rng.integers(4)],
                code_kind=list(CodeKind)[rng.integers(3)],
                payer_real_name=bool(rng.integers(2)),
                payer_account_age_days=int(rng.integers(2000)),
                balance_after_fen=int(rng.integers(10**6)) if rng.random() < 0.5 else None,
                merchant_seq=place + 1,
                known_us=occurred_us,
                content_hash="",
            )
        )
    return found


def timed(call: Callable[[], np.ndarray], seconds: float) -> tuple[float, float, np.ndarray]:
    """Median milliseconds on the processor and on the clock, and the answer."""
    answer, processor, clock, end = call(), [], [], time.perf_counter() + seconds
    while len(clock) < 3 or time.perf_counter() < end:
        start = time.process_time(), time.perf_counter()
        answer = call()
        processor.append(time.process_time() - start[0])
        clock.append(time.perf_counter() - start[1])
    return 1e3 * float(np.median(processor)), 1e3 * float(np.median(clock)), answer


def unequal(values: np.ndarray, expected: np.ndarray) -> int:
    """How many differ by more than rounding."""
    return int((~np.isclose(values, expected, rtol=WITHIN, atol=0, equal_nan=True)).sum())


def race(payments: list[RecordedPayment], asked: list[questions.Question], seconds: float, console: Console) -> int:
    """The engine and both peers on the same questions; returns how many answers were unequal."""
    history, plan = fold(EMPTY, payments), plan_of(asked)
    today = int(local_us(np.array([NOW_US]), ZONE)[0] // DAY_US)
    state = state_of(history, CONTROLLER, ZONE, NOW_US, b"key")
    names = [each.name for each in asked]
    moments = {"zone": ZONE, "as_of": NOW_US, "known": NOW_US, "refunds": NOW_US}
    on = date(1970, 1, 1) + timedelta(days=today)
    kept = timed(lambda: plan.answer(state, today), seconds)

    def anew() -> np.ndarray:
        unread = PaymentHistory(history._buffer, history.through_seq)  # which remembers no state
        return plan.answer(state_of(unread, CONTROLLER, ZONE, NOW_US, b"key"), today)

    times = {
        "engine": kept,
        "engine, state made anew": timed(anew, seconds),
        "DuckDB": timed(InDuckDB(payments, names, on, moments, CONTROLLER).answer, seconds),
        "Polars": timed(InPolars(payments, names, on, moments, CONTROLLER).answer, seconds),
    }
    wrong = 0
    for name, (processor, clock, answer) in times.items():
        to_anew = processor / times["engine, state made anew"][0]
        apart = unequal(answer, kept[2])
        console.print(
            f"{processor / kept[0]:8.1f} x the engine, {to_anew:6.1f} x with its state made anew   {name:24}"
            f"{processor:9.2f} ms processor {clock:9.2f} ms clock   {apart} of {len(asked)} unequal"
        )
        wrong += apart
    return wrong


def families(state: bytes, today: int, catalogue: list[questions.Question], seconds: float, console: Console) -> None:
    """Each family alone, then all."""
    by_name = defaultdict(list)
    for each in catalogue:
        by_name[each.family.name].append(each)
    for name, asked in (*by_name.items(), ("all", catalogue)):
        plan: Plan = plan_of(asked)
        processor, clock, _ = timed(lambda plan=plan: plan.answer(state, today), seconds)
        console.print(f"{name:26}{len(asked):7} {processor:9.3f} ms processor {clock:9.3f} ms clock")


def main(
    number: Annotated[int, typer.Option("--questions")] = 5000,
    seconds: Annotated[float, typer.Option(help="for each time")] = 3.0,
    seed: int = 1,
) -> None:
    """Races, then tells the engine's families."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rng, console = np.random.default_rng(seed), Console(highlight=False, width=160)
    payments, catalogue = merchant(rng), list(questions.questions())
    asked = [catalogue[place] for place in rng.choice(len(catalogue), number, replace=False)]
    wrong = race(payments, asked, seconds, console)
    today = int(local_us(np.array([NOW_US]), ZONE)[0] // DAY_US)
    families(state_of(fold(EMPTY, payments), CONTROLLER, ZONE, NOW_US, b"key"), today, catalogue, seconds / 10, console)
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
