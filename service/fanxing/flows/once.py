"""Once: a command is carried out once per request id, and a repeat finds what it made.

UNIQUE (institution, rpc, request_id) holds the hash of the plain command and the resource's id, for ever. Refused
input is not stored, so it may be sent again once it is mended.
"""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fanxing.errors import Contention, FundingExhausted, RequestIdReused
from fanxing.flows.ports import ChangeSet, Committed, Conflict, ConflictKind, Get, Request, Snapshot, Store
from fanxing.institutions import Institution

ATTEMPTS = 3
_NAMESPACE = uuid.UUID("6f1d3c5e-6f0a-5d0b-9c53-0f7a1c9b2e77")


def resource_id(institution: Institution, rpc: str, request_id: str) -> str:
    """UUIDv5 of the request: the same request always names the same resource."""
    return str(uuid.uuid5(_NAMESPACE, f"{institution.institution_id}/{rpc}/{request_id}"))


async def once(
    institution: Institution,
    store: Store,
    rpc: str,
    command: Any,  # noqa: ANN401  any frozen dataclass with a request_id
    unit: Callable[[str], Awaitable[ChangeSet | None]],
) -> str:
    """Carries a command out and returns the id of its resource.

    `unit` gets the resource's id, reads, computes and returns what to change (None: nothing, the resource stands). It
    runs again when other calls changed the same rows meanwhile; after three times Contention is raised.
    """
    made = resource_id(institution, rpc, command.request_id)
    command_hash = hashlib.sha256(repr(command).encode()).hexdigest()
    request = Request(rpc=rpc, request_id=command.request_id, command_hash=command_hash, resource_id=made)
    for _ in range(ATTEMPTS):
        answers = await store.read(institution.institution_id, Get(Request, ((rpc, command.request_id),)))
        seen = Snapshot(answers).one(0, Request)
        if seen is not None:
            if seen.command_hash != command_hash:
                raise RequestIdReused("this request_id was used for a request with other contents", field="request_id")
            return seen.resource_id
        changes = await unit(made)
        if changes is None:
            return made
        if await committed(institution, store, replace(changes, inserts=(request, *changes.inserts))):
            return made
    raise Contention("other calls changed the same rows; retry with the same request_id")


async def committed(institution: Institution, store: Store, changes: ChangeSet) -> bool:
    """Commits; False when somebody else was first. A quota that would overflow is FundingExhausted."""
    outcome = await store.commit(institution.institution_id, changes)
    if isinstance(outcome, Committed):
        return True
    assert isinstance(outcome, Conflict)
    if outcome.kind is ConflictKind.QUOTA:
        raise FundingExhausted("the funder has no headroom left for this amount", field="amount")
    return False
