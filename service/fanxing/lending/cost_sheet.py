"""Everything that a credit costs its merchant, and the all-in cost a year that makes it comparable.

The all-in cost is the effective annual rate of what is received against all that is paid: the monthly internal rate
of return i gives (1 + i)^12 - 1. Twelve equal months make a year, as in the annual percentage rate of Directive
2008/48/EC, Annex I, remark (c), so the figure does not depend on which months a term happens to cover.
"""

from collections.abc import Sequence
from decimal import Decimal

import pyxirr

from fanxing.lending.offer import CostSheet, Instalment
from fanxing.lending.schedule import MONTHS_PER_YEAR

_SIX_DECIMALS = Decimal("0.000001")


def cost_sheet(principal_fen: int, instalments: Sequence[Instalment], fees_fen: int, rate_cap: Decimal) -> CostSheet:
    """The cost of drawing `principal_fen` at once; fees are taken from it at drawdown. `rate_cap` is the dated cap."""
    assert 0 <= fees_fen < principal_fen
    return CostSheet(
        interest_fen=sum(instalment.interest_fen for instalment in instalments),
        fees_fen=fees_fen,
        all_in_annual_rate=all_in_annual_rate(principal_fen - fees_fen, instalments),
        all_in_annual_rate_cap=rate_cap,
    )


def all_in_annual_rate(received_fen: int, instalments: Sequence[Instalment]) -> Decimal:
    """The effective annual rate, as a fraction with six decimals, of monthly instalments against what was received."""
    # As multiples of what was received: pyxirr's tolerance is absolute, and it gives up on large amounts.
    monthly = pyxirr.irr([-1.0, *((each.principal_fen + each.interest_fen) / received_fen for each in instalments)])
    assert monthly is not None, "received first and paid later: there is one rate"
    effective: float = (1.0 + monthly) ** MONTHS_PER_YEAR - 1.0
    return Decimal(effective).quantize(_SIX_DECIMALS) + 0  # adding nothing turns -0 into 0
