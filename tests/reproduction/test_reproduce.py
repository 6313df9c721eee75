"""The command reproduce, with real worktrees, caches and trainings."""

import json
import os
import pty
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Run

from pipeline.core.errors import UserError
from pipeline.reproduction import worktree
from pipeline.tracking import provenance
from tests.support.project import Project
from tests.support.stores import client_of, parents, runs

SETTINGS = ("train.epochs=3", "tracking.weight_images_every=0")
RATES = "train.learning_rate=0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8"


@pytest.fixture(scope="module")
def swept(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which uncommitted code has trained a bank of eight."""
    project = digits.copy(tmp_path_factory.mktemp("reproduce") / "project")
    project.set("pipeline/training/job.py", "config.seed, self._run_on_epoch", "new.SEED, self._run_on_epoch")
    project.set(
        "pipeline/training/job.py", "import keras_file, metrics, serving,", "import keras_file, metrics, new, serving,"
    )
    (project.folder / "pipeline/model/new.py").write_text("SEED = 2\n")  # Git does not track it yet
    done = project.stage("train", "-m", RATES, *SETTINGS)
    assert done.returncode == 0, done.stderr
    return project


def artifacts(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


@pytest.mark.repro
def test_run_of_a_bank_is_reproduced_alone_and_identical(swept: Project, tmp_path: Path) -> None:
    """With the run's code, although the project's code has changed since; no worktree is left or removed."""
    run = next(run for run in runs(swept.folder) if run.data.params["train.learning_rate"] == "0.4")
    changed = swept.folder / "pipeline/model/new.py"
    changed.write_text("SEED = 3\n")
    swept.git("worktree", "add", "-q", "--detach", str(tmp_path / "away"))
    (tmp_path / "away").rename(tmp_path / "elsewhere")  # as a disk that is not mounted
    done = swept.stage("reproduce", run.info.run_id[:12])
    changed.write_text("SEED = 2\n")
    assert done.returncode == 0, done.stderr
    assert f"commit {run.data.tags['git.commit']} with the changes that were not committed\n" in done.stdout
    assert f"data {run.data.tags['data.md5']} from DVC's cache\n" in done.stdout
    assert f"run {run.info.run_id} (lr=0.4 batch=64 train.epochs=3) is identical: " in done.stdout
    worktrees = [line.split()[0] for line in swept.git("worktree", "list").splitlines()]
    assert worktrees == [str(swept.folder), str(tmp_path / "away")]
    swept.git("worktree", "prune")
    assert len(runs(swept.folder)) == 8


@pytest.mark.repro
def test_lost_data_are_fetched_and_another_model_is_reported(swept: Project, tmp_path: Path) -> None:
    """Without the run's uncommitted changes the model is another one; the JSON has the first difference."""
    project = Project(shutil.copytree(swept.folder, tmp_path / "project", symlinks=True))
    run = next(run for run in runs(project.folder) if run.data.params["train.learning_rate"] == "0.2")
    shutil.rmtree(project.folder / ".dvc/cache")
    file = artifacts(run) / "provenance/git.diff"
    diff = file.read_bytes()
    file.unlink()
    done = project.stage("reproduce", "--json", run.info.run_id)
    file.write_bytes(diff)
    assert done.returncode == 1, done.stderr
    assert " without changes that were not committed: the run has kept none\n" in done.stderr
    assert " from its source\n" in done.stderr
    assert f"run {run.info.run_id} (lr=0.2 batch=64 train.epochs=3) is different: " in done.stderr
    document = json.loads(done.stdout)
    assert "it first differs in epoch 1: train/loss " in document.pop("message")
    assert document.pop("largest_difference") > 1e-5
    assert document == {
        "run_id": run.info.run_id,
        "name": "lr=0.2 batch=64 train.epochs=3",
        "reproduced": False,
        "identical": False,
        "git_commit": run.data.tags["git.commit"],
        "data_md5": run.data.tags["data.md5"],
        "other_packages": False,
    }


def test_data_come_from_a_dvc_remote(digits: Project, tmp_path: Path) -> None:
    """The remote is a relative path, which would be another one from the worktree."""
    project = digits.copy(tmp_path / "project")
    pinned = yaml.safe_load((project.folder / "data.dvc").read_text())["outs"][0]["md5"]
    assert project.run("dvc", "remote", "add", "-d", "local", "../the remote").returncode == 0
    assert project.run("dvc", "push", "data.dvc").returncode == 0
    shutil.rmtree(project.folder / ".dvc/cache")
    code = (
        "from pipeline.reproduction import worktree\n"
        "with worktree.checked_out('HEAD', None) as tree:\n"
        f"    print(tree.get_data('{pinned}'), sorted(path.name for path in (tree.folder / 'data').iterdir()))\n"
    )
    done = project.run(sys.executable, "-c", code)
    assert done.stdout.startswith("a DVC remote ['t10k-images-idx3-ubyte', "), done.stderr


@pytest.mark.repro
def test_run_that_cannot_be_reproduced_is_refused(swept: Project, tmp_path: Path) -> None:
    """One line each: a sweep, an unfinished run, a commit that is gone, data that cannot be found."""
    project = Project(shutil.copytree(swept.folder, tmp_path / "project", symlinks=True))
    client = client_of(project.folder)
    first, second, third, *_ = runs(project.folder)
    (parent,) = parents(project.folder)
    client.set_terminated(first.info.run_id, "KILLED")
    client.set_tag(second.info.run_id, "git.commit", "0" * 40)
    config = artifacts(third) / "provenance/config.yaml"
    settings = config.read_text()
    config.write_text(settings.replace("scikit-learn:digits", str(tmp_path / "nowhere")))
    shutil.rmtree(project.folder / ".dvc/cache")
    errors = {
        parent.info.run_id: "is a sweep: name one of its runs",
        first.info.run_id: "is KILLED: there is no result",
        second.info.run_id: f"commit {'0' * 40} is not in",
        third.info.run_id: f"data {third.data.tags['data.md5']} cannot be restored: not from DVC's cache (",
    }
    for run_id, text in errors.items():
        done = project.stage("reproduce", run_id)
        assert done.returncode == 2, run_id
        assert text in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    config.write_text(settings)


GET_DATA = """
from pipeline.reproduction import worktree
with worktree.checked_out('HEAD', None) as tree:
    print(tree.get_data(tree._pinned()))
"""


def test_hooks_do_not_run_and_dvcs_reason_is_in_the_error(changeable: Project, tmp_path: Path) -> None:
    """`dvc install` and others install hooks that fail in a worktree. DVC then fails for a reason of its own."""
    hook = changeable.folder / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    hook.chmod(0o755)
    done = changeable.run(sys.executable, "-c", GET_DATA)
    assert done.stdout == "DVC's cache\n", done.stderr
    assert not (tmp_path / "ran").exists()
    (changeable.folder / ".dvc/config.local").write_text("[core\n")
    done = changeable.run(sys.executable, "-c", GET_DATA)
    assert "dvc config failed: configuration error - config file error: Invalid line ('[core')" in done.stderr


def test_data_are_restored_in_a_submodule(digits: Project, tmp_path: Path) -> None:
    """DVC's cache is that of the submodule. In a hook, Git sets variables that name another repository."""
    top = Project(tmp_path / "top")
    top.folder.mkdir()
    top.git("init", "-q")
    top.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(digits.folder), "project")
    project = Project(top.folder / "project")
    shutil.copytree(digits.folder / ".dvc/cache", project.folder / ".dvc/cache")
    variables = {"GIT_DIR": str(top.folder / ".git"), "GIT_INDEX_FILE": str(top.folder / ".git/index")}
    done = project.run(sys.executable, "-c", GET_DATA, cwd=None, **variables)
    assert done.stdout == "DVC's cache\n", done.stderr


