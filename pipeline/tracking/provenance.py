"""Which data, which code, which settings: the tags by which a run is found again, and the files that tell the rest."""

import dataclasses
import functools
import getpass
import hashlib
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME, MLFLOW_USER
from omegaconf import OmegaConf

from pipeline.core.atomic import sha256
from pipeline.core.config import Config, config_hash
from pipeline.core.errors import UserError
from pipeline.core.paths import DVC_LOCK, DVC_YAML, LOCK, ROOT
from pipeline.core.text import redact
from pipeline.tracking import git, processes

FOLDER = "provenance"  # of a run's artifacts
DIFF = "git.diff"
MOST_NAMED = 250  # letters of a run's name: PostgreSQL takes no more

# In a job's environment, whichever process a launcher runs it in.
PARENT = "SWEEP_PARENT_RUN_ID"
RAY_NODE = "SWEEP_RAY_NODE"  # with hydra/launcher=ray: where it trains


def of_job(config: Config, data_md5: str) -> dict[str, str]:
    """Tags of a training run."""
    hydra = HydraConfig.get()
    found = {
        **of_process(hydra.job.name, data_md5),
        "config.hash": config_hash(config),
        "output_dir": hydra.runtime.output_dir,
    }
    if hydra.mode == RunMode.MULTIRUN:
        found["sweep.id"] = Path(hydra.sweep.dir).name  # of the command; a sweep that is continued has several
    if PARENT in os.environ:
        found[MLFLOW_PARENT_RUN_ID] = os.environ[PARENT]
    if RAY_NODE in os.environ:
        found["ray.node"] = os.environ[RAY_NODE]
    return found


def of_process(job: str, data_md5: str) -> dict[str, str]:
    """What holds for all runs of this process, as tags: MLflow's own come first, which its UI shows."""
    return {
        MLFLOW_USER: _user(),
        MLFLOW_SOURCE_NAME: f"pipeline.{job}",
        "data.md5": data_md5,
        "code.hash": code_hash(),
        processes.TAG: processes.own(),
        **({"dvc.lock": sha256(DVC_LOCK)} if DVC_LOCK.is_file() else {}),
        **_git(),
    }


def composed(config: Config) -> str:
    """The configuration that conf/ and the command line composed to, as YAML, without passwords of URLs."""
    return redact(OmegaConf.to_yaml(dataclasses.asdict(config)))


def files() -> Path:
    """The folder with what is the same for all runs of this process: the dependencies' lock and Git's diff, if any."""
    return Path(_files().name) / FOLDER


@functools.cache  # as the code is: what a process began with
def _files() -> "TemporaryDirectory[str]":
    temporary = TemporaryDirectory(prefix="provenance-")
    folder = Path(temporary.name) / FOLDER
    folder.mkdir()
    if LOCK.is_file():
        shutil.copyfile(LOCK, folder / LOCK.name)
    if diff := git.diff():
        (folder / DIFF).write_bytes(diff)
    return temporary


@functools.cache  # the code that runs is the one that this process began with
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


def run_name(config: Config) -> str:
    """A name that tells what was tried, as `lr=0.1 batch=64 seed=3`: what the command line adds comes last."""
    told = {"train.learning_rate", "train.batch_size", "sweep"}
    overrides = [item.lstrip("+") for item in HydraConfig.get().overrides.task]
    others = [
        item for item in overrides if item.split("=")[0] not in told and not item.startswith(("tracking", "sweep."))
    ]
    words = [f"lr={config.train.learning_rate:g}", f"batch={config.train.batch_size}", *others]
    name = " ".join(map(redact, words))
    return name if len(name) <= MOST_NAMED else f"{name[: MOST_NAMED - 3]}..."


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have a number and no name
        return str(os.getuid())


@functools.cache  # the code that runs is the one that this process began with
def _git() -> dict[str, str]:
    commit = git.commit()
    if commit is None:
        return {}
    return {MLFLOW_GIT_COMMIT: commit, "git.commit": commit, "git.dirty": str(git.dirty()).lower()}
