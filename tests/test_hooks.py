"""The Git hooks that `make hooks` installs, and the files that other services read."""

import subprocess
from pathlib import Path

import pytest

from tests.support.environment import link_environment
from tests.support.project import ROOT, Project

SCHEMAS = {".github/workflows/ci.yml": "vendor.github-workflows", "CITATION.cff": "vendor.citation-file-format"}
SCHEMAS[".github/workflows/audit.yml"] = SCHEMAS[".github/workflows/ci.yml"]


@pytest.mark.setup
def test_hooks_check_a_commit_and_let_a_push_pass(changeable: Project, tmp_path: Path) -> None:
    """Ruff refuses a careless file. A push needs no DVC remote, and fills one. A checkout restores what DVC tracks."""
    link_environment(changeable.folder / ".venv")
    done = changeable.run("make", "hooks")
    assert done.returncode == 0, done.stderr
    (changeable.folder / "pipeline/careless.py").write_text("import os\n")
    changeable.git("add", "pipeline/careless.py")
    done = changeable.run("git", "commit", "-m", "Add a careless file")
    assert done.returncode == 1
    assert "`os` imported but unused" in done.stdout + done.stderr
    (changeable.folder / "pipeline/careless.py").write_text('"""A careful file."""\n')
    changeable.git("add", "pipeline/careless.py")
    done = changeable.run("git", "commit", "-m", "Add a careful file")
    assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "hub"], check=True)
    done = changeable.run("git", "push", "-q", str(tmp_path / "hub"), "HEAD:main")
    assert done.returncode == 0, done.stdout + done.stderr
    changeable.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    done = changeable.run("git", "push", "-q", str(tmp_path / "hub"), "HEAD:other")
    assert done.returncode == 0, done.stdout + done.stderr
    assert any((tmp_path / "storage").rglob("*"))
    (changeable.folder / "models/history.csv").unlink()
    done = changeable.run("git", "checkout", "-q", "HEAD~1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (changeable.folder / "models/history.csv").is_file()


@pytest.mark.parametrize("name", SCHEMAS)
def test_file_follows_its_schema(name: str) -> None:
    """A mistake in a workflow would show only after a push."""
    command = ["check-jsonschema", "--builtin-schema", SCHEMAS[name], str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_workflow_runs_ci_on_every_supported_python() -> None:
    """The versions are those of `requires-python` in pyproject.toml."""
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert 'python: ["3.11", "3.12", "3.13"]' in workflow
    assert "bash .ci/run" in workflow
    assert 'requires-python = ">=3.11,<3.14"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
