"""A PostgreSQL server for tests, from Debian's package `postgresql`."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import free_port

OWNER = "postgres"  # the package's user: PostgreSQL refuses to run as root


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a server with an empty database on loopback, yield its address, and delete it at the end.

    Without PostgreSQL the test is skipped. In CI it fails, because nobody would notice a test that never runs.
    """
    programs = _programs()
    # Not in pytest's folder, which user postgres may not enter.
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, OWNER)
        data, port = f"{name}/data", free_port()
        _run(
            programs / "initdb",
            "-D",
            data,
            "-U",
            "mlflow",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={name} -c fsync=off"
        server = (programs / "pg_ctl", "-D", data, "-w")
        _run(*server, "-l", f"{name}/log", "-o", settings, "start")
        try:
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
        finally:
            _run(*server, "-m", "immediate", "stop")


def _programs() -> Path:
    """The folder with the programs of the newest version, which Debian does not put on PATH."""
    candidates = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    initdb = shutil.which("initdb") or max(candidates, key=lambda path: float(path.parts[-3]), default=None)
    if initdb is not None:
        return Path(initdb).parent
    missing = "PostgreSQL's initdb is missing: install the Debian package postgresql"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def _run(*words: str | Path) -> None:
    user = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
    # No pipes: the server would keep them open.
    subprocess.run([*user, *words], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
