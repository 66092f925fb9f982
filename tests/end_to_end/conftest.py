"""What the end-to-end tests share."""

import pytest
from tests.berka_fixture import write_bank

from fanxing.training import berka


@pytest.fixture(scope="session")
def bank(tmp_path_factory):
    """A made-up bank and a policy fitted on it."""
    home = tmp_path_factory.mktemp("bank")
    write_bank(home / "data")
    berka.train(home / "data", home / "policy")
    return home
