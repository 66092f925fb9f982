"""How a command that cannot go on ends: with a sentence and exit code 2, not with a traceback."""

from contextlib import ContextDecorator

import grpc
import typer
from pydantic import ValidationError

from fanxing.errors import FanxingError
from fanxing.launch import NotServing
from fanxing.wire.client import failure

_TOLD = (FanxingError, ValidationError, NotServing, OSError, grpc.RpcError, grpc.FutureTimeoutError)
"""What the user can mend. Anything else is a fault of ours and shows where."""


class plain_failures(ContextDecorator):  # noqa: N801  used like contextlib's
    """Ends the command with a sentence and exit code 2 where it cannot start or go on."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Turns what the user can mend into a sentence."""
        if isinstance(error, _TOLD):
            typer.echo(f"fanxing: {_sentence(error)}", err=True)
            raise typer.Exit(2) from error


def _sentence(error: BaseException) -> str:
    if isinstance(error, FanxingError):
        return error.message
    if isinstance(error, grpc.FutureTimeoutError):
        return "nobody serves there"
    if isinstance(error, grpc.RpcError):
        failed = failure(error)
        return f"{failed.reason or failed.status.name}: {failed.message}"
    return str(error)
