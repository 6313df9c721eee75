"""Runs on an MLflow server: a real one on loopback, with its own sqlite store and artifact proxy."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.project import Project
from tests.support.stores import client_of, runs


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The server's folder and its address."""
    folder = tmp_path / "server"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield folder, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            assert time.monotonic() < end, "the server does not come up"
        else:
            return


def test_run_and_its_files_go_to_the_server(changeable: Project, server: tuple[Path, str]) -> None:
    """By `tracking=server`; nothing is written into the server's folders behind its back, and nothing at home."""
    folder, url = server
    done = changeable.stage("train", "tracking=server", f"tracking.uri={url}", "train.epochs=2")
    assert done.returncode == 0, done.stderr
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert len(client_of(folder).get_metric_history(run.info.run_id, "valid/error")) == 2
    assert list(folder.glob("mlartifacts/*/*/artifacts/weights.png"))
    assert list(folder.glob("mlartifacts/*/models/*/artifacts/data/model.keras"))
    assert not (changeable.folder / "mlflow.db").exists()
