"""Once: a command is carried out once per request id, and a repeat finds what it made.

UNIQUE (institution, rpc, request_id) holds the hash of the plain command and the resource's id, for ever. Refused
input is not stored, so it may be sent again once it is mended.
"""

import asyncio
import hashlib
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from fanxing.errors import (
    Contention,
    FanxingError,
    FundingExhausted,
    OutcomeUnknown,
    RequestIdReused,
    StoreUnavailable,
)
from fanxing.flows.ports import ChangeSet, Committed, Conflict, ConflictKind, Get, Request, Snapshot, Store
from fanxing.institutions import Institution

ATTEMPTS = 12
PAUSE_S_MAX = 0.1
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
    runs again when other calls changed the same rows meanwhile; after ATTEMPTS times Contention is raised.
    """
    made = resource_id(institution, rpc, command.request_id)
    command_hash = hashlib.sha256(repr(command).encode()).hexdigest()
    request = Request(rpc=rpc, request_id=command.request_id, command_hash=command_hash, resource_id=made)
    async for _ in attempts(ATTEMPTS):
        if await _is_done(institution, store, request):
            return made
        try:
            changes = await unit(made)
            if changes is None:
                return made
            if await committed(institution, store, replace(changes, inserts=(request, *changes.inserts))):
                return made
        except (OutcomeUnknown, StoreUnavailable):
            raise
        except FanxingError:
            # The same request, sent twice at once, may have been carried out since: then that is why it is refused.
            if await _is_done(institution, store, request):
                return made
            raise
    raise Contention("other calls changed the same rows; retry with the same request_id")


async def _is_done(institution: Institution, store: Store, request: Request) -> bool:
    """Whether the request was carried out before; RequestIdReused where another one was under its id."""
    key = Get(Request, ((request.rpc, request.request_id),))
    seen = Snapshot(await store.read(institution.institution_id, key)).one(0, Request)
    if seen is not None and seen.command_hash != request.command_hash:
        raise RequestIdReused("this request_id was used for a request with other contents", field="request_id")
    return seen is not None


async def attempts(most: int) -> AsyncIterator[int]:
    """0 to `most` - 1, with a random pause before each next one, so that those who met do not meet again."""
    for attempt in range(most):
        if attempt:
            await asyncio.sleep(random.uniform(0, min(PAUSE_S_MAX, 0.0005 * 2**attempt)))  # noqa: S311  not a secret
        yield attempt


async def committed(institution: Institution, store: Store, changes: ChangeSet) -> bool:
    """Commits; False when somebody else was first. A quota that would overflow is FundingExhausted."""
    outcome = await store.commit(institution.institution_id, changes)
    if isinstance(outcome, Committed):
        return True
    assert isinstance(outcome, Conflict)
    if outcome.kind is ConflictKind.QUOTA:
        raise FundingExhausted("the funder has no headroom left for this amount", field="amount")
    return False
