"""The findings of a played town, for people: tables in plain words, all of a simulated world."""

from typing import Any

from rich.console import Console
from rich.table import Table

CALLS = ("record", "score", "apply", "accept", "disburse")
Found = dict[str, Any]


def show(found: Found, console: Console) -> None:
    """Prints everything but the single shops."""
    console.print(_decisions(found), _by_payers(found), _twins(found), _cheats(found), _latencies(found))
    for line in _sums(found):
        console.print(line, highlight=False)


def _table(title: str, caption: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", caption=caption, caption_justify="left", min_width=76)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _yuan(fen: float | None) -> str:
    return "-" if fen is None else f"{fen / 100:,.0f}"


def _decisions(found: Found) -> Table:
    """By outcome and first reason."""
    title = f"Decisions of {found['decided_on']} by first reason (simulated)"
    table = _table(title, "Of an approval the reason is the cap that sets the limit.", "outcome", "merchants")
    table.add_column("reason")
    for row in found["decisions"]:
        told = f"{row['reason']}\n[dim]{row['sentence']}[/dim]"
        table.add_row(row["outcome"].lower(), str(row["merchants"]), told)
    return table


def _by_payers(found: Found) -> Table:
    columns = ("genuine payers", "merchants", "approved", "median limit, yuan")
    caption = "Who is genuine is the town's truth and hidden from the engine. Declined: limit 0."
    table = _table("Limit against genuine payers (simulated)", caption, *columns)
    for row in found["limits_by_genuine_payers"]:
        band = f"{row['payers_from']:,} to {row['payers_to']:,}" if row["payers_to"] else "none"
        table.add_row(band, str(row["merchants"]), str(row["approved"]), _yuan(row["median_limit_fen"]))
    return table


def _twins(found: Found) -> Table:
    """A pair a row: what the formula takes off beside what was taken off."""
    caption = (
        "Twins trade alike to the fen; works are announced before the second one's door and are assumed to cost it "
        "that share of its receipts. Formula: what this takes off the capacity to repay, where capacity sets the "
        "limit; limits are whole hundreds. Named: the effect given with the reason WORKS_NEARBY."
    )
    columns = ("pair", "works", "without", "with", "less", "formula", "named", "set by")
    table = _table("Twins, limits in yuan without and with works (simulated)", caption, *columns)
    for pair in found["twins"]:
        binds = sorted({pair["plain_binds"], pair["disturbed_binds"]})
        table.add_row(
            f"{pair['plain']}\n{pair['disturbed']}",
            f"{', '.join(pair['works'])}\n-{pair['receipts_lost_share']:.1%}",
            _yuan(pair["plain_fen"]),
            _yuan(pair["disturbed_fen"]),
            _yuan(pair["difference_fen"]),
            _yuan(pair["documented_fen"]) if binds == ["capacity"] else "-",
            _yuan(pair["named_fen"]),
            ", ".join(binds),
        )
    return table


def _cheats(found: Found) -> Table:
    """A kind a row, by the one who got most."""
    caption = (
        "Self-payers pay themselves from relatives' accounts; the ring's shops share bought accounts. Honest: the "
        "median limit of the ten honest merchants with as many payers or just more."
    )
    columns = ("cheats", "payers", "at most", "honest", "share", "first reason")
    table = _table("What cheats got, limits in yuan (simulated)", caption, *columns)
    for kind, name in (("self", "self-payers"), ("ring", "in a ring")):
        rows = [row for row in found["cheats"] if row["kind"] == kind]
        best = max(rows, key=lambda row: (row["share_of_peers"] or 0, row["limit_fen"]))
        table.add_row(
            f"{len(rows)} {name}",
            f"{best['payers']:,}",
            _yuan(best["limit_fen"]),
            _yuan(best["peers_median_limit_fen"]),
            "-" if best["share_of_peers"] is None else f"{best['share_of_peers']:.1%}",
            "\n".join(sorted({row["reason"] for row in rows})),
        )
    return table


def _latencies(found: Found) -> Table:
    caption = "record: up to 1,000 payments. score comes first and reads four months; apply finds them read."
    table = _table("Milliseconds a call, at the client", caption, "call", "calls", "p50", "p99")
    for name in (name for name in CALLS if f"{name}_calls" in found):
        p50, p99 = (f"{found[f'{name}_ms_{part}']:.1f}" for part in ("p50", "p99"))
        table.add_row(name, f"{found[f'{name}_calls']:,}", p50, p99)
    return table


def _sums(found: Found) -> list[str]:
    """Cost a loan, and whether the books balance."""
    loans = ", ".join(f"{count} {state.lower()}" for state, count in found["loans"].items()) or "none"
    paid = f"the simulated rail paid {found['rail_payments']}, {found['rail_fen'] / 100:,.2f} yuan"
    lines = [
        "",
        f"{found['payments']:,} payments recorded; {found['duplicates']:,} came twice and count once",
        f"Score and Apply disagree on {found['scored_otherwise']} merchants",
        f"Loans: {loans}, {found['disbursed_fen'] / 100:,.2f} yuan; {paid}",
        f"All ledger entries sum to {found['ledger_sum_fen']} fen (0: the books balance)",
    ]
    if found["yuan_per_loan"] is not None:
        spent = f"{found['cpu_seconds']:.1f} s of processor and {found['stored_bytes'] / 1e6:.0f} MB kept"
        lines.append(f"{found['yuan_per_loan']:.4f} yuan a loan by list prices: {spent}, with four months of records")
    return lines
