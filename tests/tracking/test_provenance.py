"""A run has the data, code, settings and dependencies that made it in its tags and artifacts."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from secrets import token_hex

import pytest
import yaml

from pipeline.core.config import params
from pipeline.core.logs import Formatter
from pipeline.core.text import redact
from pipeline.runs import command_line
from pipeline.tracking import provenance
from tests.support import project
from tests.support.project import Project
from tests.support.stores import parents, runs


def artifact(made: Project, path: str) -> Path:
    (run,) = runs(made.folder)
    return Path(run.info.artifact_uri.removeprefix("file://")) / path


def test_run_names_its_data_with_dvcs_hash(digits: Project) -> None:
    """MLflow's own digest would cover the first few images only."""
    (run,) = runs(digits.folder)
    pinned = yaml.safe_load((digits.folder / "data.dvc").read_text())["outs"][0]["md5"]
    logged = {item.tags[0].value: item.dataset for item in run.inputs.dataset_inputs}
    assert {context: dataset.digest for context, dataset in logged.items()} == dict.fromkeys(
        ("training", "validation", "test"), pinned
    )
    assert json.loads(logged["training"].profile)["features_shape"] == [1200, 8, 8]
    assert json.loads(logged["test"].profile)["features_shape"] == [297, 8, 8]
    assert json.loads(logged["test"].source)["sources"] == ["scikit-learn:digits"]


def test_run_has_its_configuration_and_its_lock(digits: Project) -> None:
    """The configuration has the values of the params; the lock is that of the commit."""
    (run,) = runs(digits.folder)
    composed = yaml.safe_load(artifact(digits, "provenance/config.yaml").read_text())
    assert run.data.params["train.learning_rate"] == str(composed["train"]["learning_rate"])
    assert composed["data"]["name"] == "digits"
    lock = (digits.folder / "requirements.lock").read_bytes()
    assert artifact(digits, "provenance/requirements.lock").read_bytes() == lock
    assert len(run.data.tags["dvc.lock"]) == 64


def test_run_names_the_experiment_that_dvc_started_it_for(digits: Project, changeable: Project) -> None:
    """`dvc exp run` sets both variables. A run without DVC, or of `dvc repro`, belongs to no experiment."""
    for environment in (
        {"DVC_EXP_NAME": "named-exp", "DVC_EXP_BASELINE_REV": "0" * 40},
        {"DVC_EXP_NAME": "of-a-shell"},
    ):
        done = changeable.stage("train", "train.epochs=1", **environment)
        assert done.returncode == 0, done.stderr
    without, experiment = runs(changeable.folder)
    assert experiment.data.tags["dvc.experiment"] == "named-exp"
    assert experiment.data.tags["dvc.baseline"] == "0" * 40
    for run in (without, *runs(digits.folder)):
        assert not {"dvc.experiment", "dvc.baseline"} & set(run.data.tags)


def test_run_has_no_password() -> None:
    """Everyone who can see the run or a report can read the params and the configuration."""
    sources = "data.sources=['https://me:secret@mirror.example/mnist','sqlite:////x/a@b']"
    config = command_line.settings(["tracking.uri='https://me:sec@ret@mlflow.example:8443/x'", sources])
    assert params(config)["tracking.uri"] == "https://mlflow.example:8443/x"
    assert params(config)["data.sources"] == "['https://mirror.example/mnist', 'sqlite:////x/a@b']"
    composed = yaml.safe_load(provenance.config_yaml(config))
    assert composed["tracking"]["uri"] == "https://mlflow.example:8443/x"
    assert composed["data"]["sources"] == ["https://mirror.example/mnist", "sqlite:////x/a@b"]


def test_postgresqls_parameter_is_a_password_too() -> None:
    """A password may be a parameter of the address."""
    assert redact("'postgresql://db/x?password=se@cret&user=me'") == "'postgresql://db/x?password=&user=me'"


