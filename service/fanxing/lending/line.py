"""A credit line: the right to draw up to a limit."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from fanxing.errors import LimitExceeded, LineStateWrong
from fanxing.lending.offer import RepaymentMethod


class LineState(StrEnum):
    """Where a credit line stands."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    REDUCED = "REDUCED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditLine:
    """One line, in fen. reserved: sent to the rail, outcome open; drawn: paid out, not repaid."""

    line_id: str
    merchant_id: str
    application_id: str
    state: LineState
    limit_fen: int
    reserved_fen: int
    drawn_fen: int
    annual_rate: Decimal
    term_months: int
    repayment_method: RepaymentMethod
    created_us: int
    version: int = 1

    @property
    def available_fen(self) -> int:
        """What can still be drawn."""
        return self.limit_fen - self.reserved_fen - self.drawn_fen

    def reserve(self, amount_fen: int) -> "CreditLine":
        """The line with that much reserved, or LimitExceeded, or LineStateWrong."""
        if self.state is not LineState.ACTIVE:
            raise LineStateWrong(f"the line is {self.state}", field="line_id", state=self.state)
        if amount_fen > self.available_fen:
            raise LimitExceeded(
                f"the line has {self.available_fen} fen left", field="amount", available=self.available_fen
            )
        return replace(self, reserved_fen=self.reserved_fen + amount_fen, version=self.version + 1)

    def draw(self, amount_fen: int) -> "CreditLine":
        """The line after a reserved amount was paid out."""
        assert amount_fen <= self.reserved_fen
        return replace(
            self,
            reserved_fen=self.reserved_fen - amount_fen,
            drawn_fen=self.drawn_fen + amount_fen,
            version=self.version + 1,
        )

    def release(self, amount_fen: int) -> "CreditLine":
        """The line after a reserved amount was not paid out."""
        assert amount_fen <= self.reserved_fen
        return replace(self, reserved_fen=self.reserved_fen - amount_fen, version=self.version + 1)

    def give_back(self, amount_fen: int) -> "CreditLine":
        """The line after a paid-out amount was returned by the receiving bank."""
        assert amount_fen <= self.drawn_fen
        return replace(self, drawn_fen=self.drawn_fen - amount_fen, version=self.version + 1)
