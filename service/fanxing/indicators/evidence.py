"""Genuine breadth of trade: evidence B, clean receipts R and sustainable receipts S. Source: limit-and-price 1 to 7.

Each is made so that one more receipt never lowers it, with graph and flags as they are: sums of capped amounts, a
max-flow, and a median over months that are counted from the code's activation and not from the first receipt.
"""

import numpy as np

from fanxing.indicators.graph import LAG_DAYS, PAYER_MIN_FEN, PayerGraph, evidence, wallet_evidence
from fanxing.indicators.history import UNKNOWN, PaymentHistory
from fanxing.indicators.local_time import DAY_US
from fanxing.indicators.receipts import Receipts
from fanxing.merchants import Merchant

MEDIAN_TICKET_FEN = {"canteen": 1500, "buns": 800, "fruit": 2000, "services": 4000, "farm": 4000}
MEDIAN_TICKET_OTHER_FEN = 2000
"""Peers' median tickets are an assumption until peers are measured; the merchant's own would fall as small receipts
are added, and with it the cap on large ones."""
CAP_TICKETS = 10
_PARTS = 24
"""Clean receipts are summed in whole 24ths of a fen, so that neither order nor number of payers moves the last bit."""
ACCOUNT_AGE_DAYS_MIN = 180
ACTIVE_WEEKS_MIN = 3
_EPOCH_ORDINAL = 719_163
"""date(1970, 1, 1).toordinal()."""
Values = dict[str, float | None]


def evidence_of(merchant: Merchant, history: PaymentHistory, trade: Receipts, graph: PayerGraph, today: int) -> Values:
    """B, R, S and what they are made of. `today` is the local day since 1970."""
    tokens = history.payer_tokens
    net = _net_between(trade, LAG_DAYS, LAG_DAYS + 90, len(tokens))
    genuine = _genuine(merchant, history, trade, len(tokens))
    counted = np.flatnonzero((net >= PAYER_MIN_FEN) & genuine)
    wallets = _wallets(trade, len(tokens))
    vouching = graph.vouching_for(tokens, graph.own(merchant))
    vouched_by = [vouching[payer] for payer in counted]
    weights = _weights(vouching, wallets) * genuine
    months = [_clean_month(merchant, trade, month, weights) for month in range(6)]
    return {
        "evidence_b": evidence(vouched_by, wallets[counted].tolist()),
        "evidence_wallet": wallet_evidence(wallets[counted].tolist()),
        "payers_vouched_90d": sum(map(bool, vouched_by)),
        "clean_receipts_30d_fen": sum(months) / (6 * _PARTS),
        "sustainable_receipts_fen": _sustainable(months, merchant, today) / _PARTS,
        "receipts_month_fen": _sustainable([_month(trade, month) for month in range(6)], merchant, today),
    }


def _between(trade: Receipts, first_day: int, last_day: int) -> slice:
    return slice(trade.within(first_day), trade.within(last_day))


def _net_between(trade: Receipts, first_day: int, last_day: int, count: int) -> np.ndarray:
    """Net fen by payer of the receipts with first_day <= age < last_day."""
    chosen = _between(trade, first_day, last_day)
    known = trade.payer[chosen] != UNKNOWN
    net = np.zeros(count, dtype="i8")
    np.add.at(net, trade.payer[chosen][known], trade.net_fen[chosen][known])
    return net


def _genuine(merchant: Merchant, history: PaymentHistory, trade: Receipts, count: int) -> np.ndarray:
    """Whether phi is above 0: not the controller, not on the merchant's device, not half sent back within 14 days.

    Receipts sent back in whole tell of a payer too.
    """
    genuine = np.ones(count, dtype=bool)
    for token in (merchant.controller_token, merchant.payout_account_token):
        if history.payers.get(token, count) < count:
            genuine[history.payers[token]] = False
    known = trade.all_payer != UNKNOWN
    payer = trade.all_payer[known]
    if merchant.device_token in history.devices:
        genuine[payer[trade.all_device[known] == history.devices[merchant.device_token]]] = False
    gross, early = np.zeros(count, dtype="i8"), np.zeros(count, dtype="i8")
    np.add.at(gross, payer, trade.all_gross_fen[known])
    np.add.at(early, payer, trade.all_returned_early_fen[known])
    return np.asarray(genuine & (2 * early < np.maximum(gross, 1)))


def _wallets(trade: Receipts, count: int) -> np.ndarray:
    """Payers whose wallet is evidence: real name, account 180 days old, here in three different weeks of 90 days."""
    proper = (trade.all_real_name == 1) & (trade.all_account_age_days >= ACCOUNT_AGE_DAYS_MIN)
    named = np.zeros(count, dtype=bool)
    named[trade.all_payer[proper & (trade.all_payer != UNKNOWN)]] = True
    recent = _between(trade, LAG_DAYS, LAG_DAYS + 90)
    payer, week = trade.payer[recent], trade.local_us[recent] // (7 * DAY_US)
    known = payer != UNKNOWN
    pairs = np.unique(payer[known].astype("i8") << 32 | week[known])
    return np.asarray(named & (np.bincount(pairs >> 32, minlength=count)[:count] >= ACTIVE_WEEKS_MIN))


def _weights(vouching: list[tuple[int, ...]], wallets: np.ndarray) -> np.ndarray:
    """W of each payer in twelfths: a third per vouching cluster up to 1, at least a quarter with wallet evidence."""
    vouched = np.array([len(clusters) for clusters in vouching], dtype="i8")
    return np.asarray(np.maximum(np.minimum(12, 4 * vouched), np.where(wallets, 3, 0)))


def _clean_month(merchant: Merchant, trade: Receipts, month: int, weights: np.ndarray) -> int:
    """R of one 30 days in _PARTS: sum over payers of weight x min(net, kappa), credit-funded receipts at half."""
    chosen = _between(trade, LAG_DAYS + 30 * month, LAG_DAYS + 30 * (month + 1))
    payer, net = trade.payer[chosen], trade.net_fen[chosen]
    known = payer != UNKNOWN
    whole, halves = np.zeros(len(weights), dtype="i8"), np.zeros(len(weights), dtype="i8")
    np.add.at(whole, payer[known], net[known])
    np.add.at(halves, payer[known], np.where(trade.credit[chosen], net, 2 * net)[known])
    kappa = CAP_TICKETS * MEDIAN_TICKET_FEN.get(merchant.category, MEDIAN_TICKET_OTHER_FEN)
    capped = np.minimum(halves, 2 * kappa) * (whole >= PAYER_MIN_FEN)
    return int((weights * capped).sum())


def _month(trade: Receipts, month: int) -> int:
    """Net receipts of one 30 days, from anyone."""
    return int(trade.net_fen[_between(trade, LAG_DAYS + 30 * month, LAG_DAYS + 30 * (month + 1))].sum())


def _sustainable(months: list[int], merchant: Merchant, today: int) -> float:
    """The median over up to six full months since activation; before the first is full, what there is."""
    activated = merchant.activated_on.toordinal() - _EPOCH_ORDINAL
    full = min(6, (today - activated - LAG_DAYS) // 30)
    return float(np.median(months[: max(full, 1)]))