def test_data_are_restored_for_a_user_without_a_name(changeable: Project) -> None:
    """As in a container that runs as any number."""
    as_number = ("unshare", "--user", "--map-user=12345", "--map-group=12345")
    if subprocess.run([*as_number, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no user namespaces")
    nameless = ("env", "-u", "LOGNAME", "-u", "USER", "-u", "LNAME", "-u", "USERNAME")
    done = changeable.run(*as_number, *nameless, sys.executable, "-c", GET_DATA)
    assert done.stdout == "DVC's cache\n", done.stderr


def test_project_below_the_repositorys_root_is_reproduced_with_its_changes(changeable: Project) -> None:
    """The diff is that of the project, with paths from the root; its worktree has the project in the same folder."""
    changeable.move_repository_up()
    (changeable.folder / "conf/new.yaml").write_text("seed: 3\n")
    code = (
        "import pathlib\n"
        "from pipeline.reproduction import worktree\n"
        "from pipeline.tracking import git\n"
        "diff = pathlib.Path('outputs/diff')\n"
        "diff.write_bytes(git.diff())\n"
        "with worktree.checked_out('HEAD', diff) as tree:\n"
        "    print((tree.folder / 'conf/new.yaml').read_text(), tree.foreign_files(), tree.get_data(tree._pinned()))\n"
    )
    done = changeable.run(sys.executable, "-c", code)
    assert done.stdout == "seed: 3\n [] DVC's cache\n", done.stderr


def reproduce_on_terminal(project: Project, run_id: str, answer: str) -> tuple[int, str]:
    """Reproduce with a terminal as stdin and stderr. Return the exit code and what the terminal shows."""
    outer, inner = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.reproduce", run_id],
        cwd=project.folder,
        env=project.environment(),
        stdin=inner,
        stdout=subprocess.DEVNULL,
        stderr=inner,
    ) as process:
        os.close(inner)
        os.write(outer, f"{answer}\n".encode())
        shown = b""
        with suppress(OSError):  # at its end
            while chunk := os.read(outer, 4096):
                shown += chunk
    os.close(outer)
    return process.returncode, shown.decode()


def test_other_code_of_others_runs_only_if_trusted(swept: Project, tmp_path: Path) -> None:
    """The checkout's own code runs without a question, and so does that of the user's runs on this machine."""
    project = Project(shutil.copytree(swept.folder, tmp_path / "project", symlinks=True))
    client = client_of(project.folder)
    theirs, elsewhere, mine, hostile, *_ = (run.info.run_id for run in runs(project.folder))
    for run_id in (theirs, elsewhere, mine, hostile):
        client.set_tag(run_id, "data.md5", "0" * 32)  # they end before they train
    for run_id in (theirs, hostile):
        client.set_tag(run_id, "mlflow.user", "alice")
    process = client.get_run(elsewhere).data.tags["process"]
    client.set_tag(elsewhere, "process", f"{'0' * 12} {process.partition(' ')[2]}")
    trusted = f"error: the run used data {'0' * 32}, and its commit pins "

    assert project.stage("reproduce", theirs).stderr.startswith(trusted)
    (project.folder / "pipeline/model/new.py").write_text("SEED = 3\n")
    for run_id, user in ((theirs, "alice"), (elsewhere, provenance.user())):
        done = project.stage("reproduce", run_id)
        assert done.returncode == 2
        other_code = f"run {run_id} of {user} would run code that is not this checkout's: pipeline/model/new.py"
        assert done.stderr == f"error: {other_code}; if you trust it, add --trust\n"
    assert project.stage("reproduce", theirs, "--trust").stderr.startswith(trusted)
    assert project.stage("reproduce", mine).stderr.startswith(trusted)

    code, shown = reproduce_on_terminal(project, theirs, "")
    assert code == 2
    assert "pipeline/model/new.py. Run it? [y/N] " in shown
    assert shown.rstrip().endswith("is not reproduced: its code is not trusted")
    assert trusted in reproduce_on_terminal(project, theirs, "y")[1]


@pytest.mark.parametrize(
    "settings",
    [
        "hydra:\n  callbacks: {x: {_target_: y}}\n",
        "data:\n  sources: ['http://x/${oc.env:TOKEN}']\n",
        "defaults: [override /hydra/launcher: ray]\n",
        "- 1\n",
        "a: [\n",
    ],
)
def test_settings_of_a_run_cannot_choose_code(settings: str, tmp_path: Path) -> None:
    """Whoever can write to the store can write its config.yaml."""
    (tmp_path / "conf/experiment").mkdir(parents=True)
    tree = worktree.Worktree(tmp_path, tmp_path)
    with pytest.raises(UserError, match=r"the run's config\.yaml "):
        tree.configure(settings)


def test_settings_of_a_run_cannot_choose_hydras_package(changeable: Project) -> None:
    """A comment above them could."""
    hostile = "# @package hydra.job\nchdir: 1\n"
    code = f"from pipeline.reproduction import worktree as w; w.Worktree(w.ROOT, w.ROOT).configure({hostile!r})"
    assert changeable.run(sys.executable, "-c", code).returncode == 0
    done = changeable.stage("train", f"experiment={worktree.PRESET}", "--cfg", "hydra")
    assert "chdir: 1" not in done.stdout
    assert "chdir is not a setting" in done.stderr
