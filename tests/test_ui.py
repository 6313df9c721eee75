"""The command ui hides passwords from other users of the machine; tests/end_to_end/test_ui.py has the rest."""

import sys
from pathlib import Path

import pytest

from pipeline import ui


def test_password_of_a_store_is_no_argument_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user can read the arguments of a process, but not its environment."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/seen"\necho "$MLFLOW_BACKEND_STORE_URI" > "{tmp_path}/kept"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert ui._serve("postgresql://me:secret@db/mlflow", "127.0.0.1", 5001) == 0
    assert "secret" not in (tmp_path / "seen").read_text()
    assert (tmp_path / "kept").read_text() == "postgresql://me:secret@db/mlflow\n"