def test_log_line_and_traceback_have_no_password() -> None:
    """MLflow's errors repeat the whole address, and a job's log has them with their tracebacks."""
    failed = OSError("API request to https://me:secret@mlflow.example/x failed")
    fields = ("from %s", ("http://me:secret@h/",), (OSError, failed, None))
    record = logging.LogRecord("x", logging.DEBUG, "", 0, *fields)
    written = Formatter("%(levelname)s %(message)s").format(record)
    assert written.startswith("DEBUG from http://h/\n")
    assert written.endswith("OSError: API request to https://mlflow.example/x failed")


def test_no_password_is_written_anywhere(changeable: Project) -> None:
    """Secrets in addresses, in the environment, and in what Git and DVC are set to: a sweep and compose keep none.

    One job fails, so that there are an error line, a traceback and a reason, too.
    """
    secret = token_hex(8)
    changeable.git("remote", "add", "origin", f"https://me:{secret}@git.invalid/x.git")
    (changeable.folder / ".dvc/config.local").write_text(
        f"[core]\n    remote = x\n['remote \"x\"']\n    url = s3://{secret}/x\n"
    )
    source = f"data.sources=['https://me:{secret}@mirror.invalid/x']"
    words = [source, f"tracking.uri='http://me:{secret}@mlflow.invalid'", "train.learning_rate=0.1,1e38"]
    environment = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{changeable.folder / 'mlflow.db'}",
        **dict.fromkeys(("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY"), secret),
    }
    done = [
        changeable.stage("train", "--multirun", "train.epochs=1", *words, **environment),
        changeable.stage("compose", source),
    ]
    assert [each.returncode for each in done] == [1, 0]
    for each in done:
        assert secret not in each.stdout + each.stderr
    written = {
        str(path.relative_to(changeable.folder)): path.read_bytes()
        for path in changeable.folder.rglob("*")
        if path.is_file() and path.relative_to(changeable.folder).parts[0] not in {".git", ".dvc"}
    }
    assert [name for name, content in written.items() if secret.encode() in content] == []
    redacted = {Path(name).name for name, content in written.items() if b"https://mirror.invalid/x" in content}
    assert redacted >= {"mlflow.db", "params.yaml", "overrides.yaml", "config.yaml", "hydra.yaml", "multirun.yaml"}


def test_commit_and_diff_give_back_the_tree_that_ran(digits: Project, tmp_path: Path) -> None:
    """The choice of the digits in conf/ was not committed at the time of the run."""
    (run,) = runs(digits.folder)
    clone = Project(tmp_path / "clone")
    subprocess.run(["git", "clone", "-q", digits.folder, clone.folder], check=True)
    clone.git("checkout", "-q", run.data.tags["git.commit"])
    clone.git("apply", str(artifact(digits, "provenance/git.diff")))
    assert "- data: digits " in (clone.folder / "conf/config.yaml").read_text()
    for name in ("conf/config.yaml", "params.yaml", "data.dvc"):
        assert (clone.folder / name).read_bytes() == (digits.folder / name).read_bytes(), name


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """A project whose Git has settings that would make another diff."""
    made = project.create(tmp_path / "project")
    for setting in ("diff.noprefix", "color.ui"):
        made.git("config", setting, "always" if setting == "color.ui" else "true")
    return made


def diff(made: Project, folder: str = ".") -> bytes:
    code = "import sys; from pipeline.tracking import git; sys.stdout.buffer.write(git.diff())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=made.folder / folder, env=made.environment(), capture_output=True, check=True
    )
    return done.stdout


