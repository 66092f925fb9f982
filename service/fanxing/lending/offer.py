"""An offer: what the institution offers, what it costs, and the digest that the merchant accepts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class RepaymentMethod(StrEnum):
    """How a loan is repaid."""

    EQUAL_INSTALMENT = "EQUAL_INSTALMENT"
    INTEREST_FIRST = "INTEREST_FIRST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """One instalment: number from 1, day due, principal and interest in fen."""

    number: int
    due_on: date
    principal_fen: int
    interest_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSheet:
    """Everything the credit costs, in fen, and the all-in cost a year as a fraction with six decimals."""

    interest_fen: int
    fees_fen: int
    all_in_annual_rate: Decimal
    all_in_annual_rate_cap: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is offered until `expires_us`. `digest` is SHA-256 (hex) over everything else."""

    limit_fen: int
    annual_rate: Decimal
    term_months: int
    repayment_method: RepaymentMethod
    schedule: tuple[Instalment, ...]
    cost_sheet: CostSheet
    expires_us: int
    digest: str
