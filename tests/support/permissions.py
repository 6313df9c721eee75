"""Commands of a user who may not write everything."""

import os
import shutil
from collections.abc import Sequence

import pytest

CAPABILITIES = "-dac_override,-dac_read_search"


def obeying_permissions(words: Sequence[str]) -> list[str]:
    """The command, to be run without root's right to ignore permissions; the test is skipped where root cannot drop it.

    Another user would not do: Python may be where only root can read it.
    """
    if os.geteuid() != 0:
        return list(words)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root ignores permissions, and setpriv (util-linux) is not installed")
    return [setpriv, f"--bounding-set={CAPABILITIES}", f"--inh-caps={CAPABILITIES}", *words]
