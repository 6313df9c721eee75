"""`make setup` makes .venv, makes it anew where it cannot work any more, and leaves a sound one alone."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.environment import link_environment
from tests.support.project import ROOT, Project

pytestmark = pytest.mark.setup

BACKEND = """
import shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    shutil.copy("own-1.0-py3-none-any.whl", folder)
    return "own-1.0-py3-none-any.whl"
"""
OWN_CHOICE = "[core]\n    site_cache_dir = /scratch\n"  # DVC itself is not among the packages


def wheel(folder: Path, name: str) -> str:
    """Write a wheel with a module and a command of this name, and return its SHA-256."""
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "def main():\n    print('works')\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that locks one small package, after `make setup` among settings that are for other installations."""
    folder = tmp_path_factory.mktemp("setup") / "a project"
    for name in ("Makefile", ".ci/setup.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder.parent / "index").mkdir()  # a path without spaces, at which pip splits
    sha256 = wheel(folder.parent / "index", "locked")
    (folder / "requirements.lock").write_text(f"locked==1.0 --hash=sha256:{sha256}\n")
    wheel(folder, "own")
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config.local").write_text(OWN_CHOICE)
    (folder / "pip.conf").write_text(
        "[global]\nrequire-virtualenv = true\nno-index = true\nrequire-hashes = true\ndry-run = true\n"
        f"[install]\nuser = true\ntarget = {folder}/target\nprefix = {folder}/prefix\nroot = {folder}/root\n"
        "no-binary = :all:\nno-deps = true\n"
    )
    (folder / "constraints.txt").write_text("locked==2.0\n")
    (folder / "pip.py").write_text("raise SystemExit('another pip')\n")
    return_code, stderr = setup(
        Project(folder),
        PIP_CONFIG_FILE=str(folder / "pip.conf"),
        PIP_USER="1",
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_TARGET=str(folder / "target"),
        PIP_PREFIX=str(folder / "prefix"),
        PIP_ROOT=str(folder / "root"),
        PIP_PYTHON="/nowhere/python",
        PIP_PLATFORM="any",
        PIP_CONSTRAINT=str(folder / "constraints.txt"),
        PIP_NO_BINARY=":all:",
        PYTHONHOME="/nowhere",
        PYTHONPATH=str(folder),
    )
    assert (return_code, stderr) == (0, "")
    assert [*folder.glob(".venv/lib/python*/site-packages/locked.py")]
    assert [*folder.glob(".venv/lib/python*/site-packages/own.py")]
    assert not [name for name in ("target", "prefix", "root") if (folder / name).exists()]
    return Project(folder)


def setup(project: Project, **env: str) -> tuple[int, str]:
    """Run `make setup`, and return its exit code and stderr."""
    index = {"PIP_FIND_LINKS": str(project.folder.resolve().parent / "index"), "PIP_NO_INDEX": "1"}
    done = project.run("make", "setup", cwd=None, **{"PIP_CONFIG_FILE": os.devnull, **index, **env})
    return done.returncode, done.stderr


def prints(project: Project, command: str) -> str:
    """Run a command of the environment, and return its stdout."""
    return project.run(str(project.folder / ".venv/bin" / command)).stdout


def pip_script(project: Project) -> Path:
    return project.folder / ".venv/bin/pip"


def dangling_python(project: Project) -> str:
    """As where the Python of the system was replaced."""
    python = project.folder / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    return "has no Python"


def killed_ensurepip(project: Project) -> str:
    """As where `python -m venv` was killed."""
    pip_script(project).unlink()
    return "has no pip"


def removed_pip(project: Project) -> str:
    """As where the Python of the system has become a newer one, which has other site-packages."""
    (library,) = project.folder.glob(".venv/lib/python*")
    library.rename(library.with_name("python3.9"))
    return "cannot start pip"


def copied(project: Project) -> str:
    """Its commands would run the code of the folder that it was copied from."""
    other = project.folder.with_name("other")
    (other / ".venv").mkdir(parents=True)
    script = pip_script(project)
    script.write_text(script.read_text().replace(str(project.folder), str(other)))
    return f"was made as {other}/.venv"


@pytest.mark.parametrize("damage", [dangling_python, killed_ensurepip, removed_pip, copied])
def test_environment_that_cannot_work_is_made_anew(damage: Callable[[Project], str], made: Project) -> None:
    """One line says why."""
    why = damage(made)
    assert setup(made) == (0, f".venv {why}, and is made anew\n")
    assert prints(made, "locked") == "works\n"
    assert setup(made) == (0, "")


def test_environment_of_a_moved_folder_is_made_anew(made: Project) -> None:
    """Its commands have absolute paths. The folder is moved back, and there it is made anew, too."""
    moved = Project(made.folder.with_name("moved"))
    for before, after in ((made, moved), (moved, made)):
        before.folder.rename(after.folder)
        assert setup(after) == (0, f".venv was made as {before.folder}/.venv, and is made anew\n")
        assert prints(after, "locked") == "works\n"


def test_environment_is_kept_where_it_works(made: Project, tmp_path: Path) -> None:
    """Also where pip was upgraded through another path of the folder, and where there is no Python for a new one."""
    own = made.folder / ".venv/own"
    own.touch()
    other_path = tmp_path / "link"
    other_path.symlink_to(made.folder)
    assert setup(Project(other_path)) == (0, "")
    pip_script(made).write_text(f'#!/bin/sh\n\'\'\'exec\' "{other_path}/.venv/bin/python" "$0" "$@"\n')
    assert setup(made) == (0, "")
    killed_ensurepip(made)
    code, stderr = setup(made, PYTHONS="/nowhere/python")
    assert code == 2
    assert stderr.startswith("error: no Python 3.11, 3.12 or 3.13 with venv found")
    assert own.exists()


def test_package_whose_installation_was_killed_is_installed(made: Project) -> None:
    """Its metadata are there, and pip would take it for complete."""
    (info,) = made.folder.glob(".venv/lib/python*/site-packages/locked-1.0.dist-info")
    (info / "RECORD").unlink()
    (info.parent / "locked.py").unlink()
    (made.folder / ".venv/installed").unlink()
    setup(made)
    assert prints(made, "locked") == "works\n"


@pytest.fixture
def configured(tmp_path: Path) -> Project:
    """A repository of DVC with an environment that is complete."""
    for name in ("Makefile", ".ci/setup.sh", ".dvc/config", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    link_environment(tmp_path / ".venv")
    return Project(tmp_path)


@pytest.mark.parametrize("before", ["", "[core]\n    site_cache_dir = /before/it/moved/.dvc/tmp/site_cache\n"])
def test_site_cache_is_in_the_project(before: str, configured: Project) -> None:
    """Where nobody else may write. What else is in the file stays."""
    config = configured.folder / ".dvc/config.local"
    if before:
        config.write_text(f"['remote \"store\"']\n    url = /store\n{before}")
    assert setup(configured) == (0, "")
    lines = config.read_text().splitlines()
    assert f"    site_cache_dir = {configured.folder}/.dvc/tmp/site_cache" in lines
    assert not before or {"['remote \"store\"']", "    url = /store"} < set(lines)
    written = config.stat().st_mtime_ns
    assert setup(configured) == (0, "")
    assert config.stat().st_mtime_ns == written


def test_own_site_cache_is_kept(configured: Project) -> None:
    """The user may have chosen a larger disk."""
    config = configured.folder / ".dvc/config.local"
    config.write_text(OWN_CHOICE)
    assert setup(configured) == (0, "")
    assert config.read_text() == OWN_CHOICE


def test_damaged_configuration_of_dvc_is_reported(configured: Project) -> None:
    """In DVC's words; the file may hold keys, and stays unchanged."""
    config = configured.folder / ".dvc/config.local"
    config.write_text("[core\n")
    code, stderr = setup(configured)
    assert code == 2
    assert "config.local" in stderr
    assert config.read_text() == "[core\n"
