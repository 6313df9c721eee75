"""Warm processes, in which tests run commands, give what new processes do."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.project import Project

COMMAND = (sys.executable, "-m", "pipeline.train")


@pytest.fixture(autouse=True)
def _warm(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm processes, in a session with TESTS_COLD=1 too."""
    if sys.platform != "linux":
        pytest.skip("only on Linux do commands run in warm processes")
    monkeypatch.delenv("TESTS_COLD", raising=False)
    monkeypatch.setattr(warm.Session, "folder", None)  # and after the test as before
    monkeypatch.setattr(warm.Session, "env", {})
    warm.start(shared_folder)


@contextmanager
def cold() -> Iterator[None]:
    """Run commands in new processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm.Session, "folder", None)
        yield


def result(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def test_training_gives_the_same_model_and_prints_the_same(changeable: Project) -> None:
    """Byte for byte; only the run's id and folder are others."""
    with cold():
        done = [changeable.stage("train", "train.epochs=2", "hydra.run.dir=cold")]
    done.append(changeable.stage("train", "train.epochs=2", "hydra.run.dir=warm"))
    assert [each.returncode for each in done] == [0, 0]
    assert done[0].stderr == done[1].stderr
    results = [re.findall("2 epochs, best validation error .*", each.stdout) for each in done]
    assert len(results[0]) == 1
    assert results[0] == results[1]
    models = [(changeable.folder / name / "model.keras").read_bytes() for name in ("cold", "warm")]
    assert models[0] == models[1]


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["train.batch_size=1201"], {}),
        (["train.learning_rat=0.1"], {}),
        (["train.batch_size=0"], {"HYDRA_FULL_ERROR": "1"}),
        (["--help"], {}),
    ],
    ids=["refused", "refused by Hydra", "traceback", "help"],
)
def test_commands_end_alike(words: list[str], env: dict[str, str], changeable: Project) -> None:
    """With the same texts and exit code."""
    with cold():
        expected = result(changeable.stage("train", *words, **env))
    assert result(changeable.stage("train", *words, **env)) == expected


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('broken')",
        "import os; os.kill(os.getpid(), 15)",
        "import threading as t; t.Thread(target=lambda: (t.main_thread().join(), print('late'))).start()",
        "import atexit; atexit.register(print, 'at exit'); raise SystemExit('a text')",
        "import os, sys; print(os.getcwd(), sys.path, sys.argv, sys.orig_argv, __name__, __spec__.name, __file__)",
        "import os, sys; print(sorted(os.environ.items()), sys.stdin.read())",
        "import signal; print([signal.getsignal(number) for number in sorted(signal.valid_signals())])",
        "import sys; print('no line end', end=''); sys.stderr.write('é\\n')",
        "raise KeyboardInterrupt",
        "import",
    ],
)
def test_python_ends_alike(code: str, changeable: Project, tmp_path: Path) -> None:
    """Tracebacks, signals, threads, handlers and streams are those of a new interpreter."""
    (changeable.folder / "pipeline" / "tried.py").write_text(f"{code}\n", encoding="utf-8")
    command = (sys.executable, "-m", "pipeline.tried", "x=1")
    with cold():
        expected = result(changeable.run(*command, cwd=tmp_path))
    assert result(changeable.run(*command, cwd=tmp_path)) == expected


def test_other_environments_get_new_processes(changeable: Project) -> None:
    """A variable that a package reads at import, as most of MLflow's and TensorFlow's, would come too late."""
    assert warm.can_run(COMMAND, changeable.environment(MLFLOW_TRACKING_URI="sqlite:///x.db"))
    assert not warm.can_run(COMMAND, changeable.environment(TF_CPP_MIN_LOG_LEVEL="0"))
    assert not warm.can_run((sys.executable, "-c", "pass"), changeable.environment())


def test_command_that_takes_too_long_is_killed(changeable: Project) -> None:
    """As subprocess.run does."""
    (changeable.folder / "pipeline" / "tried.py").write_text("import signal; print(1, flush=True); signal.pause()\n")
    command = (sys.executable, "-m", "pipeline.tried")
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(command, changeable.folder, changeable.environment(), 0.5)
