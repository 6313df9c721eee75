"""Programs that fail: their own reason is in the error."""

import sys
from pathlib import Path

import pytest

from pipeline.core import programs
from pipeline.core.programs import ProgramError

GIT = """\
warning: in the working copy of 'x', LF will be replaced by CRLF
fatal: detected dubious ownership in repository at '/x'
To add an exception for this directory, call:

\tgit config --global --add safe.directory /x
"""
DVC = """\
WARNING: Some of the cache files do not exist.
ERROR: Checkout failed for following targets:
data
Is your cache up to date?
<https://error.dvc.org/missing-files>
"""
BUG = """\
ERROR: unexpected error - 'getpwuid(): uid not found: 12345'

Having any troubles? Hit us up at https://x
"""
TRACEBACK = """\
ERROR: configuration error - Invalid line
Traceback (most recent call last):
  File "x.py", line 1
ConfigError: Invalid line
"""
NPM = """\
npm error code ECONNREFUSED
npm error syscall connect
npm error errno ECONNREFUSED
npm error FetchError: request to http://127.0.0.1:9/x failed, reason: connect ECONNREFUSED 127.0.0.1:9
npm error     at ClientRequest.<anonymous> (x.js:130:14)
npm error A complete log of this run can be found in: x.log
"""
ADVICE = "To add an exception for this directory, call: git config --global --add safe.directory /x"
LINK = "<https://error.dvc.org/missing-files>"
SAID = {
    "git": (GIT, f"detected dubious ownership in repository at '/x'. {ADVICE}"),
    "git apply": ("error: patch failed: a.py:1\nerror: a.py: patch does not apply\n", "a.py: patch does not apply"),
    "DVC": (DVC, f"Checkout failed for following targets: data. Is your cache up to date? {LINK}"),
    "a bug of DVC": (BUG, "unexpected error - 'getpwuid(): uid not found: 12345'"),
    "DVC's traceback": (TRACEBACK, "configuration error - Invalid line"),
    "Python's traceback": (TRACEBACK.partition("\n")[2], "ConfigError: Invalid line"),
    "npm": (NPM, "FetchError: request to http://127.0.0.1:9/x failed, reason: connect ECONNREFUSED 127.0.0.1:9"),
    "an earlier npm": ("npm ERR! code E404\nnpm ERR! 404 Not Found - GET http://x\n", "404 Not Found - GET http://x"),
    "a program of any other kind": ("starting\nno space left\n\n", "no space left"),
    "a silent program": ("", "exit code 3"),
}


@pytest.mark.parametrize("program", SAID)
def test_reason_of_a_failing_program_is_in_the_error(program: str, tmp_path: Path) -> None:
    """Neither a warning before it, nor a log's place, a stack or a support address after it."""
    printed, reason = SAID[program]
    (tmp_path / "stderr").write_text(printed)
    command = ["sh", "-c", "cat stderr >&2; exit 3"]
    with pytest.raises(ProgramError) as caught:
        programs.run(command, tmp_path)
    assert caught.value.reason == reason
    assert str(caught.value) == f"sh failed: {reason}"


def test_program_that_cannot_run_or_does_not_end_is_an_error(tmp_path: Path) -> None:
    """It is not there, its folder is gone, it may not be executed, or it is too slow."""
    (tmp_path / "plain").write_text("")
    gone = tmp_path / "gone"
    for command, folder, reason in (
        (["no-such-program"], tmp_path, "it is not installed"),
        ([sys.executable], gone, f"{gone} is not there"),
        ([str(tmp_path / "plain")], tmp_path, "Permission denied"),
        (["tail", "-f", "/dev/null"], tmp_path, "it took more than 0.1 s"),
    ):
        with pytest.raises(ProgramError) as caught:
            programs.run(command, folder, timeout=0.1 if command[0] == "tail" else None)
        assert caught.value.reason == reason
