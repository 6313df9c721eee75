"""The command ui hides passwords, and prints JSON when it is ready; tests/end_to_end/test_ui.py has the rest."""

import json
import sys
from pathlib import Path

import pytest

from pipeline import ui
from tests.support.project import Project
from tests.support.servers import free_port
from tests.support.stores import client_of

WITH_ANOTHER_PYTHON = (
    "import runpy, sys; sys.executable, *sys.argv = sys.argv[1], 'ui', *sys.argv[2:]\n"
    "runpy.run_module('pipeline.ui', run_name='__main__', alter_sys=True)"
)
# Servers that stand in for MLflow's: one ends at the first connection, the other fails.
SERVER = "import socket; print('noise', flush=True); socket.create_server(('127.0.0.1', {port})).accept()"
FAILING_SERVER = "print('noise', flush=True); raise SystemExit(3)"


def test_password_of_a_store_is_no_argument_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user can read the arguments of a process, but not its environment."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/seen"\necho "$MLFLOW_BACKEND_STORE_URI" > "{tmp_path}/kept"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert ui._serve("postgresql://me:secret@db/mlflow", "127.0.0.1", 5001, print) == 0
    assert "secret" not in (tmp_path / "seen").read_text()
    assert (tmp_path / "kept").read_text() == "postgresql://me:secret@db/mlflow\n"


@pytest.mark.parametrize(("server", "code"), [(SERVER, 0), (FAILING_SERVER, 3)], ids=["opens", "fails"])
def test_json_is_printed_when_the_ui_can_be_opened(server: str, code: int, digits: Project, tmp_path: Path) -> None:
    """Whoever reads it may open a link at once. What the server prints is not on stdout."""
    port = free_port()
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{server.format(port=port)}"\n')
    python.chmod(0o755)
    done = digits.run(sys.executable, "-c", WITH_ANOTHER_PYTHON, str(python), "--json", "--port", str(port))
    assert (done.returncode, done.stderr) == (code, "noise\n")
    if code:
        assert done.stdout == ""
        return
    address = f"http://127.0.0.1:{port}/"
    experiment = client_of(digits.folder).get_experiment_by_name("digits")
    assert experiment is not None
    link = f"{address}#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
    assert json.loads(done.stdout) == {"address": address, "charts": [{"experiment": "digits", "link": link}]}
