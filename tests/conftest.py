"""What tests of several rooms share."""

import shutil

import pytest

from fanxing.settings import TOWN_POLICY


@pytest.fixture(scope="session")
def policy_directory(tmp_path_factory):
    """The town's policy with no fear of default: these tests are about lending, and their merchants are no town's."""
    directory = tmp_path_factory.mktemp("policy") / "wide"
    shutil.copytree(TOWN_POLICY, directory)
    constants = directory / "policy.toml"
    text = constants.read_text().replace("pd_at_zero = 0.08", "pd_at_zero = 1.0").replace("lgd = 0.7", "lgd = 0.0")
    constants.write_text(text)
    return directory
