"""What a race came to: ratios first, then a table for each race, and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.bench.measure import RACES

OURS = "fanxing"
EXPLAINING = (OURS, "lightgbm", "xgboost")
MEASURES = {"row_us": "one row, us", "cold_us": "cold, us", "batch_ns": "batch, ns a row and tree"}
RATIO_SHOWN = 25

Results = Sequence[dict[str, Any]]


def fit(results: Results, race: str, measure: str) -> dict[str, float]:
    """By peer, fastest first, what those measured that answered rightly."""
    found = {
        each["peer"]: each[measure]
        for each in results
        if each["race"] == race and each.get("right") and measure in each
    }
    return dict(sorted(found.items(), key=lambda each: each[1]))


def ratios(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """By race and measure, how many times as long as ours each peer takes."""
    times: dict[str, dict[str, dict[str, float]]] = {}
    for race in dict.fromkeys(each["race"] for each in results):
        for measure in MEASURES:
            found = fit(results, race, measure)
            if ours := found.pop(OURS, None):
                times.setdefault(race, {})[measure] = {peer: round(value / ours, 2) for peer, value in found.items()}
    return times


def show(results: Results, console: Console) -> None:
    """Ratios, then tables."""
    console.print("[bold]How many times as long as ours the peers take[/]")
    for race, measures in ratios(results).items():
        for measure, peers in measures.items():
            against = ", ".join(f"{peer} {ratio:,.1f}x" for peer, ratio in peers.items())
            what = MEASURES[measure].partition(",")[0]
            console.print(f"  {race:14}{what:9}{against or 'nobody to race'}", highlight=False, soft_wrap=True)
    for race in dict.fromkeys(each["race"] for each in results):
        of_race = [each for each in results if each["race"] == race]
        console.print(_table(race, [each for each in of_race if "failed" not in each]))
        for each in of_race:
            if "failed" in each:
                console.print(f"{each['peer']}: {each['failed']}", style="red", highlight=False, soft_wrap=True)


def _table(race: str, results: Results) -> Table:
    table = Table(title=f"{race}: {RACES[race].size}", title_justify="left")
    table.add_column("", no_wrap=True)
    digits = {"row_us": 2, "p99_us": 0, "cold_us": 2, "batch_ns": 2, "load_s": 3}
    columns = {name: places for name, places in digits.items() if any(name in each for each in results)}
    for name in (*columns, "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in sorted(results, key=lambda found: found["row_us"]):
        cells = [f"{each[name]:,.{places}f}" if name in each else "-" for name, places in columns.items()]
        wrong = "" if each["right"] else " WRONG"
        table.add_row(each["peer"], *cells, f"{each['error']:.0e}{wrong}", style="" if each["right"] else "red")
    return table


def draw(results: Results, path: Path) -> None:
    """A bar chart for each race and measure; PNG."""
    from matplotlib.figure import Figure

    raced = dict.fromkeys(each["race"] for each in results)
    charts = [
        (f"{race}: {label}", found)
        for measure, label in MEASURES.items()
        if measure != "cold_us"
        for race in raced
        if OURS in (found := fit(results, race, measure))
    ]
    figure = Figure(figsize=(9, 0.6 + sum(0.6 + 0.27 * len(found) for _, found in charts)), layout="constrained")
    heights = [2 + len(found) for _, found in charts]
    axes = figure.subplots(len(charts), 1, squeeze=False, height_ratios=heights)[:, 0] if charts else []
    for axis, (title, found) in zip(axes, charts, strict=True):
        # From zero, so that lengths are ratios; the slowest run out of the picture.
        shown = min(max(found.values()), RATIO_SHOWN * found[OURS])
        colours = ["tab:red" if peer == OURS else "tab:gray" for peer in found]
        axis.barh(list(found), [min(value, shown) for value in found.values()], color=colours)
        for place, value in enumerate(found.values()):
            told = f" {value:,.1f}" + (f"   {value / found[OURS]:,.1f}x" if value > found[OURS] else "")
            axis.text(min(value, shown), place, told + (" \N{RIGHTWARDS ARROW}" if value > shown else ""), va="center")
        axis.set_title(title, loc="left")
        axis.set_xlim(0, 1.25 * shown)
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
