"""A loan: one drawdown on a credit line, and its life cycle as a table."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from fanxing.lending.offer import Instalment


class LoanState(StrEnum):
    """Where a loan stands."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SETTLED = "SETTLED"
    WRITTEN_OFF = "WRITTEN_OFF"
    RECOVERED = "RECOVERED"
    VOIDED = "VOIDED"
    RETURNED = "RETURNED"


_S = LoanState
STEPS: dict[LoanState, frozenset[LoanState]] = {
    _S.PENDING: frozenset({_S.ACTIVE, _S.VOIDED}),
    _S.ACTIVE: frozenset({_S.SETTLED, _S.WRITTEN_OFF, _S.RETURNED}),
    _S.WRITTEN_OFF: frozenset({_S.RECOVERED}),
    _S.SETTLED: frozenset(),
    _S.RECOVERED: frozenset(),
    _S.VOIDED: frozenset(),
    _S.RETURNED: frozenset(),
}
"""Every step a loan may take; whatever is not here does not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One loan. `transfer_id` was made and saved before the rail was called."""

    loan_id: str
    line_id: str
    merchant_id: str
    state: LoanState
    principal_fen: int
    annual_rate: Decimal
    schedule: tuple[Instalment, ...]
    transfer_id: str
    rail_detail: str
    created_us: int
    changed_us: int
    version: int = 1

    def step(self, state: LoanState, at_us: int, rail_detail: str = "") -> "Loan":
        """The loan after a step; a step outside the table is a programmer's mistake."""
        assert state in STEPS[self.state], f"{self.state} -> {state}"
        return replace(self, state=state, changed_us=at_us, rail_detail=rail_detail, version=self.version + 1)
