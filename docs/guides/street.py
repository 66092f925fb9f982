"""Half a year of a made-up street, a payment a line: a canteen with its costs, and ten shops that share its customers.

Usage: python3 street.py > history.jsonl
"""

import json
import random
from datetime import datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
LAST = datetime(2026, 11, 2, tzinfo=CHINA)
SHOPS = ("fruit", "buns", "barber", "tea", "repairs", "flowers", "grocer", "tailor", "pharmacy", "stationer")
chance = random.Random(7)  # noqa: S311  a made-up street, the same one every time


def payment(shop: str, day: int, number: int, yuan: int, kind: str, **more: object) -> None:
    """Prints one payment, `day` days before the last."""
    at = LAST - timedelta(days=day) + timedelta(hours=8, minutes=8 * number)
    line = {"merchant_id": shop, "payment_id": f"{day}-{number}", "kind": f"PAYMENT_KIND_{kind}"}
    line |= {"amount": {"currency_code": "CNY", "units": str(yuan)}, "occurred_at": at.isoformat()}
    print(json.dumps(line | more))  # noqa: T201


def receipt(shop: str, day: int, number: int, person: str, yuan: int) -> None:
    """Prints one receipt from someone whose wallet is old and whose name is verified."""
    known = {"payer_token": person, "payer_real_name": True, "payer_account_age_days": 900}
    instrument = "INSTRUMENT_CREDIT" if chance.random() < 0.08 else "INSTRUMENT_BALANCE"
    payment(shop, day, number, yuan, "RECEIPT", instrument=instrument, code_kind="CODE_KIND_MERCHANT", **known)


for day in range(180, 0, -1):
    for number in range(60):
        regular = chance.random() < 0.7
        person = chance.randrange(300) if regular else chance.randrange(300, 3000)
        receipt("noodles", day, number, f"person-{person}", chance.randrange(12, 30))
    payment("noodles", day, 60, 850, "OUTFLOW")
    for shop in SHOPS:
        for number in range(20):
            person = chance.randrange(8000)
            token = f"person-{person}" if person < 1500 else f"{shop}-{person}"
            receipt(shop, day, number, token, chance.randrange(8, 40))