def test_diff_has_every_kind_of_change(repository: Project, tmp_path: Path) -> None:
    """Files that are new, binary, removed or renamed, staged or not. Git's index does not change."""
    here = repository.folder
    subprocess.run(["git", "clone", "-q", here, tmp_path / "clone"], check=True)
    (here / "conf/new é file.py").write_bytes("x = 'é'\n".encode("latin-1"))
    (here / "pipeline/more").mkdir()
    (here / "pipeline/more/new.yaml").write_bytes(bytes(range(256)))
    (here / "pipeline/ui.py").unlink()
    repository.git("mv", "params.yaml", "other.yaml")
    (here / "conf/config.yaml").write_text("seed: 3\n")
    (here / "pipeline/large.py").write_bytes(bytes(1_000_001))
    (here / ".env").write_text("TOKEN=secret")
    status = repository.git("status", "--porcelain")
    (tmp_path / "diff").write_bytes(diff(repository, "conf"))
    assert repository.git("status", "--porcelain") == status
    clone = Project(tmp_path / "clone")
    clone.git("apply", str(tmp_path / "diff"))
    for left_out in ("pipeline/large.py", ".env"):  # too large, and outside the code
        (here / left_out).unlink()
    for folder in (here, clone.folder):
        Project(folder).git("add", "-A")
    assert clone.git("write-tree") == repository.git("write-tree")


def test_diff_of_a_project_below_the_repositorys_root_has_the_repositorys_paths(repository: Project) -> None:
    """Also with diff.relative set: `git apply` runs in the whole repository."""
    top = repository.move_repository_up()
    top.git("config", "diff.relative", "true")
    (repository.folder / "conf/config.yaml").write_text("seed: 3\n")
    (repository.folder / "pipeline/new.py").write_text("x = 1\n")
    (top.folder / "diff").write_bytes(diff(repository))
    top.git("clone", "-q", ".", "clone")
    Project(top.folder / "clone").git("apply", "../diff")
    for name in ("conf/config.yaml", "pipeline/new.py"):
        assert (top.folder / "clone/project" / name).read_bytes() == (repository.folder / name).read_bytes()


def test_clean_tree_has_no_diff(repository: Project) -> None:
    """Nothing is kept of it."""
    assert diff(repository) == b""


HOSTILE_SETTINGS = {
    "color.ui": "always",
    "core.attributesFile": "{outside}/attributes",
    "core.fsmonitor": "{outside}/program",
    "core.hooksPath": "{outside}",
    "core.pager": "{outside}/program",
    "diff.context": "0",
    "diff.external": "{outside}/program",
    "diff.hostile.command": "{outside}/program",
    "diff.hostile.textconv": "{outside}/program",
    "diff.mnemonicPrefix": "true",
    "diff.noprefix": "true",
    "diff.orderFile": "{outside}/gone",
    "diff.relative": "true",
    "diff.submodule": "log",
    "log.showSignature": "true",
    "pager.diff": "true",
    "status.showUntrackedFiles": "no",
}
HOSTILE_ENVIRONMENT = {  # Git sets the first four for its hooks
    "GIT_DIR": "{outside}/gone",
    "GIT_INDEX_FILE": "{outside}/gone",
    "GIT_WORK_TREE": "{outside}",
    "GIT_PREFIX": "tests/",
    "GIT_EXTERNAL_DIFF": "{outside}/program",
    "GIT_DIFF_OPTS": "--unified=0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "{outside}/program",
    "GIT_PAGER_IN_USE": "1",
    "LANGUAGE": "de",
}


