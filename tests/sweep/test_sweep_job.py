"""The numbers of a sweep's jobs."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from pipeline.core.paths import CONF
from pipeline.runs import command_line
from pipeline.sweep.sweep_job import FIRST_KEYS, SweepJob, next_number, varied_keys, varied_params


def test_new_jobs_are_numbered_after_the_highest_number(tmp_path: Path) -> None:
    """If parallel jobs are killed, lower numbers may be missing: counting the folders would reuse a finished job's."""
    assert next_number(tmp_path) == 0
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        for number in (1, 10):
            composed = compose("config", [f"hydra.job.num={number}"], return_hydra_config=True)
            folder = tmp_path / f"{number}_lr=0.1" / ".hydra"
            folder.mkdir(parents=True)
            OmegaConf.save(OmegaConf.masked_copy(composed, "hydra"), folder / "hydra.yaml")
    (tmp_path / "11_killed/.hydra").mkdir(parents=True)
    assert next_number(tmp_path) == 11


def planned(*commands: str) -> list[SweepJob]:
    """The jobs with these overrides."""
    return [SweepJob(words.split(), command_line.settings(words.split()), DictConfig({})) for words in commands]


@pytest.mark.parametrize(
    ("commands", "keys", "params"),
    [
        (["data=digits", "data=mnist"], ["data"], ["data.name"]),
        (["seed=1 train.l2=0", "seed=2 train.l2=0"], ["seed"], ["seed"]),
        (
            ["train.l2=0 train.batch_size=8", "train.l2=1 train.batch_size=9"],
            ["train.batch_size", "train.l2"],
            ["train.batch_size", "train.l2"],
        ),
        (["tracking=sqlite", "tracking=server"], ["tracking"], FIRST_KEYS),
        (["train.epochs=1", "train.epochs=1"], FIRST_KEYS, FIRST_KEYS),
    ],
)
def test_varied_keys_are_those_that_the_sweep_varies(commands: list[str], keys: list[str], params: list[str]) -> None:
    """A group stands for its settings, and a setting for those that refer to it. MLflow's charts need params."""
    jobs = planned(*commands)
    assert varied_keys(jobs) == list(keys)
    assert varied_params(jobs) == list(params)


def test_preset_stands_for_its_settings() -> None:
    """The charts have the settings in which presets differ."""
    jobs = [
        SweepJob(["experiment=plain"], command_line.settings(["data=mnist"]), DictConfig({})),
        *planned("experiment=theano_tutorial"),
    ]
    assert varied_keys(jobs) == ["experiment"]
    assert varied_params(jobs)[:3] == ["train.learning_rate", "train.batch_size", "model.pixel_divisor"]
