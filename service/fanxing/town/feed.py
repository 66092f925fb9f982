"""What the channels report of the town's payments, and when: some late, some twice."""

from collections.abc import Iterator
from zlib import crc32

from fanxing.payments import Payment
from fanxing.town.world import Town

LATE_DAYS_MAX = 3


def feed(town: Town, day: int) -> list[Payment]:
    """The payments reported on a day: one in a hundred comes one to three days late, one in 200 again a day later."""
    told = list(news(town, day))
    return told + [payment for payment in news(town, day - 1) if _chance(payment) % 200 == 7]


def late_days(payment: Payment) -> int:
    """By how many days it is late."""
    chance = _chance(payment)
    return 1 + chance // 100 % LATE_DAYS_MAX if chance % 100 == 0 else 0


def news(town: Town, day: int) -> Iterator[Payment]:
    """What is reported for the first time, in the order of happening."""
    for happened in range(max(0, day - LATE_DAYS_MAX), day + 1):
        for payment in town.payments[happened]:
            if happened + late_days(payment) == day:
                yield payment


def _chance(payment: Payment) -> int:
    """Of everything but the merchant, since only the works may tell twins apart."""
    return crc32(f"{payment.payment_id} {payment.payer_token} {payment.amount_fen}".encode())
