"""A race without luck."""

import asyncio


class Meeting:
    """A store that holds the next `awaited` commits until the last of them is there: all read before any writes."""

    def __init__(self, store):
        self._store = store
        self.awaited, self._all_there = 0, asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, institution_id, changes):
        if self.awaited:
            self.awaited -= 1
            if not self.awaited:
                self._all_there.set()
            await self._all_there.wait()
        return await self._store.commit(institution_id, changes)
