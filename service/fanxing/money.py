"""Money is a whole number of fen (hundredths of the currency unit); there is one way to round to it."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

FEN_PER_UNIT = 100
FEN_MAX = 10**15
"""Above it an amount is absurd: ten thousand thousand million units; all sums stay far inside 64 bits."""


def round_fen(exact: Decimal | Fraction) -> int:
    """Rounds an exact amount in fen to whole fen, halves to the even one, so that rounding has no drift."""
    if isinstance(exact, Fraction):
        return round(exact)
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
