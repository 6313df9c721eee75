"""Show the runs in MLflow's UI, on this machine only, until Ctrl-C.

python -m pipeline.ui
"""

import os
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from pipeline.core.config import Config
from pipeline.core.errors import Terminated, UserError
from pipeline.core.progress import line
from pipeline.runs import command_line

# MLflow's background jobs for language models take most of its start, and print tracebacks at the end.
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
PAUSE = 0.1  # seconds between two attempts to connect


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "ui", '{"address", "charts": [{"experiment", "link"}, ...]}')
    parser.add_argument("--port", type=int, help="5001 by default")
    return parser


def main(args: Namespace, config: Config) -> int:
    """Print links to the charts, and serve MLflow's UI unless the store is a server, which has its own.

    With --json they are printed when the UI can be opened, and otherwise a line says when it can.

    Raises:
        UserError: there is no store, or the port is taken.
    """
    from pipeline.runs import charts
    from pipeline.runs.lookup import Lookup

    lookup = Lookup(config)
    is_server, port = charts.is_server(lookup.uri), charts.PORT if args.port is None else args.port
    if not is_server:
        _check_port(charts.LOOPBACK, port)
    address = charts.address(lookup.uri, port)
    links = [{"experiment": name, "link": link} for name, link in charts.links(lookup.client, address)]
    if args.json:
        when_open = partial(command_line.print_json, {"address": address, "charts": links}, args.json)
    else:
        sys.stdout.write("".join(f"{item['experiment']}: {item['link']}\n" for item in links))
        sys.stdout.flush()
        when_open = partial(line, f"next: open a link in a browser{'' if is_server else ', and end with Ctrl-C'}")
    if not is_server:
        return _serve(lookup.uri, charts.LOOPBACK, port, when_open)
    when_open()
    return 0


def _check_port(host: str, port: int) -> None:
    if not 0 < port < 1 << 16:
        raise UserError(f"--port {port} is not allowed: it must be 1 to 65535")
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(
            f"port {port} cannot be used ({reason}): stop the program that listens there, perhaps another `make ui`, "
            "or choose another port: python -m pipeline.ui --port 5011"
        ) from error


def _serve(uri: str, host: str, port: int, when_open: Callable[[], None]) -> int:
    """Run MLflow's UI until it ends or a signal arrives, and return its exit code.

    `when_open` is called when the UI can be opened.
    """
    address = ["--host", host, "--port", str(port)]
    options = ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    store = {"MLFLOW_BACKEND_STORE_URI": uri}  # may hold a password, and arguments are visible to every user
    # In its own session the server gets no Ctrl-C, at which it would print tracebacks.
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow", "ui", *address, *options],
        env={**os.environ, **QUIET, **store},
        stdout=sys.stdout,  # with --json it is stderr
        start_new_session=True,
    ) as server:
        try:
            if _is_open(server, host, port):
                when_open()
            return server.wait()
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, Terminated):
                raise
            return 0
        finally:
            server.terminate()


def _is_open(server: "subprocess.Popen[bytes]", host: str, port: int) -> bool:
    """Wait until the server accepts connections; False if it has ended before."""
    while server.poll() is None:
        with suppress(OSError), socket.create_connection((host, port)):
            return True
        time.sleep(PAUSE)
    return False


if __name__ == "__main__":
    command_line.run_command(main, arguments())
