"""The price: the smallest step at which a loan earns the margin wanted. Source: limit-and-price 16 and 17.

Per unit of principal, month by month: the instalment is paid with the survival probability, and on default LGD of the
balance is lost. Survival to month k is (1 - PD)^(k / 12), PD being over 12 months. The funding rate discounts all.
"""

from collections.abc import Iterator
from decimal import Decimal

from fanxing.strategies.constants import PriceRules, ProductTerms
from fanxing.strategies.limit import annuity

RATE_QUANTUM = Decimal("0.0001")
"""Rates are told with four decimals, so a policy's step is a multiple of it."""
ROUNDING = 1e-12
"""What adding up months in doubles may lose of a principal: a rate that earns just what is wanted is enough."""


def price(rules: PriceRules, product: ProductTerms, pd: float, limit_fen: int, months: int) -> Decimal | None:
    """The annual rate, or None where the all-in cost would pass the cap; a rate is never clipped."""
    low, high = 0, int(product.all_in_cap / rules.step)
    while low < high:
        middle = (low + high) // 2
        enough = _earns(rules, product, pd, limit_fen, months, rules.step * middle)
        low, high = (low, middle) if enough else (middle + 1, high)
    rate = rules.step * low
    if all_in(rate, limit_fen) > product.all_in_cap or not _earns(rules, product, pd, limit_fen, months, rate):
        return None
    return rate.quantize(RATE_QUANTUM)


def _earns(rules: PriceRules, product: ProductTerms, pd: float, limit_fen: int, months: int, rate: Decimal) -> bool:
    return present_value(rules, product, pd, limit_fen, months, rate) >= rules.margin - ROUNDING


def all_in(rate: Decimal, limit_fen: int) -> Decimal:
    """The most that a nominal rate paid monthly can cost as an effective annual one, without fees.

    Instalments are whole fen, so that the schedule may cost up to one fen of principal a month more than the rate says.
    """
    return (1 + rate / 12 + Decimal(1) / limit_fen) ** 12 - 1


def present_value(
    rules: PriceRules, product: ProductTerms, pd: float, limit_fen: int, months: int, rate: Decimal
) -> float:
    """What a loan earns, as a share of its principal."""
    discount = 1 / (1 + rules.funding_rate / 12)
    survive = (1 - pd) ** (1 / 12)
    value, alive, factor = -1 - rules.operating_fen / limit_fen, 1.0, 1.0
    for balance, payment in _months(product.method, float(rate), months):
        factor *= discount
        value += factor * alive * (survive * payment + (1 - survive) * (1 - rules.lgd) * balance)
        alive *= survive
    return value


def expected_loss(rules: PriceRules, product: ProductTerms, pd: float, months: int, rate: Decimal) -> Decimal:
    """What is expected to be lost over the term, as a share of the principal, to six decimals."""
    survive = (1 - pd) ** (1 / 12)
    lost, alive = 0.0, 1.0
    for balance, _ in _months(product.method, float(rate), months):
        lost += alive * (1 - survive) * rules.lgd * balance
        alive *= survive
    return Decimal(repr(lost)).quantize(Decimal("0.000001"))


def _months(method: str, rate: float, months: int) -> Iterator[tuple[float, float]]:
    """The balance before and the payment of each month, per unit of principal."""
    balance, monthly = 1.0, rate / 12
    level = 1 / annuity(rate, months)
    for month in range(1, months + 1):
        last = 1.0 if month == months else 0.0
        payment = level if method == "EQUAL_INSTALMENT" else monthly + last
        yield balance, payment
        balance += balance * monthly - payment
