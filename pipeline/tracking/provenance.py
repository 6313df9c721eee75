"""Which data, which code, which settings: the tags by which a run is found again."""

import functools
import getpass
import os
import subprocess
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_USER

from pipeline.config import Config, config_hash
from pipeline.paths import ROOT


def tags(config: Config, data_md5: str) -> dict[str, str]:
    """Tags of a training run, as strings."""
    # The first two are MLflow's own, which its UI shows as user and source.
    found = {
        MLFLOW_USER: _user(),
        MLFLOW_SOURCE_NAME: f"pipeline.{HydraConfig.get().job.name}",
        "data.md5": data_md5,
        "config.hash": config_hash(config),
        **_git(),
    }
    hydra = HydraConfig.get()
    found["output_dir"] = hydra.runtime.output_dir
    if hydra.mode == RunMode.MULTIRUN:
        found["sweep.id"] = sweep_id(hydra.sweep.dir)
    return found


def sweep_id(sweep_dir: str) -> str:
    """The name that all jobs of a sweep share: its folder's."""
    return Path(sweep_dir).name


def run_name(config: Config) -> str:
    """A name that tells what was tried, as `lr=0.1 batch=64 seed=3`: what the command line adds comes last."""
    told = {"train.learning_rate", "train.batch_size", "sweep"}
    overrides = [item.lstrip("+") for item in HydraConfig.get().overrides.task]
    others = [item for item in overrides if item.split("=")[0] not in told and not item.startswith("tracking")]
    return " ".join([f"lr={config.train.learning_rate:g}", f"batch={config.train.batch_size}", *others])


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have a number and no name
        return str(os.getuid())


@functools.cache  # the code that runs is the one that this process began with
def _git() -> dict[str, str]:
    commit = _ask_git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {
        MLFLOW_GIT_COMMIT: commit,
        "git.commit": commit,
        "git.dirty": str(bool(_ask_git("status", "--porcelain"))).lower(),
    }


def _ask_git(*words: str) -> str | None:
    """Git's answer, or None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
