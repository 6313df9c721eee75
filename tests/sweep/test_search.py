"""+sweep=search: sampling, pruning, and resuming an interrupted search."""

import optuna
import pytest
from mlflow.entities import Run

from tests.support.artifacts import lose_artifacts
from tests.support.project import Project
from tests.support.stores import parents, runs

SEARCH = ("+sweep=search", "hydra.sweeper.trials=12", "hydra.sweeper.max_batch_size=6", "train.epochs=12")


def settings(run: Run) -> tuple[float, int]:
    """Return the run's learning rate and batch size."""
    return float(run.data.params["train.learning_rate"]), int(run.data.params["train.batch_size"])


@pytest.fixture(scope="module")
def undisturbed(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the search has run once, without an interruption."""
    project = digits.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    done = project.stage("train", *SEARCH)
    assert done.returncode == 0, done.stderr
    assert "pruned: run" in done.stdout
    return project


def test_settings_are_sampled_from_the_search_space(undisturbed: Project) -> None:
    """Learning rates are spread over the interval on a logarithmic scale. Batch sizes come from the list."""
    sampled = [settings(run) for run in runs(undisturbed.folder)]
    assert len(sampled) == len(set(sampled)) == 12
    assert all(0.01 <= rate <= 2 and size in (32, 64, 256, 600) for rate, size in sampled)
    assert {rate < 0.14 for rate, _ in sampled} == {True, False}  # 0.14 is the middle of the logarithmic scale


def test_bad_trials_are_pruned_during_training(undisturbed: Project) -> None:
    """A pruned trial's run is KILLED with the reason. It has no result and cannot be the best."""
    trials = runs(undisturbed.folder)
    pruned = [run for run in trials if run.info.status == "KILLED"]
    finished = [run for run in trials if run.info.status == "FINISHED"]
    assert len(pruned) + len(finished) == 12
    assert pruned
    for run in pruned:
        assert "was not among the best of the search" in run.data.tags["failure"]
        assert "best/valid_error" not in run.data.metrics
    (parent,) = parents(undisturbed.folder)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["jobs/pruned"] == len(pruned)
    best = min(run.data.metrics["best/valid_error"] for run in finished)
    assert parent.data.metrics["best/valid_error"] == best
    assert min(run.data.metrics["valid/error"] for run in pruned) >= best


def test_finished_search_has_nothing_to_do(undisturbed: Project) -> None:
    """Repeating a finished search trains nothing and prints the leaderboard."""
    before = len(runs(undisturbed.folder))
    done = undisturbed.stage("train", *SEARCH)
    assert done.returncode == 0, done.stderr
    assert "of 12 jobs finished" in done.stdout
    assert len(runs(undisturbed.folder)) == before
    assert len(parents(undisturbed.folder)) == 1


@pytest.mark.killed
def test_killed_search_resumes_with_the_same_trials(undisturbed: Project, changeable: Project) -> None:
    """The search keeps its study and parent run. It samples, prunes and finishes the trials of an uninterrupted one."""
    with changeable.start_stage("train", *SEARCH) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "job 8" in line or "job 9" in line:
                break  # some trials of the second batch have ended
    done = changeable.stage("train", *SEARCH)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (parent,) = parents(changeable.folder)
    (file,) = changeable.folder.glob("outputs/searches/*.db")
    study = optuna.load_study(study_name=parent.info.run_id, storage=f"sqlite:///{file}")
    assert len(study.trials) == 12
    assert all(trial.state.is_finished() for trial in study.trials)
    assert "RUNNING" not in {run.info.status for run in runs(changeable.folder)}
    assert finished_metrics(changeable) == finished_metrics(undisturbed)
    assert parent.data.metrics["jobs/pruned"] == parents(undisturbed.folder)[0].data.metrics["jobs/pruned"]


def finished_metrics(project: Project) -> dict[tuple[float, int], dict[str, float]]:
    """Return the metrics of the finished runs by their settings."""
    return {settings(run): run.data.metrics for run in runs(project.folder) if run.info.status == "FINISHED"}


def test_failed_trials_are_repeated(changeable: Project) -> None:
    """Trials that failed during an outage do not count. A value on the command line replaces its interval."""
    overrides = ("+sweep=search", "train.batch_size=48", "hydra.sweeper.trials=2", "train.epochs=1")
    assert changeable.stage("train", *overrides, lose_artifacts(changeable)).returncode == 1
    (changeable.folder / "mlartifacts").unlink()
    done = changeable.stage("train", *overrides)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 jobs finished" in done.stdout
    assert {settings(run)[1] for run in runs(changeable.folder)[:4]} == {48}


@pytest.mark.launchers
def test_search_prunes_under_other_launchers(changeable: Project) -> None:
    """Trials are compared with one another also if each trains in its own process."""
    done = changeable.stage("train", *SEARCH, "hydra/launcher=joblib", "hydra.sweeper.sampler=random")
    assert done.returncode == 0, done.stderr
    assert "pruned: run" in done.stdout
    assert {run.info.status for run in runs(changeable.folder)} == {"FINISHED", "KILLED"}


def test_seed_determines_the_samples(changeable: Project) -> None:
    """Equal seeds give equal trials and different seeds different ones. sweep.dry_run lists the first batch."""
    listings = {
        (sampler, seed): changeable.stage(
            "train", *SEARCH, "sweep.dry_run=true", f"hydra.sweeper.seed={seed}", f"hydra.sweeper.sampler={sampler}"
        ).stdout
        for sampler in ("tpe", "random")
        for seed in (1, 2)
    }
    for sampler in ("tpe", "random"):
        assert "6 of 6 jobs would run" in listings[sampler, 1]
        assert listings[sampler, 1] != listings[sampler, 2]
    default = changeable.stage("train", *SEARCH, "sweep.dry_run=true")
    assert default.stdout == listings["tpe", 1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("hydra.sweeper.trials=0", "hydra.sweeper.trials=0 is not allowed: it must be at least 1"),
        ("hydra.sweeper.halving.factor=1", "hydra.sweeper.halving.factor=1 is not allowed: it must be at least 2"),
        ("hydra.sweeper.sampler=best", "hydra.sweeper.sampler=best is not allowed: it must be one of tpe, random"),
        ("train.learning_rate=interval(2,1)", "train.learning_rate=interval(2,1) cannot be searched"),
        ("train.batch_size=64 train.learning_rate=0.1", "nothing is searched"),
        ("train.epochs=0", "train.epochs=0 is not allowed: it must be at least 1"),
    ],
)
def test_invalid_search_is_refused(changeable: Project, overrides: str, message: str) -> None:
    """The error has one line, and no store is created."""
    done = changeable.stage("train", *SEARCH, *overrides.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not (changeable.folder / "mlflow.db").exists()
