"""What is held: made once, the least recently asked for gone first, and what is being made never."""

import asyncio

import pytest

from fanxing.flows.held import Held


class Makes:
    """Counts what is made; a key in `gates` is made when its gate opens."""

    def __init__(self, *arguments):
        self.held, self.made, self.gates = Held(*arguments), [], {}

    async def get(self, key):
        async def made():
            self.made.append(key)
            if key in self.gates:
                await self.gates[key].wait()
            if key == "broken":
                raise LookupError
            return key

        return await self.held.get(key, made)

    async def all(self, keys):
        for key in keys:
            assert await self.get(key) == key


async def test_the_least_recently_asked_for_goes_first():
    makes = Makes(2)
    await makes.all("ababcab")
    assert makes.made == [*"abcab"], "c took the place of a, then a that of b, then b that of c"
    makes = Makes(2)
    await makes.all("abacac")
    assert makes.made == [*"abc"]


async def test_what_is_being_made_is_made_once_however_much_is():
    makes = Makes(2)
    makes.gates = {key: asyncio.Event() for key in "abcde"}
    waiting = [asyncio.create_task(makes.get(key)) for key in "abcdeabcde"]
    await asyncio.sleep(0)
    await makes.all("fg")
    for gate in makes.gates.values():
        gate.set()
    assert await asyncio.gather(*waiting) == [*"abcdeabcde"]
    assert sorted(makes.made) == [*"abcdefg"]


async def test_a_bound_by_weight_keeps_the_last_however_heavy():
    makes = Makes(5, len)
    await makes.all(["aa", "bb", "aa", "ccc", "aa"])
    assert makes.made == ["aa", "bb", "ccc"]
    assert "bb" not in makes.held
    await makes.all(["dddddddd", "dddddddd"])
    assert [key in makes.held for key in ("aa", "ccc", "dddddddd")] == [False, False, True]
    assert makes.made[3:] == ["dddddddd"]


async def test_a_failure_is_told_to_all_who_wait_and_not_held():
    makes = Makes(2)
    makes.gates["broken"] = asyncio.Event()
    waiting = [asyncio.create_task(makes.get("broken")) for _ in range(2)]
    await asyncio.sleep(0)
    makes.gates.pop("broken").set()
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [LookupError] * 2
    assert "broken" not in makes.held
    with pytest.raises(LookupError):
        await makes.get("broken")
    assert makes.made == ["broken"] * 2


async def test_what_is_forgotten_while_it_is_made_is_told_to_who_waits_and_not_held():
    makes = Makes(2)
    makes.gates["a"] = asyncio.Event()
    waiting = asyncio.create_task(makes.get("a"))
    await asyncio.sleep(0)
    makes.held.forget(lambda key: key == "a")
    makes.gates["a"].set()
    assert await waiting == "a"
    assert "a" not in makes.held
    await makes.all("aa")
    assert makes.made == ["a", "a"]
