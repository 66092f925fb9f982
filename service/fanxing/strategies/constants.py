"""policy.toml: every constant that a policy decides by. Each is an assumption, dated with its policy."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
Share = Annotated[float, Field(ge=0, le=1)]
Fen = Annotated[int, Field(ge=0, le=10**15)]
Positive = Annotated[float, Field(gt=0, lt=1e12)]


@dataclass(frozen=True, config=_STRICT)
class ProductTerms:
    """What is offered. `all_in_cap`: the dated cap on the all-in cost a year, as a fraction."""

    purposes: Annotated[tuple[str, ...], Field(min_length=1)]
    terms_months: Annotated[tuple[Annotated[int, Field(ge=1, le=120)], ...], Field(min_length=1)]
    term_months: int
    method: Literal["EQUAL_INSTALMENT", "INTEREST_FIRST"]
    offer_days: Annotated[int, Field(ge=1, le=365)]
    all_in_cap: Decimal
    fees_fen: Literal[0] = 0
    """Fees are not priced yet, so a policy cannot charge any."""

    @model_validator(mode="after")
    def _own_term(self) -> "ProductTerms":
        if self.term_months not in self.terms_months:
            raise ValueError("term_months must be one of terms_months")
        return self


@dataclass(frozen=True, config=_STRICT)
class Breadth:
    """scale_fen x (1 - exp(-B / evidence)): what the breadth of genuine payers allows."""

    scale_fen: Fen
    evidence: Positive


@dataclass(frozen=True, config=_STRICT)
class NewTrade:
    """Under so many months of trade, at most so much."""

    months: Positive
    fen: Fen


@dataclass(frozen=True, config=_STRICT)
class StepUp:
    """Within 30 days at most `factor` times the line before; above `free_fen` only after instalments paid on time."""

    factor: Annotated[float, Field(ge=1)]
    free_fen: Fen
    instalments: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=_STRICT)
class FeedLag:
    """Where receipts have been unknown for more than so many hours: no increase, and then no decision."""

    no_increase_hours: Positive
    no_decision_hours: Positive

    @model_validator(mode="after")
    def _in_order(self) -> "FeedLag":
        if self.no_increase_hours > self.no_decision_hours:
            raise ValueError("no_increase_hours must not be above no_decision_hours")
        return self


@dataclass(frozen=True, config=_STRICT)
class LimitRules:
    """Constants of the limit (limit-and-price 6 to 14). A rule that is absent does not cap.

    `receipts`: the indicator that stands for sustainable receipts a month. `unknown_receipts_fen`: what may be lent
    when receipts have been unknown for more than `stale_days`: those that the feeds tell, where they do, else those
    without any payment.
    """

    pd_model: str
    receipts: Literal["sustainable_receipts_fen", "receipts_month_fen"]
    step_fen: Annotated[int, Field(gt=0)]
    min_fen: Fen
    pd_at_zero: Share
    pd_width: Positive
    thin_base: Share
    thin_per_month: Share
    margins: dict[str, Share]
    margin_other: Share
    capacity_share: Share
    rate_cap: Decimal
    works: dict[Literal["metro", "pipes"], Share]
    stale_days: Positive
    unknown_receipts_fen: Fen
    product_fen: Fen
    group_fen: Fen | None = None
    breadth: Breadth | None = None
    turnover_months: Positive | None = None
    credit_report_not_asked_fen: Fen | None = None
    new_trade: NewTrade | None = None
    step_up: StepUp | None = None
    feed_lag: FeedLag | None = None


@dataclass(frozen=True, config=_STRICT)
class PriceRules:
    """Constants of the price (limit-and-price 16 and 17). Rates are annual fractions, `margin` a share of principal."""

    step: Decimal
    lgd: Share
    funding_rate: Share
    operating_fen: Fen
    margin: Share


@dataclass(frozen=True, config=_STRICT)
class Constants:
    """The whole file. `strategies` names the CEL files in the order of their importance."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    version: str
    assumptions: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    strategies: tuple[str, ...]
    product: ProductTerms
    limit: LimitRules
    price: PriceRules
    sentences: dict[str, str]

    @model_validator(mode="after")
    def _complete(self) -> "Constants":
        if self.limit.pd_model not in self.models:
            raise ValueError("limit.pd_model must be one of models")
        missing = CAP_REASONS - self.sentences.keys()
        if missing:
            raise ValueError(f"sentences lacks {', '.join(sorted(missing))}")
        return self


CAP_REASONS = frozenset(
    {
        "BREADTH_OF_PAYERS",
        "REPAYMENT_CAPACITY",
        "RISK",
        "RECEIPTS_UNKNOWN",
        "TURNOVER",
        "GROUP_LIMIT",
        "PRODUCT_LIMIT",
        "FUNDER_HEADROOM",
        "CREDIT_REPORT_NOT_ASKED",
        "NEW_TRADE",
        "STEP_UP",
        "FEED_BEHIND",
        "REQUESTED_AMOUNT",
        "WORKS_NEARBY",
        "PRICE_ABOVE_CAP",
    }
)
"""The reasons that the limit and the price themselves may give; a policy has a sentence for each."""
