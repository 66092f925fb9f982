"""The town's policy with no fear of default or of strangers: a load run must lend, and its shops are no town's."""

import shutil
from pathlib import Path

from fanxing.settings import TOWN_POLICY

_CHANGES = {"pd_at_zero = 0.08": "pd_at_zero = 1.0", "lgd = 0.7": "lgd = 0.0", '"no_outside_payers",': ""}


def write_lenient_policy(directory: Path) -> Path:
    """Writes the policy into a new directory and returns it."""
    shutil.copytree(TOWN_POLICY, directory)
    constants = directory / "policy.toml"
    text = constants.read_text(encoding="utf-8")
    for before, after in _CHANGES.items():
        if before not in text:
            raise ValueError(f"{constants} has no {before!r}")
        text = text.replace(before, after)
    constants.write_text(text, encoding="utf-8")
    return directory
