"""What a load run came to: rates and percentiles of every RPC, failures by reason, loans by state."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table

PERCENTILES = (50, 95, 99)


@dataclass
class Tally:
    """Filled while the load runs. Latencies in milliseconds, by RPC; failures by RPC and reason."""

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    applications: Counter[str] = field(default_factory=Counter)
    loans: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether any call failed, or nothing was lent at all."""
        return bool(self.failures) or not self.loans["ACTIVE"] or self.loans["VOIDED"] > 0

    def report(self) -> dict[str, object]:
        """Everything as plain values; percentiles are of answered calls, client side."""
        return {
            "seconds": round(self.seconds, 3),
            "rpcs": {name: self._rpc(name) for name in self.latencies_ms},
            "applications": dict(self.applications),
            "loans": dict(self.loans),
            "loans_per_second": round(self.loans.total() / self.seconds, 2) if self.seconds else 0.0,
            "failures": [
                {"rpc": rpc, "reason": reason, "count": count} for (rpc, reason), count in self.failures.items()
            ],
        }

    def _rpc(self, name: str) -> dict[str, float]:
        latencies = np.array(self.latencies_ms[name])
        return {
            "calls": latencies.size,
            "failed": sum(count for (rpc, _), count in self.failures.items() if rpc == name),
            "per_second": round(latencies.size / self.seconds, 2) if self.seconds else 0.0,
            **{f"p{each}_ms": round(float(np.percentile(latencies, each)), 2) for each in PERCENTILES},
            "max_ms": round(float(latencies.max()), 2),
        }

    def to_json(self) -> str:
        """The report on one line."""
        return json.dumps(self.report())

    def show(self, console: Console) -> None:
        """The report as tables."""
        table = Table(title=f"{self.seconds:.1f} s; latencies in milliseconds, as callers see them")
        table.add_column("RPC", no_wrap=True)
        for heading in ("calls", "failed", "a second", *(f"p{each}" for each in PERCENTILES), "max"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name in self.latencies_ms:
            calls, failed, *measured = self._rpc(name).values()
            table.add_row(name, f"{calls:,}", f"{failed:,}", *(f"{value:,.1f}" for value in measured))
        console.print(table)
        console.print(f"applications {dict(self.applications)}, loans {dict(self.loans)}")
        for (rpc, reason), count in self.failures.items():
            console.print(f"[red]failed[/red] {rpc}: {reason}, {count} times")
