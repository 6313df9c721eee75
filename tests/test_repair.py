"""`.dvc/repair.sh` restores the files that DVC was killed while writing, and leaves all others alone."""

import shutil
from pathlib import Path

import pytest

from tests.support.project import ROOT, Project

LOCK = "schema: '2.0'\nstages:\n  train:\n    cmd: python -m pipeline.train\n"
FILES = {"dvc.lock": LOCK, "data.dvc": "outs:\n- path: data\n", ".dvc/tmp/rwlock": "{}"}


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """A Git repository with the script and sound files of DVC."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    shutil.copyfile(ROOT / ".dvc/repair.sh", tmp_path / ".dvc/repair.sh")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    project = Project(tmp_path)
    project.git("init", "-q")
    project.git("add", "dvc.lock", "data.dvc")
    project.git("-c", "user.name=tester", "-c", "user.email=tester@localhost", "commit", "-qm", "Start")
    return project


def repair(repository: Project) -> str:
    done = repository.run("bash", ".dvc/repair.sh")
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr


@pytest.mark.parametrize("content", ["", "schema: '2.", "schema: '2.0'\nstages:\n", "a:\n  b: \n", "\0\0\0\0"])
@pytest.mark.parametrize("name", ["dvc.lock", "data.dvc"])
def test_empty_or_cut_file_is_restored_and_kept(name: str, content: str, repository: Project) -> None:
    """One line says so; the other file stays."""
    (repository.folder / name).write_text(content)
    message = f"{name} was empty or cut, and is restored from Git; .dvc/tmp/{name}.damaged is what it was\n"
    assert repair(repository) == message
    assert {file: (repository.folder / file).read_text() for file in FILES} == FILES
    assert (repository.folder / f".dvc/tmp/{name}.damaged").read_text() == content


@pytest.mark.parametrize("content", ["", '{"data": {"re'])
def test_empty_or_cut_process_list_is_removed(content: str, repository: Project) -> None:
    """DVC works without it."""
    lock = repository.folder / ".dvc/tmp/rwlock"
    lock.write_text(content)
    assert repair(repository) == (
        ".dvc/tmp/rwlock was empty or cut, and is removed; .dvc/tmp/rwlock.damaged is what it was\n"
    )
    assert not lock.exists()
    assert (lock.parent / "rwlock.damaged").read_text() == content


@pytest.mark.parametrize("content", [LOCK.replace("train", "other"), "<<<<<<< HEAD\n>>>>>>> branch\n", None])
def test_file_that_is_not_cut_is_left_alone(content: str | None, repository: Project) -> None:
    """Neither a new result, nor a merge conflict, nor a file that the user deleted is overwritten."""
    lock = repository.folder / "dvc.lock"
    lock.unlink() if content is None else lock.write_text(content)
    assert repair(repository) == ""
    assert (lock.read_text() if lock.exists() else None) == content


def test_new_results_are_kept_where_dvc_fails_for_another_reason(changeable: Project) -> None:
    """`make repro` repairs a file that is cut, and never one that DVC could read."""
    lock = changeable.folder / "dvc.lock"
    changed = lock.read_text().replace("pipeline/train.py", "pipeline/other.py")
    lock.write_text(changed)
    (changeable.folder / ".dvc/config.local").write_text("[core\n")
    assert changeable.run("make", "--assume-old", "setup", "repro").returncode != 0
    assert changeable.run("make", "--assume-old", "setup", "repro", PYTHONHOME="/nowhere").returncode != 0
    assert lock.read_text() == changed
