"""The server of tests/support/warm.py: imports the heavy packages, and forks for each command.

python -m tests.support.warm_server LISTENER PID

LISTENER is the descriptor of a listening socket, PID the process with whose end the server ends. A request is four
bytes with its size, sent with the descriptors of stdin, stdout and stderr, then a JSON object. The answers are two
lines: the fork's process id and, later, its exit code.

A fork differs from a new process in three things: it shares its siblings' hash seed, /proc shows the server's command
line, and packages that a new process imports late, or not at all, are imported already. It never has `pipeline` or
`hydra_plugins` from here.
"""

import contextlib
import gc
import importlib
import json
import multiprocessing.process
import os
import random
import runpy
import selectors
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType

# What commands import beside them is quick to import.
PACKAGES = (
    "keras",  # first: TensorFlow and MLflow look for it
    "mlflow.artifacts",
    "mlflow.keras",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "hydra.main",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "optuna",
    "PIL.Image",
    "psutil",
    "requests",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.metrics",
    "sklearn.model_selection",
    "tabulate",
)


@dataclass(frozen=True)
class Request:
    """A command as the test has it."""

    module: str
    arguments: list[str]
    cwd: str
    env: dict[str, str]


def receive(connection: socket.socket) -> tuple[Request, list[int]]:
    """Read a request and its three descriptors."""
    size, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as stream:
        return Request(**json.loads(stream.read(int.from_bytes(size, "big")))), descriptors


def serve(listener: socket.socket, session: int) -> Request:
    """Fork for each command until the session ends. Returns in the forks alone, with the command to run."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        ended = os.pidfd_open(session)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == ended:
                    sys.exit()
                if key.fileobj is not listener:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    pid, connection = key.data
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with contextlib.suppress(OSError), connection:  # the test's process may have ended
                        connection.sendall(f"{code}\n".encode())
                    continue
                connection, _ = listener.accept()
                request, descriptors = receive(connection)
                pid = os.fork()
                if pid == 0:
                    connection.close()
                    for other in list(selector.get_map().values()):
                        os.close(other.fd)
                        if other.data:
                            other.data[1].close()
                    listener.detach()
                    take_over(request, descriptors)
                    return request
                for descriptor in descriptors:
                    os.close(descriptor)
                with contextlib.suppress(OSError):
                    connection.sendall(f"{pid}\n".encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))


def take_over(request: Request, descriptors: list[int]) -> None:
    """Give this process the command's streams, folder, environment and import path."""
    for stream, descriptor in enumerate(descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    # Python has asked only the old ones whether they can seek.
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - open until the process ends
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    python_path = filter(None, request.env.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:0] = [str(Path.cwd()), *map(os.path.abspath, python_path)]
    importlib.invalidate_caches()
    random.seed()
    tempfile.tempdir = None
    multiprocessing.process.ORIGINAL_DIR = request.cwd  # type: ignore[attr-defined]  # where spawned processes import


def run(request: Request) -> None:
    """Run the module as `python -m` does. What it raises, SystemExit included, ends this process as usual."""
    sys.modules["__main__"] = ModuleType("__main__")
    sys.argv = ["-m", *request.arguments]
    sys.orig_argv = [sys.executable, "-m", request.module, *request.arguments]
    sys.excepthook = print_traceback
    runpy._run_module_as_main(request.module)  # type: ignore[attr-defined]  # what `python -m` calls


def print_traceback(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an error as Python does, without the frames of this file and those that called it."""
    shown, frame = traceback, traceback
    while frame:
        if frame.tb_frame.f_code.co_filename == __file__:
            shown = frame.tb_next
        frame = frame.tb_next
    sys.__excepthook__(kind, error.with_traceback(shown), shown)


def main() -> None:
    """Import, serve, and in the forks run the command."""
    sys.path.remove(str(Path.cwd()))  # where `pipeline` is another one than the test's
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    for package in PACKAGES:
        importlib.import_module(package)
    assert threading.active_count() == 1, "an import has started a thread, which forks would lack"
    gc.collect()
    gc.freeze()
    run(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))


if __name__ == "__main__":
    main()
