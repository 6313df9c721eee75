"""Runs a command in a fork of a process which has imported the heavy packages: the import takes seconds each time."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]

# Variables which the packages read at each use, and those of DVC and Ray, which the server does not import. Others may
# be read at import, which is over in a warm process.
READ_AT_USE = {
    "COLUMNS",
    "DVC_EXP_BASELINE_REV",
    "DVC_EXP_NAME",
    "DVC_SITE_CACHE_DIR",
    "DVC_STAGE",
    "HYDRA_FULL_ERROR",
    "MLFLOW_TRACKING_URI",
    "PATH",
    "PYTEST_CURRENT_TEST",
    "PYTHONPATH",
}

# What pipeline/ sets before it imports the packages, and they read at import.
AT_IMPORT = {
    "GIT_PYTHON_REFRESH": "quiet",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class Session:
    """The session's one server, which its first command starts."""

    folder: Path | None = None  # shared by the session's xdist workers
    env: Mapping[str, str] = {}
    server: "subprocess.Popen[bytes] | None" = None  # where this process started it


def start(folder: Path) -> None:
    """Let the session's commands share one server in `folder`, unless TESTS_COLD=1."""
    if os.environ.get("TESTS_COLD") != "1" and sys.platform == "linux":  # other systems' libraries do not survive forks
        Session.folder, Session.env = folder, without_settings(os.environ)


def without_settings(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without the settings of MLflow and Hydra that a developer's shell may have."""
    return {name: value for name, value in env.items() if not name.startswith(("MLFLOW_", "HYDRA_"))}


def can_run(words: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a warm process runs the command as a new one would."""
    changed = {name for name in {*Session.env, *env} if env.get(name) != Session.env.get(name)}
    return (
        Session.folder is not None
        and list(words[:2]) == [sys.executable, "-m"]
        and words[2].startswith("pipeline.")
        and all(name in READ_AT_USE or name.startswith("RAY_") for name in changed)
    )


def run(words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ...` as `subprocess.run` does that captures text.

    Raises:
        RuntimeError: the server has ended.
        subprocess.TimeoutExpired: the command took longer than `timeout` seconds, and was killed.
    """
    request = json.dumps({"module": words[2], "arguments": words[3:], "cwd": str(cwd), "env": dict(env)}).encode()
    with _connect() as connection, connection.makefile() as answers, ThreadPoolExecutor(2) as readers:
        connection.settimeout(timeout)
        (stdout, child_stdout), (stderr, child_stderr) = os.pipe(), os.pipe()
        texts = [readers.submit(_read, stdout), readers.submit(_read, stderr)]
        pid = 0
        try:
            try:
                size = len(request).to_bytes(4, "big")
                socket.send_fds(connection, [size], [0, child_stdout, child_stderr])
                connection.sendall(request)
            finally:
                os.close(child_stdout)
                os.close(child_stderr)
            pid = int(answers.readline())
            code = int(answers.readline())
        except TimeoutError:
            if pid:
                os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout) from None
        except (OSError, ValueError) as error:
            raise RuntimeError(f"the warm server has ended: see {_log()}; TESTS_COLD=1 does without it") from error
        return subprocess.CompletedProcess(words, code, *(text.result() for text in texts))


def _read(pipe: int) -> str:
    with os.fdopen(pipe) as text:
        return text.read()


def _connect() -> socket.socket:
    """A connection to the server. It answers when its imports are done."""
    assert Session.folder is not None
    path = Session.folder / "warm.socket"
    with FileLock(Session.folder / "warm.lock"):
        if not path.exists():
            _start_server(path)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


def _start_server(path: Path) -> None:
    """Start the server. It ends when pytest's own process has ended, which is the parent of a worker of xdist."""
    session = os.getppid() if "PYTEST_XDIST_WORKER" in Session.env else os.getpid()
    env = {name: value for name, value in Session.env.items() if name != "PYTHONPATH"}
    with socket.socket(socket.AF_UNIX) as listener, _log().open("wb") as log:
        listener.bind(str(path))
        listener.listen()
        Session.server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm_server", str(listener.fileno()), str(session)],
            cwd=ROOT,
            env=env | AT_IMPORT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
        )


def _log() -> Path:
    assert Session.folder is not None
    return Session.folder / "warm.log"
