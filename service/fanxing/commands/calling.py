"""The connection that a command calls over, the options that all share, and how a failure is told."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import grpc
import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.console import Console

from fanxing.commands.tables import show
from fanxing.wire.client import Client, Failure, failure

CALL_S = 30.0
DEFAULT_TARGET = "127.0.0.1:50051"

Target = Annotated[str, typer.Option(envvar="FANXING_TARGET", help="HOST:PORT of the service, or of Envoy before it.")]
Token = Annotated[str | None, typer.Option(envvar="FANXING_TOKEN", help="Bearer token that names the institution.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Currency = Annotated[str, typer.Option(envvar="FANXING_CURRENCY", help="Currency of amounts, ISO 4217.")]
EffectiveTime = Annotated[
    str | None, typer.Option(help="Moment of the call, ISO 8601; institutions with a CALLER clock only.")
]
RequestId = Annotated[
    str, typer.Option(default_factory=lambda: str(uuid.uuid4()), help="UUID; the same one makes a repeat safe.")
]
PageSize = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]
PageToken = Annotated[str, typer.Option(help="next_page_token of the page before.")]

Response = TypeVar("Response", bound=Message)


class Connection:
    """A client, and how its answers are shown."""

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self.client = client
        self._as_json = as_json

    def call(self, rpc: Callable[..., Response], request: Message | Iterator[Message]) -> Response:
        """Calls and shows the answer: a JSON document, or tables."""
        answer = rpc(request, timeout=CALL_S)
        self.show(answer)
        return answer

    def show(self, answer: Message) -> None:
        """A JSON document, or tables."""
        if self._as_json:
            typer.echo(MessageToJson(answer, preserving_proto_field_name=True))
        else:
            show(answer, Console())


@contextmanager
def connected(target: str, token: str | None, *, as_json: bool, request_id: str | None = None) -> Iterator[Connection]:
    """A connection for one command. A failed call ends the command with exit code 1 and is told on standard error."""
    with Client(target, token) as client:
        try:
            yield Connection(client, as_json=as_json)
        except grpc.RpcError as error:
            _tell(failure(error), request_id, as_json=as_json)
            raise typer.Exit(1) from None


def _tell(failed: Failure, request_id: str | None, *, as_json: bool) -> None:
    if as_json:
        told = {
            "status": failed.status.name,
            "reason": failed.reason,
            "fields": failed.fields,
            "message": failed.message,
            "metadata": failed.metadata,
            "request_id": request_id,
        }
        typer.echo(json.dumps(told), err=True)
        return
    typer.echo(f"{failed.reason or failed.status.name}: {failed.message}", err=True)
    for field in failed.fields:
        typer.echo(f"  field: {field}", err=True)
    for name, value in failed.metadata.items():
        typer.echo(f"  {name}: {value}", err=True)
    if request_id and failed.retryable:
        typer.echo(f"  What was done is not known; repeat with --request-id {request_id}", err=True)
