"""Numbered migrations: plain SQL files, applied in order, each once."""

from importlib.resources import files


def migrations(dialect: str) -> tuple[tuple[int, str], ...]:
    """(number, SQL) of every migration of a dialect ("sqlite", "postgres"), in order."""
    folder = files("fanxing.store").joinpath("migrations", dialect)
    found = sorted((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple((int(name.split("_", 1)[0]), text) for name, text in found)
