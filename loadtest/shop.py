"""Shops that are worth lending to: months of small receipts from regulars who return. Random, and the same by seed."""

import random
import time
import uuid
from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, money_pb2

from fanxing.v1 import lending_pb2, lending_service_pb2, merchant_service_pb2, payment_pb2, payment_service_pb2

DAYS = 125
RECEIPTS_PER_DAY = 6
REGULARS = 120
DAY_S = 86_400
CONSENT_SHA256 = "5f" * 32
"""A consent needs the digest of the text that was shown; here nobody reads one."""


class Shop:
    """One merchant, four months in business, and the requests of its way to a loan. Times are seconds UTC."""

    def __init__(self, number: int, run: str, now_s: int | None = None) -> None:
        self.merchant_id = f"shop-{run}-{number}"
        self.now_s = int(time.time()) if now_s is None else now_s
        self._random = random.Random(self.merchant_id)

    def register(self) -> merchant_service_pb2.RegisterMerchantRequest:
        """Registers the shop, which opened when its receipts begin."""
        opened = time.gmtime(self.now_s - DAYS * DAY_S)
        merchant = merchant_service_pb2.Merchant(
            merchant_id=self.merchant_id,
            name="Noodles round the corner",
            category="canteen",
            opened_on=date_pb2.Date(year=opened.tm_year, month=opened.tm_mon, day=opened.tm_mday),
            frontage=0.5,
            controller_token=f"controller-{self.merchant_id}",
            payout_account_token=f"account-{self.merchant_id}",
            device_token=f"device-{self.merchant_id}",
        )
        return merchant_service_pb2.RegisterMerchantRequest(request_id=_new_id(), merchant=merchant)

    def record(self) -> payment_service_pb2.RecordPaymentBatchRequest:
        """Its whole record in one batch, up to a few minutes ago."""
        return payment_service_pb2.RecordPaymentBatchRequest(payments=self._receipts())

    def _receipts(self) -> Iterator[payment_pb2.Payment]:
        for number in range(DAYS * RECEIPTS_PER_DAY):
            age_s = 600 + number * DAY_S // RECEIPTS_PER_DAY
            regular = self._random.randrange(REGULARS)
            yield payment_pb2.Payment(
                payment_id=f"r{number}",
                merchant_id=self.merchant_id,
                payer_token=f"{self.merchant_id}-payer-{regular}",
                amount=_yuan(self._random.randint(15, 60)),
                occurred_at=Timestamp(seconds=self.now_s - age_s),
                kind=payment_pb2.PAYMENT_KIND_RECEIPT,
                instrument=payment_pb2.INSTRUMENT_BALANCE,
                channel="qr",
                code_kind=payment_pb2.CODE_KIND_MERCHANT,
                payer_real_name=True,
                payer_account_age_days=400 + regular,
            )

    def apply(self) -> lending_service_pb2.ApplyRequest:
        """Applies for as much as possible."""
        consent = lending_pb2.Consent(
            scope="payments", text_sha256=CONSENT_SHA256, expires_at=Timestamp(seconds=self.now_s + 365 * DAY_S)
        )
        return lending_service_pb2.ApplyRequest(
            request_id=_new_id(), merchant_id=self.merchant_id, purpose="working_capital", consents=[consent]
        )

    def accept(self, application: lending_pb2.Application) -> lending_service_pb2.AcceptOfferRequest:
        """Accepts what was offered."""
        return lending_service_pb2.AcceptOfferRequest(
            request_id=_new_id(), application_id=application.application_id, offer_digest=application.offer.digest
        )

    def disburse(self, line: lending_pb2.CreditLine) -> lending_service_pb2.DisburseRequest:
        """Draws the whole line."""
        return lending_service_pb2.DisburseRequest(request_id=_new_id(), line_id=line.line_id, amount=line.available)


def _yuan(units: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="CNY", units=units)


def _new_id() -> str:
    return str(uuid.uuid4())
