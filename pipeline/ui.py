"""Show the runs in MLflow's UI, on this machine alone, until Ctrl-C.

python -m pipeline.ui
"""

import os
import socket
import subprocess
import sys
from argparse import Namespace

from pipeline.core.config import Config
from pipeline.core.errors import Terminated, UserError
from pipeline.runs import command_line

# MLflow's jobs about language models take most of its start, and end with tracebacks.
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "ui")
    parser.add_argument("--port", type=int, help="another one than 5001")
    return parser


def show(given: Namespace, config: Config) -> int:
    """Tell where the charts are, and serve them where the store is no server that does so itself.

    Raises:
        UserError: there is nothing to show, or the port is taken.
    """
    from pipeline.runs import charts
    from pipeline.runs.lookup import Lookup

    found = Lookup(config)
    served, port = charts.is_server(found.uri), charts.PORT if given.port is None else given.port
    if not served:
        _check_free(charts.LOOPBACK, port)
    for name, link in charts.links(found.client, charts.address(found.uri, port)):
        sys.stdout.write(f"{name}: {link}\n")
    sys.stdout.flush()
    return 0 if served else _serve(found.uri, charts.LOOPBACK, port)


def _check_free(host: str, port: int) -> None:
    if not 0 < port < 1 << 16:
        raise UserError(f"--port {port} is not allowed: it must be 1 to 65535")
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(
            f"port {port} cannot be used ({reason}): end what listens there, perhaps another `make ui`, or choose "
            "another one: python -m pipeline.ui --port 5011"
        ) from error


def _serve(uri: str, host: str, port: int) -> int:
    """Run MLflow's UI until it ends or a signal comes, and give its exit code."""
    where = ["--host", host, "--port", str(port)]
    plain = ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    store = {"MLFLOW_BACKEND_STORE_URI": uri}  # everybody sees arguments, and it may have a password
    # In a session of its own it does not hear Ctrl-C, at which it would print tracebacks.
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow", "ui", *where, *plain],
        env={**os.environ, **QUIET, **store},
        start_new_session=True,
    ) as server:
        try:
            return server.wait()
        except KeyboardInterrupt as interrupt:
            server.terminate()
            if isinstance(interrupt, Terminated):
                raise
            return 0


if __name__ == "__main__":
    command_line.run(show, arguments())
