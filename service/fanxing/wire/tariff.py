"""What a decision costs in yuan: processor time and bytes kept, by list prices."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices in yuan. The defaults are cloud list prices of 2026 for a rented machine, at 30 % use, kept five years."""

    vcpu_second: Decimal = Decimal("0.00017")
    gigabyte_kept: Decimal = Decimal(60)

    def yuan(self, cpu_micros: int, stored_bytes: int) -> Decimal:
        """The price of one decision, to a hundred millionth of a yuan."""
        exact = self.vcpu_second * cpu_micros / 1_000_000 + self.gigabyte_kept * stored_bytes / 1_000_000_000
        return exact.quantize(Decimal("0.00000001"))
