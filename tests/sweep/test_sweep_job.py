"""The numbers of a sweep's jobs."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pipeline.core.paths import CONF
from pipeline.sweep.sweep_job import next_number


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
