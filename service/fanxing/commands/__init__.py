"""The commands that call a served Fanxing: each a thin client of one RPC."""

import typer

from fanxing.commands import (
    applying,
    decision,
    fact,
    feed,
    importing,
    indicator,
    line,
    loan,
    merchant,
    playing,
    replaying,
)


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.add_typer(replaying.replay_app, name="replay")
    app.add_typer(replaying.train_app, name="train")
    app.add_typer(playing.app, name="town")
    app.add_typer(merchant.app, name="merchant")
    app.add_typer(importing.app, name="import")
    app.add_typer(feed.app, name="feed")
    app.add_typer(fact.app, name="fact")
    app.add_typer(indicator.app, name="indicator")
    app.command()(applying.apply)
    app.command()(applying.score)
    app.add_typer(applying.app, name="application")
    app.add_typer(decision.app, name="decision")
    app.add_typer(line.app, name="line")
    app.add_typer(loan.app, name="loan")
