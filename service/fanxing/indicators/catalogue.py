"""The catalogue: every indicator by name, with its unit, its meaning and what it is when nothing is known.

Most are windowed (questions.py): a measure of filtered payments in a window, computed by the core. The plain ones stand
below. Some of both are told as a rank among peers too (peers.py). Amounts are fen.
"""

import hashlib
from collections.abc import Iterator
from functools import cache

from fanxing.indicators import facets, families, known_through, peers, public_holidays, windows
from fanxing.indicators.definition import MISSING, ZERO, Definition
from fanxing.indicators.peers import RANKS
from fanxing.indicators.questions import question_of, questions_with

PLAIN: dict[str, Definition] = {
    name: Definition(name, unit, meaning, missing)
    for name, unit, meaning, missing in (
        ("net_flow_fen_30d", "fen", "net receipts less outflows in the last 30 days", ZERO),
        ("net_flow_fen_90d", "fen", "net receipts less outflows in the last 90 days", ZERO),
        ("net_flow_fen_180d", "fen", "net receipts less outflows in the last 180 days", ZERO),
        ("refund_share_30d", "ratio", "share of the receipts in the last 30 days that was sent back", MISSING),
        ("refund_share_90d", "ratio", "share of the receipts in the last 90 days that was sent back", MISSING),
        (
            "receipts_trend_90d",
            "ratio",
            "receipts of the last 30 days over the mean of the two 30 days before",
            MISSING,
        ),
        (
            "shared_device_share_90d",
            "ratio",
            "share of receipts in the last 90 days from the merchant's own device or one of five payers or more",
            MISSING,
        ),
        ("payers_vouched_90d", "count", "known payers whom another cluster of merchants vouches for, 90 days", ZERO),
        ("days_since_last_payment", "day", "since the last payment of any kind", MISSING),
        ("days_since_first_payment", "day", "since the first payment of any kind", MISSING),
        ("feed_lag_hours", "hour", "how long receipts have been unknown: since what the feeds in use told", MISSING),
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
        ("requested_instalment_to_receipts_90d", "ratio", "that over a third of the receipts of 90 days", MISSING),
        ("requested_amount_to_balance_180d", "ratio", "amount over the mean balance of 180 days", MISSING),
        ("net_flow_to_instalment_180d", "ratio", "monthly net flow of 180 days over that instalment", MISSING),
        ("lines_open", "count", "credit lines open here", ZERO),
        ("outstanding_fen", "fen", "reserved and drawn here", ZERO),
        ("group_outstanding_fen", "fen", "limits of other merchants under the same controller", ZERO),
        ("previous_limit_fen", "fen", "highest line opened here in the last 30 days", MISSING),
        ("last_limit_fen", "fen", "newest line opened here, whatever became of it", ZERO),
        ("instalments_paid_on_time", "count", "instalments paid on time here", ZERO),
        ("funder_headroom_fen", "fen", "what the funder can still lend; missing when not limited", MISSING),
    )
}
GRAPH_NAMES = frozenset(
    {"clean_receipts_30d_fen", "sustainable_receipts_fen", "evidence_b", "evidence_wallet", "payers_vouched_90d"}
)
"""The indicators that read the payer graph."""
_STANDARD_WINDOWED = (
    ("receipts_count_{}", "7d 30d 90d 180d 365d"),
    ("receipts_fen_{}", "7d 30d 90d 180d 365d"),
    ("receipts_mean_fen_{}", "30d 90d 180d"),
    ("receipts_max_fen_{}", "30d 90d 180d"),
    ("receipts_deviation_fen_{}", "90d"),
    ("payers_distinct_{}", "7d 30d 90d 180d 365d"),
    ("payers_new_{}", "30d"),
    ("payers_returning_{}", "30d"),
    ("payer_repeat_rate_{}", "90d"),
    ("payer_top_share_{}", "30d 90d"),
    ("outflow_count_{}", "30d 90d 180d"),
    ("outflow_fen_{}", "7d 30d 90d 180d 365d"),
    ("balance_last_fen_{}", "365d"),
    ("balance_min_fen_{}", "30d 90d 180d 365d"),
    ("balance_mean_fen_{}", "30d 90d 180d"),
    ("balance_deviation_fen_{}", "90d 180d"),
    ("balance_negative_count_{}", "90d 365d"),
    ("refunds_count_{}", "30d 90d"),
    ("active_days_{}", "30d 90d 180d"),
    ("longest_gap_days_{}", "90d 180d"),
    ("receipts_count_night_{}_share", "90d"),
    ("receipts_fen_by_credit_{}_share", "90d"),
    ("receipts_fen_personal_code_{}_share", "90d"),
    ("receipts_fen_own_{}_share", "90d"),
)
STANDARD: tuple[str, ...] = (
    *(pattern.format(window) for pattern, spans in _STANDARD_WINDOWED for window in spans.split()),
    *PLAIN,
)
"""The indicators that a person looks at first, and that are shown when none is named."""


def definition_of(name: str) -> Definition | None:
    """What is told of an indicator; None where the catalogue has none of that name."""
    if name in PLAIN:
        return PLAIN[name]
    if name in RANKS:
        ranked = definition_of(RANKS[name])
        assert ranked is not None, "what is ranked is in the catalogue"
        return Definition(name, "ratio", f"{ranked.meaning}: rank among merchants of its category and place", MISSING)
    question = question_of(name)
    return None if question is None else question.definition


def names_with(prefix: str) -> Iterator[str]:
    """All names that begin so, in the order of the catalogue."""
    for question in questions_with(prefix):
        yield question.name
    yield from (name for name in (*PLAIN, *RANKS) if name.startswith(prefix))


@cache
def catalogue_digest() -> str:
    """SHA-256 (hex) over what all definitions follow from."""
    facts = facets.MEANINGS, public_holidays.TABLE
    ranked = peers.ACTIVE, peers.PEERS_MIN, peers.CUTS, peers.BEHIND_DAYS_MAX, peers.STALE_DAYS
    bounds = known_through.IN_USE_DAYS, *ranked
    parts = (families.FAMILIES, windows.ALL, *facts, bounds, tuple(PLAIN.values()), tuple(RANKS))
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()
