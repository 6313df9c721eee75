"""What a user's account and terminal are set to does not reach results, pictures or exit codes."""

import json
import os
from pathlib import Path

import pytest

from pipeline.core import environment
from tests.support.drawn import draw
from tests.support.project import Project
from tests.support.stores import parents, runs

VARIABLES = {
    "DNNL_MAX_CPU_ISA": "SSE41",
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # of a notebook's shell
    "NPY_DISABLE_CPU_FEATURES": "SSE",  # NumPy refuses to start
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "PYTHONWARNINGS": "error",
    "OPENBLAS_CORETYPE": "Nehalem",
    "SCIPY_ARRAY_API": "1",
    "TF2_BEHAVIOR": "0",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_XLA_FLAGS": "--no_such_flag",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true --no_such_flag",  # XLA aborts the process
}
MATPLOTLIBRC = "savefig.dpi: 30\nfont.size: 30\nimage.cmap: hot\nsavefig.facecolor: red\naxes.grid: True\n"
KERAS_JSON = {"floatx": "float16", "epsilon": 0.5, "backend": "jax", "image_data_format": "channels_first"}


def test_settings_of_libraries_change_no_result_and_no_picture(changeable: Project, tmp_path: Path) -> None:
    """Training and evaluation leave the same bytes as without them."""
    (changeable.folder / "matplotlibrc").write_text(MATPLOTLIBRC)
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras/keras.json").write_text(json.dumps(KERAS_JSON))
    expected = {path: path.read_bytes() for path in _results(changeable)}
    assert len(expected) > 5
    for path in expected:
        path.unlink()
    for stage, *words in (("train", "hydra.run.dir=models"), ("evaluate",)):
        done = changeable.stage(stage, *words, HOME=str(tmp_path), **VARIABLES)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert {path: path.read_bytes() for path in _results(changeable)} == expected
    assert [*(tmp_path / ".keras").iterdir()] == [tmp_path / ".keras/keras.json"]


def _results(project: Project) -> list[Path]:
    folders = (project.folder / "models", project.folder / "reports")
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in (".keras", ".png"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"XLA_FLAGS": "--xla_gpu_cuda_data_dir=/cuda --fast"}, {"XLA_FLAGS": "--xla_gpu_cuda_data_dir=/cuda"}),
        ({"TF_NUM_INTRAOP_THREADS": "1", "TF_DETERMINISTIC_OPS": "1"}, {"TF_NUM_INTRAOP_THREADS": "1"}),
        ({"CUDA_VISIBLE_DEVICES": "0", "MLFLOW_RUN_NAME": "a"}, {"CUDA_VISIBLE_DEVICES": "0", "MLFLOW_RUN_NAME": "a"}),
        ({"NO_PROXY": "intern, localhost"}, {"NO_PROXY": "intern,localhost,127.0.0.1,::1"}),
    ],
)
def test_threads_devices_and_proxies_stay(
    before: dict[str, str], after: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the variables that change results are dropped; loopback addresses are never asked of a proxy."""
    monkeypatch.setattr("os.environ", dict(before))
    environment.clean()
    without_proxy = {os.environ.pop("no_proxy"), os.environ.pop("NO_PROXY")}
    assert without_proxy == {after.pop("NO_PROXY", "localhost,127.0.0.1,::1")}
    assert os.environ == after


def test_terminal_without_accents_shows_question_marks(changeable: Project) -> None:
    """Whatever the terminal cannot show is replaced; the sweep ends as usual, and its runs are in the experiment."""
    words = ["-m", 'data.name="café"', "train.learning_rate=0.1,0.2", "train.epochs=1", 'tracking.experiment="été"']
    repeated = changeable.stage("preprocess", 'data.name="café"')
    assert repeated.returncode == 0, repeated.stderr
    done = changeable.stage("train", *words, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "?t?" in done.stdout
    (parent,) = parents(changeable.folder, "été")
    assert parent.info.status == "FINISHED"
    assert {run.info.status for run in runs(changeable.folder, "été")} == {"FINISHED"}


def test_name_of_a_picture_that_the_terminal_cannot_show(changeable: Project, tmp_path: Path) -> None:
    """`predict` prints the digit beside the replaced name."""
    draw(7, "plain", "thin").save(tmp_path / "été 7.png")
    done = changeable.stage("predict", str(tmp_path / "été 7.png"), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "?t? 7.png" in done.stdout


def test_primary_config_of_the_users_own_needs_no_schema(changeable: Project) -> None:
    """Neither does the config.yaml that Hydra writes beside each run: the same settings give the same model."""
    first = changeable.stage("train", "train.epochs=2", "hydra.run.dir=first")
    assert first.returncode == 0, first.stderr
    own = (changeable.folder / "conf/config.yaml").read_text().replace("  - schema ", "  # ")
    (changeable.folder / "conf/own.yaml").write_text(own)
    old = ["--config-path", str(changeable.folder / "first/.hydra"), "--config-name", "config"]
    for words in (["--config-name", "own", "train.epochs=2"], old):
        done = changeable.stage("train", *words, "hydra.run.dir=again")
        assert done.returncode == 0, done.stderr
        model = (changeable.folder / "again/model.keras").read_bytes()
        assert model == (changeable.folder / "first/model.keras").read_bytes()
    refused = changeable.stage("train", *old, "+train.lr=3")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: train.lr is not a setting")
    assert refused.stderr.count("\n") == 1
