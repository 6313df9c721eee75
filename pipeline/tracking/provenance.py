"""Which data, code and settings made a run: tags for queries, and files for everything else."""

import dataclasses
import functools
import getpass
import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME, MLFLOW_USER
from omegaconf import OmegaConf

from pipeline.core.atomic import sha256
from pipeline.core.config import Config, config_hash
from pipeline.core.errors import UserError
from pipeline.core.job_context import JobContext
from pipeline.core.paths import DVC_LOCK, DVC_YAML, LOCK, ROOT
from pipeline.core.programs import ProgramError
from pipeline.core.text import redact
from pipeline.tracking import git, processes

FOLDER = "provenance"  # among the artifacts of a run
DIFF = "git.diff"
NO_COMMIT = "git.error"  # tag: why there is no git.commit
EXPERIMENT = "dvc.experiment"  # tag: the name that `dvc exp show` has for the run
BASELINE = "dvc.baseline"  # tag: the commit that this experiment of DVC's is based on
MAX_NAME = 250  # characters of a run's name: PostgreSQL takes no more

log = logging.getLogger(__name__)


def job_tags(config: Config, context: JobContext, data_md5: str) -> dict[str, str]:
    """Tags of a training run."""
    tags = {
        **process_tags(context.name, data_md5),
        "config.hash": config_hash(config),
        "output_dir": str(context.output_dir),
    }
    if context.sweep_dir is not None:
        tags["sweep.id"] = context.sweep_dir.name  # of the command; a sweep that is continued has several
    if context.parent_run_id is not None:
        tags[MLFLOW_PARENT_RUN_ID] = context.parent_run_id
    if context.node is not None:
        tags["ray.node"] = context.node
    return tags


def process_tags(command: str, data_md5: str) -> dict[str, str]:
    """Tags of all runs of this process; first those that MLflow's UI shows."""
    return {
        MLFLOW_USER: user(),
        MLFLOW_SOURCE_NAME: f"pipeline.{command}",
        "data.md5": data_md5,
        "code.hash": code_hash(),
        processes.TAG: processes.this_process(),
        **({"dvc.lock": sha256(DVC_LOCK)} if DVC_LOCK.is_file() else {}),
        **_experiment_tags(),
        **_git().tags,
    }


def _experiment_tags() -> dict[str, str]:
    """Tags of a process that `dvc exp run` has started. DVC sets both variables; a user's shell may have the name."""
    name, baseline = os.environ.get("DVC_EXP_NAME"), os.environ.get("DVC_EXP_BASELINE_REV")
    return {EXPERIMENT: name, BASELINE: baseline} if name and baseline else {}


def warn_without_commit() -> None:
    """Warn where the project is in a Git repository and its runs nevertheless have no commit."""
    if NO_COMMIT in _git().tags and git.in_repository():
        log.warning("runs are tracked without their Git commit: %s", _git().tags[NO_COMMIT])


def is_own(tags: Mapping[str, str]) -> bool:
    """Whether this user made the run with these tags, on this machine."""
    return tags.get(MLFLOW_USER) == user() and processes.is_of_this_machine(tags.get(processes.TAG, ""))


def user() -> str:
    """The name of the user, or the number where there is no name, for example in containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def config_yaml(config: Config) -> str:
    """The composed configuration as YAML, without credentials of URLs."""
    return redact(OmegaConf.to_yaml(dataclasses.asdict(config)))


def provenance_files() -> Path:
    """The folder with files of all runs of this process: the lock of the dependencies, and Git's diff if any."""
    return Path(_files().name) / FOLDER


@functools.cache  # the code that runs is that of the process's start
def _files() -> "TemporaryDirectory[str]":
    temporary = TemporaryDirectory(prefix="provenance-")
    folder = Path(temporary.name) / FOLDER
    folder.mkdir()
    if LOCK.is_file():
        shutil.copyfile(LOCK, folder / LOCK.name)
    if _git().diff:
        (folder / DIFF).write_bytes(_git().diff)
    return temporary


@functools.cache  # the code that runs is that of the process's start
def code_hash() -> str:
    """SHA-256 of the Python files of this project that stage train depends on, as dvc.yaml lists them."""
    try:
        deps = yaml.safe_load(DVC_YAML.read_text(encoding="utf-8"))["stages"]["train"]["deps"]
        listed = [ROOT / dep for dep in deps if dep.startswith("pipeline/")]
        files = sorted(file for path in listed for file in (path.rglob("*.py") if path.is_dir() else [path]))
        names = (file.relative_to(ROOT).as_posix().encode() for file in files)
        contents = (file.read_bytes() for file in files)
        return hashlib.sha256(b"\0".join(b"\0".join(pair) for pair in zip(names, contents, strict=True))).hexdigest()
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{DVC_YAML} does not list the files of stage train ({error}): restore it") from error


def run_name(config: Config, context: JobContext) -> str:
    """Name a run by what was tried, such as `lr=0.1 batch=64 seed=3`. Other overrides of the command line come last."""
    shown = {"train.learning_rate", "train.batch_size", "sweep"}
    overrides = [item.lstrip("+") for item in context.overrides]
    others = [
        item for item in overrides if item.split("=")[0] not in shown and not item.startswith(("tracking", "sweep."))
    ]
    words = [f"lr={config.train.learning_rate:g}", f"batch={config.train.batch_size}", *others]
    name = " ".join(map(redact, words))
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."


class _Git(NamedTuple):
    tags: dict[str, str]
    diff: bytes


@functools.cache  # the code that runs is that of the process's start
def _git() -> _Git:
    try:
        commit, dirty, diff = git.commit(), git.dirty(), git.diff()
    except ProgramError as error:
        return _Git({NO_COMMIT: error.reason}, b"")
    return _Git({MLFLOW_GIT_COMMIT: commit, "git.commit": commit, "git.dirty": str(dirty).lower()}, diff)
