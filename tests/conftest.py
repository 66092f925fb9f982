"""What tests of several rooms share."""

import pytest
from loadtest.policy import write_lenient_policy


@pytest.fixture(scope="session")
def policy_directory(tmp_path_factory):
    """The town's policy with no fear of default: these tests are about lending, and their merchants are no town's."""
    return write_lenient_policy(tmp_path_factory.mktemp("policy") / "lenient")
