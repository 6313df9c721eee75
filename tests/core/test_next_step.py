"""The line `next: ...` that commands end with can be typed."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.job_context import JobContext
from pipeline.core.progress import next_step
from tests.support.project import Project


def hint(stdout: str) -> str:
    """The command after `next: ` in the last line."""
    last = stdout.splitlines()[-1]
    assert last.startswith("next: "), stdout
    return last.removeprefix("next: ")


def typed(project: Project, command: str) -> subprocess.CompletedProcess[str]:
    """Run the command, which must succeed."""
    words = shlex.split(command)
    assert words[0] == "python"
    done = project.run(sys.executable, *words[1:])
    assert done.returncode == 0, done.stderr
    return done


def test_hints_lead_from_the_settings_to_a_report(changeable: Project) -> None:
    """Each is typed as printed. The settings of a stage are those of the next one."""
    done = changeable.stage("preprocess", "data.split.validation=200")
    assert hint(done.stdout) == "python -m pipeline.train data.split.validation=200"
    store = "tracking.uri=sqlite:///other.db"
    done = typed(changeable, f"{hint(done.stdout)} train.epochs=2 ++{store}")
    assert hint(done.stdout).endswith(f" -S {store}")
    done = typed(changeable, hint(done.stdout))
    assert hint(done.stdout) == "open the page in a browser"


def test_stage_that_dvc_runs_prints_no_hint(changeable: Project) -> None:
    """DVC runs the next stage itself. From another folder, the next command could not be typed either."""
    assert hint(changeable.stage("compose").stdout) == "dvc repro"
    assert changeable.stage("compose", DVC_STAGE="compose").stdout == ""
    assert changeable.stage("compose", "train.epochs=3").stdout == ""  # `dvc repro` would undo it


def test_hint_has_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    """It would be in the terminal's history and in logs."""
    next_step("python -m pipeline.report", ["models", "-S", "tracking.uri=http://me:secret@server"])
    next_step("python -m pipeline.predict", ["a\tb.png"])
    assert capsys.readouterr().out == ""
    next_step("python -m pipeline.predict", ["my digit.png"])
    assert capsys.readouterr().out == "next: python -m pipeline.predict 'my digit.png'\n"


def test_store_of_a_job_is_that_of_the_commands(tmp_path: Path) -> None:
    """However the override is written."""
    overrides = ("train.epochs=3", "++tracking.uri=sqlite:///a.db", "tracking=server")
    context = JobContext("train", tmp_path, overrides)
    assert context.store_options == ["-S", "tracking.uri=sqlite:///a.db", "-S", "tracking=server"]
