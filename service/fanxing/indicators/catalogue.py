"""The catalogue: every indicator by name, with its unit, its meaning and what it is when nothing is known.

Names read aloud: measure, unit where it is money, window. A window of w days holds what happened less than w x 24 hours
before the moment asked for, and not after it. Amounts are fen. Refunds reduce the receipt that they send back, at that
receipt's time.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

MISSING, ZERO = "missing", "zero"


@dataclass(frozen=True, slots=True)
class Definition:
    """One indicator. `missing` tells what it is when nothing is known: "missing" (NaN) or "zero"."""

    name: str
    unit: str
    meaning: str
    missing: str


_WINDOWED: tuple[tuple[str, tuple[int, ...], str, str, str], ...] = (
    ("receipts_count_{}d", (7, 30, 90, 180, 365), "count", "receipts not sent back in whole", ZERO),
    ("receipts_fen_{}d", (7, 30, 90, 180, 365), "fen", "sum of receipts net of refunds", ZERO),
    ("receipts_mean_fen_{}d", (30, 90, 180), "fen", "mean net receipt", MISSING),
    ("receipts_max_fen_{}d", (30, 90, 180), "fen", "largest net receipt", MISSING),
    ("receipts_deviation_fen_{}d", (90,), "fen", "standard deviation of net receipts", MISSING),
    ("payers_distinct_{}d", (7, 30, 90, 180, 365), "count", "known payers with a net receipt", ZERO),
    ("payers_new_{}d", (30,), "count", "known payers first seen in the window", ZERO),
    ("payers_returning_{}d", (30,), "count", "known payers of the window seen before it", ZERO),
    ("payer_repeat_rate_{}d", (90,), "ratio", "share of known payers with two receipts or more", MISSING),
    ("payer_top_share_{}d", (30, 90), "ratio", "largest known payer's share of net receipts", MISSING),
    ("outflow_count_{}d", (30, 90, 180), "count", "outflows", ZERO),
    ("outflow_fen_{}d", (7, 30, 90, 180, 365), "fen", "sum of outflows", ZERO),
    ("net_flow_fen_{}d", (30, 90, 180), "fen", "net receipts less outflows", ZERO),
    ("balance_min_fen_{}d", (30, 90, 180, 365), "fen", "lowest balance told", MISSING),
    ("balance_mean_fen_{}d", (30, 90, 180), "fen", "mean of the balances told", MISSING),
    ("balance_deviation_fen_{}d", (90, 180), "fen", "standard deviation of the balances told", MISSING),
    ("balance_negative_count_{}d", (90, 365), "count", "times that the balance told was negative", ZERO),
    ("refund_count_{}d", (30, 90), "count", "receipts of the window sent back, whole or in part", ZERO),
    ("refund_share_{}d", (30, 90), "ratio", "share of the window's gross receipts sent back", MISSING),
    ("active_days_{}d", (30, 90, 180), "day", "local days with a receipt", ZERO),
    ("longest_gap_days_{}d", (90, 180), "day", "longest run of local days without a receipt since the first", MISSING),
    ("night_share_{}d", (90,), "ratio", "share of receipts between 0 and 6 o'clock local", MISSING),
    ("credit_share_{}d", (90,), "ratio", "share of net receipts funded by credit", MISSING),
    ("personal_code_share_{}d", (90,), "ratio", "share of net receipts by a personal code", MISSING),
    ("self_payment_share_{}d", (90,), "ratio", "share of net receipts paid by the controller", MISSING),
    (
        "shared_device_share_{}d",
        (90,),
        "ratio",
        "share of net receipts from the merchant's own device or one that five payers or more share",
        MISSING,
    ),
    (
        "receipts_trend_{}d",
        (90,),
        "ratio",
        "net receipts of the last 30 days over the mean of the two 30 days before",
        MISSING,
    ),
    ("payers_vouched_{}d", (90,), "count", "known payers whom another cluster of merchants vouches for", ZERO),
)

_PLAIN: tuple[tuple[str, str, str, str], ...] = (
    ("balance_last_fen", "fen", "the balance told last", MISSING),
    ("days_since_last_payment", "day", "since the last payment of any kind", MISSING),
    ("days_since_first_payment", "day", "since the first payment of any kind", MISSING),
    ("months_of_trade", "month", "since the first receipt, in months of 30.4375 days", ZERO),
    ("clean_receipts_30d_fen", "fen", "clean receipts per 30 days, of those aged 7 to 187 days", ZERO),
    ("sustainable_receipts_fen", "fen", "median clean month of up to six, per month", ZERO),
    ("receipts_month_fen", "fen", "median month of net receipts from anyone, of up to six", ZERO),
    ("evidence_b", "payer", "evidence of genuine payers over 90 days: the max-flow B", ZERO),
    ("evidence_wallet", "payer", "evidence from wallets alone, without other merchants", ZERO),
    ("works_metro_exposure", "ratio", "share of the term under metro works, times frontage", ZERO),
    ("works_pipes_exposure", "ratio", "share of the term under pipe works, times frontage", ZERO),
    ("debt_outside_fen", "fen", "balance of debts outside; 0 when asked for and none found", MISSING),
    ("debt_service_monthly_fen", "fen", "monthly service of those debts", MISSING),
    ("debt_asked", "flag", "1 when debts were asked for", ZERO),
    ("credit_report_asked", "flag", "1 when a credit report was asked for", ZERO),
    ("requested_amount_fen", "fen", "asked for; missing when as much as possible", MISSING),
    ("requested_term_months", "month", "asked for, or the product's own", MISSING),
    ("requested_instalment_fen", "fen", "amount over term", MISSING),
    ("requested_instalment_to_receipts_90d", "ratio", "that over a third of the net receipts of 90 days", MISSING),
    ("requested_amount_to_balance_180d", "ratio", "amount over the mean balance of 180 days", MISSING),
    ("net_flow_to_instalment_180d", "ratio", "monthly net flow of 180 days over that instalment", MISSING),
    ("lines_open", "count", "credit lines open here", ZERO),
    ("outstanding_fen", "fen", "reserved and drawn here", ZERO),
    ("group_outstanding_fen", "fen", "limits of other merchants under the same controller", ZERO),
    ("previous_limit_fen", "fen", "highest line opened here in the last 30 days", MISSING),
    ("instalments_paid_on_time", "count", "instalments paid on time here", ZERO),
    ("funder_headroom_fen", "fen", "what the funder can still lend; missing when not limited", MISSING),
)


def _definitions() -> Iterator[Definition]:
    for pattern, windows, unit, meaning, missing in _WINDOWED:
        for window in windows:
            yield Definition(pattern.format(window), unit, f"{meaning}, {window} days", missing)
    for plain in _PLAIN:
        yield Definition(*plain)


CATALOGUE: tuple[Definition, ...] = tuple(_definitions())
NAMES: tuple[str, ...] = tuple(definition.name for definition in CATALOGUE)
INDEX: dict[str, int] = {name: place for place, name in enumerate(NAMES)}
GRAPH_NAMES = frozenset(
    {"clean_receipts_30d_fen", "sustainable_receipts_fen", "evidence_b", "evidence_wallet", "payers_vouched_90d"}
)
"""The indicators that read the payer graph."""
assert len(INDEX) == len(NAMES), "a name stands once in the catalogue"


@cache
def catalogue_digest() -> str:
    """SHA-256 (hex) over every definition in order."""
    text = "\n".join(f"{each.name}\t{each.unit}\t{each.meaning}\t{each.missing}" for each in CATALOGUE)
    return hashlib.sha256(text.encode()).hexdigest()
