"""A reading: which indicators are wanted by name, split into what the core answers, what is plain, what is ranked."""

from dataclasses import dataclass
from functools import lru_cache

from fanxing.indicators.catalogue import GRAPH_NAMES, PLAIN
from fanxing.indicators.peers import RANKS
from fanxing.indicators.plan import Plan, plan_of
from fanxing.indicators.questions import question_of

_NEEDS = {
    "net_flow_fen_30d": ("receipts_fen_30d", "outflow_fen_30d"),
    "net_flow_fen_90d": ("receipts_fen_90d", "outflow_fen_90d"),
    "net_flow_fen_180d": ("receipts_fen_180d", "outflow_fen_180d"),
    "refund_share_30d": ("receipts_fen_30d", "refunds_fen_30d"),
    "refund_share_90d": ("receipts_fen_90d", "refunds_fen_90d"),
    "receipts_trend_90d": ("receipts_fen_30d", "receipts_fen_90d"),
    "requested_instalment_to_receipts_90d": ("receipts_fen_90d",),
    "requested_amount_to_balance_180d": ("balance_mean_fen_180d",),
    "net_flow_to_instalment_180d": ("receipts_fen_180d", "outflow_fen_180d"),
}
"""Windowed indicators that plain ones are made of."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`plan` answers `windowed`; `plain` are the others that are wanted, or that are wanted to be ranked."""

    names: tuple[str, ...]
    windowed: tuple[str, ...]
    plan: Plan
    plain: frozenset[str]
    ranks: tuple[str, ...]

    @property
    def evidence(self) -> bool:
        """Whether evidence of genuine payers is wanted, which costs a max-flow."""
        return not self.plain.isdisjoint(GRAPH_NAMES | {"receipts_month_fen"})


@lru_cache(maxsize=64)
def reading_of(names: tuple[str, ...]) -> Reading:
    """The reading of these names, all of which the catalogue has."""
    told = dict.fromkeys(RANKS.get(name, name) for name in names)
    plain = frozenset(name for name in told if name in PLAIN)
    wanted = dict.fromkeys(name for name in told if name not in PLAIN)
    wanted |= dict.fromkeys(need for name in sorted(plain) for need in _NEEDS.get(name, ()))
    found = [question_of(name) for name in wanted]
    plan = plan_of([question for question in found if question is not None])
    return Reading(names, tuple(wanted), plan, plain, tuple(name for name in names if name in RANKS))
