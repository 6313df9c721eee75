"""Windows is refused at once, with what to do instead."""

import sys

import pytest

from tests.support.project import Project

MESSAGE = "error: Windows is supported through WSL: run `wsl --install`, and clone the project inside WSL\n"


@pytest.mark.parametrize(
    ("command", "env"),
    [
        ([sys.executable, "-c", "import sys; sys.platform = 'win32'; import pipeline.train"], []),
        (["bash", ".ci/setup.sh"], ["OSTYPE=msys"]),
    ],
    ids=["command", "setup"],
)
def test_windows_is_refused_in_one_line(command: list[str], env: list[str], fresh: Project) -> None:
    """Without it, the error would be that of a module that Windows lacks."""
    done = fresh.run("env", *env, *command)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", MESSAGE)
