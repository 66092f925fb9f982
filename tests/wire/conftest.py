"""Fixtures of a served world, by the SYSTEM clock and by the CALLER's."""

import pytest
from tests.served import served

from fanxing.institutions import Clock


@pytest.fixture
async def service(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory) as running:
        yield running


@pytest.fixture
async def replayed(tmp_path, policy_directory):
    async with served(tmp_path, policy_directory, clock=Clock.CALLER) as running:
        yield running
