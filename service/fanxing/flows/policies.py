"""Publishing a policy, and the policy that decides now for each institution."""

import hashlib
from dataclasses import replace

from fanxing.errors import PolicyNotPublished
from fanxing.flows.once import committed
from fanxing.flows.ports import ActivePolicy, Artefact, ChangeSet, Get, Now, Snapshot, Store
from fanxing.institutions import Institution
from fanxing.strategies.policy import Policy, unpack

CHAMPION = "champion"


class Policies:
    """The compiled policies that this process decides by."""

    def __init__(self) -> None:
        self._active: dict[str, Policy] = {}

    def active(self, institution: Institution) -> Policy:
        """The institution's policy, or PolicyNotPublished."""
        policy = self._active.get(institution.institution_id)
        if policy is None:
            raise PolicyNotPublished(f"institution {institution.institution_id} has no published policy")
        return policy

    async def load(self, institution: Institution, store: Store) -> None:
        """Reads the published policy from the store; a policy that cannot be compiled leaves the old one in place."""
        champion = Get(ActivePolicy, ((CHAMPION,),))
        active = Snapshot(await store.read(institution.institution_id, champion)).one(0, ActivePolicy)
        held = self._active.get(institution.institution_id)
        if active is None or (held is not None and held.digest == active.digest):
            return
        answers = await store.read(institution.institution_id, Get(Artefact, ((active.digest,),)))
        artefact = Snapshot(answers).one(0, Artefact)
        assert artefact is not None, "an active policy's artefact is stored in the same commit"
        self._active[institution.institution_id] = unpack(artefact.content)


async def publish(institution: Institution, store: Store, archive: bytes, now: Now) -> str:
    """Makes a packed policy the one that decides and returns its digest; a bad one is refused, being compiled first."""
    unpack(archive)
    digest = hashlib.sha256(archive).hexdigest()
    while True:
        champion = Get(ActivePolicy, ((CHAMPION,),))
        active = Snapshot(await store.read(institution.institution_id, champion)).one(0, ActivePolicy)
        if active is not None and active.digest == digest:
            return digest
        artefacts = (Artefact(digest=digest, kind="policy", content=archive),)
        if active is None:
            fresh = ActivePolicy(slot=CHAMPION, digest=digest, since_us=now())
            changes = ChangeSet(inserts=(fresh,), inserts_if_absent=artefacts)
        else:
            newer = replace(active, digest=digest, since_us=now(), version=active.version + 1)
            changes = ChangeSet(updates=(newer,), inserts_if_absent=artefacts)
        if await committed(institution, store, changes):
            return digest
