"""What is made once for all who ask for it at once, and kept for those who ask later."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Held(Generic[K, T]):
    """At most so many, the oldest made going first. Who goes away while it is made takes nothing from the others."""

    def __init__(self, most: int) -> None:
        self._tasks: OrderedDict[K, asyncio.Task[T]] = OrderedDict()
        self._most = most

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    async def get(self, key: K, made: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What is held, or is being made, or is made now. A failure is told to all who wait, and not held."""
        if key not in self._tasks:
            task = self._tasks[key] = asyncio.create_task(made())

            def drop_failed(done: asyncio.Task[T]) -> None:
                if (done.cancelled() or done.exception()) and self._tasks.get(key) is done:
                    del self._tasks[key]

            task.add_done_callback(drop_failed)
            if len(self._tasks) > self._most:
                self._tasks.popitem(last=False)
            return await asyncio.shield(task)
        return await asyncio.shield(self._tasks[key])

    def forget(self, which: Callable[[K], bool]) -> None:
        """Drops those whose keys are such; who waits for one gets it still."""
        for key in [key for key in self._tasks if which(key)]:
            del self._tasks[key]
