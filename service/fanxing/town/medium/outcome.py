"""What would become of a loan: default follows cash flow, as the town's truth has it (`town/default.py`).

The reference loan is what a naive lender would lend: a month of apparent receipts, and at most 20,000 yuan. Every
merchant has an outcome, so that what the declined would have done is known too. All constants are assumptions.
"""

from dataclasses import dataclass

import numpy as np

from fanxing.town.default import default_probability
from fanxing.town.medium.rows import RECEIPT
from fanxing.town.medium.shops import Shop
from fanxing.town.medium.size import Size, stream
from fanxing.town.medium.trades import TRADES

WINDOW_DAYS, YEAR_DAYS = 90, 360
REFERENCE_MAX_FEN = 2_000_000
_BASE, _PER_GROWTH, _UNSEEN_SD = -5.4, -1.5, 0.5
_INTENT = {"": 0.0, "self_payment": 1.0, "bought_accounts": 1.0, "ring": 1.0, "wash_loop": 1.0, "cash_out": 1.5}
_GONE, _BUST = 2.2, 3.5
"""Log-odds of default, whatever is lent, of a shop that has closed, and of one that borrows to be gone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Receipts of the last 90 days in fen, genuine and as they seem; and what would become of the reference loan.

    `log_odds` and `left_fen` are what `default_probability` takes.
    """

    genuine_fen: int
    apparent_fen: int
    loan_fen: int
    log_odds: float
    left_fen: float | None
    default_probability: float
    loss_given_default: float
    defaulted: bool


def outcome_of(seed: int, size: Size, shop: Shop, rows: np.ndarray) -> Outcome:
    """`rows`: all that happened, ROW (n,)."""
    rng = stream(seed, "outcome", shop.number)
    unseen, chance, ease = rng.normal(0, _UNSEEN_SD), rng.random(), rng.normal(0, 0.1)
    receipts = rows[rows["kind"] == RECEIPT]
    trade = receipts[~receipts["fake"]]
    genuine, apparent = (_since(each, size.days - WINDOW_DAYS) for each in (trade, receipts))
    loan = min(REFERENCE_MAX_FEN, apparent // 3)
    left: float | None = _left(shop, _monthly(size, shop, trade))
    odds = _BASE + _PER_GROWTH * _growth(size, shop, trade) + unseen + _INTENT.get(shop.cheat, 0.0)
    if shop.cheat == "bust_out" or shop.closed_day is not None:
        odds, left = _BUST if shop.cheat else _GONE, None
    service = sum(debt.monthly_service_fen for debt in shop.debts)
    terms = (np.array([value], dtype="f8") for value in (odds, service, loan, left))
    probability = float(default_probability(*terms)[0])
    loss = float(np.clip(0.6 + 0.2 * bool(shop.cheat) + ease, 0.2, 1))
    return Outcome(genuine, apparent, loan, odds, left, probability, loss, bool(chance < probability))


def _since(receipts: np.ndarray, first: int, last: int = 1 << 30) -> int:
    """Fen received on days from `first` to before `last`."""
    return int(receipts["amount_fen"][(receipts["day"] >= first) & (receipts["day"] < last)].sum())


def _monthly(size: Size, shop: Shop, trade: np.ndarray) -> float:
    """Genuine receipts of 30 days in fen, mean over the last year or since opening: seasons and harvests come again."""
    first = max(size.days - YEAR_DAYS, shop.opened_day, 0)
    return 30 * _since(trade, first) / max(1, size.days - first)


def _growth(size: Size, shop: Shop, trade: np.ndarray) -> float:
    """Log of the last 90 days' trade over that of the 90 before; of seasonal trades it says nothing."""
    earlier = _since(trade, size.days - 2 * WINDOW_DAYS, size.days - WINDOW_DAYS)
    if shop.season or shop.trade == "farm" or not earlier or shop.opened_day > size.days - 2 * WINDOW_DAYS:
        return 0.0
    return float(np.clip(np.log((_since(trade, size.days - WINDOW_DAYS) + 1) / earlier), -1, 1))


def _left(shop: Shop, monthly_fen: float) -> float:
    """What trade leaves a month in fen: receipts by code and the cash beside them, at the trade's margin."""
    return TRADES[shop.trade].margin * monthly_fen / (1 - shop.cash_share)
