"""What is made once for all who ask for it at once, and kept for those who ask later."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Held(Generic[K, T]):
    """At most so many, or of at most so much weight; the least recently asked for go first, and the last one stays.

    What is still being made is not among them. Who goes away while it is made takes nothing from the others.
    """

    def __init__(self, most: int, weight: Callable[[T], int] = lambda _: 1) -> None:
        self._making: dict[K, asyncio.Task[T]] = {}
        self._made: OrderedDict[K, T] = OrderedDict()
        self._most, self._weight = most, weight

    def __contains__(self, key: K) -> bool:
        return key in self._made or key in self._making

    async def get(self, key: K, made: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What is held, or is being made, or is made now. A failure is told to all who wait, and not held."""
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        if key not in self._making:
            task = self._making[key] = asyncio.create_task(made())
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(self._making[key])

    def _keep(self, key: K, done: asyncio.Task[T]) -> None:
        failed = done.cancelled() or done.exception()
        if self._making.get(key) is not done:  # forgotten meanwhile
            return
        del self._making[key]
        if failed:
            return
        self._made[key] = done.result()
        while len(self._made) > 1 and sum(map(self._weight, self._made.values())) > self._most:
            self._made.popitem(last=False)

    def forget(self, which: Callable[[K], bool]) -> None:
        """Drops those whose keys are such; who waits for one gets it still."""
        for key in filter(which, [*self._made]):
            del self._made[key]
        for key in filter(which, [*self._making]):
            del self._making[key]