def test_users_git_settings_and_variables_change_nothing(repository: Project, tmp_path: Path) -> None:
    """Commit, "dirty" and diff are the same, and no program of the settings runs."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho no >&2\nexit 1\n")
    program.chmod(0o755)
    (tmp_path / "post-index-change").symlink_to(program)
    (tmp_path / "attributes").write_text("* diff=hostile\n")
    for name in ("config.yaml", "new.yaml"):
        (repository.folder / "conf" / name).write_text("seed: 3\n")
    code = "import sys; from pipeline.tracking import git; print(git.commit(), git.dirty(), git.diff())"
    expected = repository.run(sys.executable, "-c", code)
    assert expected.returncode == 0, expected.stderr
    for key, value in HOSTILE_SETTINGS.items():
        repository.git("config", key, value.format(outside=tmp_path))
    env = {key: value.format(outside=tmp_path) for key, value in HOSTILE_ENVIRONMENT.items()}
    done = repository.run(sys.executable, "-c", code, cwd=None, **env)
    assert done.stdout == expected.stdout, done.stderr
    assert not (tmp_path / "ran").exists()


def test_diff_has_no_secrets_and_nothing_that_training_does_not_read(repository: Project) -> None:
    """Tracked, staged or untracked; in a repository of several projects, the others are none of its business."""
    top = Project(repository.folder.parent)
    (repository.folder / ".git").rename(top.folder / ".git")
    (top.folder / "other").mkdir()
    tracked = ("other/app.env", "other/code.py", "project/prod.env", "project/conf/tls/server.KEY")
    for name in tracked:
        (top.folder / name).parent.mkdir(exist_ok=True)
        (top.folder / name).write_text("x\n")
    top.git("add", "-A", *tracked, "project")
    top.git("commit", "-qm", "moved")
    secret = token_hex(8)
    changed = ("project/README.md", "project/tests/conftest.py", "project/Makefile", "project/.dvc/config")
    untracked = (".env", ".env.local", "token.json", "api_key.txt", "id_rsa", "server.keystore", "secrets/db.yaml")
    for name in (*tracked, *changed, *(f"project/conf/{name}" for name in untracked)):
        (top.folder / name).parent.mkdir(exist_ok=True)
        (top.folder / name).write_text(f"TOKEN={secret}\n")
    top.git("add", "project/conf/id_rsa", "project/conf/.env")
    assert diff(repository) == b""
    (repository.folder / "conf/config.yaml").write_text("seed: 3\n")
    (repository.folder / "helper.py").write_text("x = 1\n")  # at the top of the project: one may import it
    repository.git("add", "helper.py")
    changes = diff(repository).decode()
    assert secret not in changes
    assert "project/conf/config.yaml" in changes
    assert "project/helper.py" in changes


def test_only_the_projects_changes_make_it_dirty(repository: Project) -> None:
    """Files of other projects in the repository are none of it."""
    top = repository.move_repository_up()
    (top.folder / "other.py").write_text("x = 1\n")
    code = "from pipeline.tracking import git; print(git.dirty())"
    assert repository.run(sys.executable, "-c", code).stdout == "False\n"
    (repository.folder / "new.py").write_text("x = 1\n")
    assert repository.run(sys.executable, "-c", code).stdout == "True\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_run_in_another_users_repository_says_why_it_has_no_commit(changeable: Project) -> None:
    """As root in a bind mount, or with sudo: one warning with Git's advice, and the reason as a tag."""
    for path in (changeable.folder, changeable.folder / ".git"):
        os.chown(path, 12345, 12345)
    trusting_nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = changeable.stage("train", "-m", "seed=1,2", "train.epochs=1", **trusting_nobody)
    assert done.returncode == 0, done.stderr
    advice = f"git config --global --add safe.directory {changeable.folder}"
    assert done.stdout.count(advice) == 1
    for run in (*runs(changeable.folder), *parents(changeable.folder)):
        assert "git.commit" not in run.data.tags
        assert run.data.tags["git.error"].startswith("detected dubious ownership in repository at ")
        assert run.data.tags["git.error"].endswith(advice)
    refused = changeable.stage("reproduce", runs(changeable.folder)[0].info.run_id, **trusting_nobody)
    assert refused.returncode == 2
    assert "has no tag git.commit: detected dubious ownership in repository at " in refused.stderr


def test_run_without_a_repository_says_so(changeable: Project) -> None:
    """It needs no warning."""
    shutil.rmtree(changeable.folder / ".git")
    done = changeable.stage("train", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    assert "Git" not in done.stdout + done.stderr
    (run,) = runs(changeable.folder)
    assert run.data.tags["git.error"].startswith("not a git repository")
