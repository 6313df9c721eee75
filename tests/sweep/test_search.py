"""+sweep=search: what is sampled, what is pruned, and that a search goes on where it was interrupted."""

import signal

import optuna
import pytest
from mlflow.entities import Run

from tests.support.project import Project
from tests.support.stores import parents, runs

SEARCH = ("+sweep=search", "hydra.sweeper.trials=12", "hydra.sweeper.max_batch_size=6", "train.epochs=12")


def settings(run: Run) -> tuple[float, int]:
    return float(run.data.params["train.learning_rate"]), int(run.data.params["train.batch_size"])


@pytest.fixture(scope="module")
def undisturbed(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the search has run once."""
    project = digits.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    done = project.stage("train", *SEARCH)
    assert done.returncode == 0, done.stderr
    assert "pruned: run" in done.stdout
    return project


def test_settings_are_sampled_from_what_was_asked_for(undisturbed: Project) -> None:
    """Learning rates of every order of magnitude, and batch sizes of the list."""
    found = [settings(run) for run in runs(undisturbed.folder)]
    assert len(found) == len(set(found)) == 12
    assert all(0.01 <= rate <= 2 and size in (32, 64, 256, 600) for rate, size in found)
    assert {rate < 0.14 for rate, _ in found} == {True, False}  # in the middle, on a logarithmic scale


def test_hopeless_trials_end_while_they_train(undisturbed: Project) -> None:
    """After 2 or 6 epochs, as KILLED runs with the reason, which are no results."""
    found = runs(undisturbed.folder)
    pruned = [run for run in found if run.info.status == "KILLED"]
    finished = [run for run in found if run.info.status == "FINISHED"]
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
    """And shows its leaderboard again."""
    before = len(runs(undisturbed.folder))
    done = undisturbed.stage("train", *SEARCH)
    assert done.returncode == 0, done.stderr
    assert "of 12 jobs finished" in done.stdout
    assert len(runs(undisturbed.folder)) == before
    assert len(parents(undisturbed.folder)) == 1


@pytest.mark.killed
def test_killed_search_goes_on_as_undisturbed(undisturbed: Project, changeable: Project) -> None:
    """The same study under the same parent: the same trials are sampled, pruned and finished, metric for metric."""
    process = changeable.start("train", *SEARCH)
    assert process.stdout is not None
    for line in process.stdout:
        if "job 8" in line or "job 9" in line:
            break  # in the second batch, of which some trials have ended
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = changeable.stage("train", *SEARCH)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (parent,) = parents(changeable.folder)
    (file,) = changeable.folder.glob("outputs/searches/*.db")
    study = optuna.load_study(study_name=parent.info.run_id, storage=f"sqlite:///{file}")
    assert len(study.trials) == 12
    assert all(trial.state.is_finished() for trial in study.trials)
    assert "RUNNING" not in {run.info.status for run in runs(changeable.folder)}
    assert finished(changeable) == finished(undisturbed)
    assert parent.data.metrics["jobs/pruned"] == parents(undisturbed.folder)[0].data.metrics["jobs/pruned"]


def finished(project: Project) -> dict[tuple[float, int], dict[str, float]]:
    return {settings(run): run.data.metrics for run in runs(project.folder) if run.info.status == "FINISHED"}


def test_failed_trials_are_tried_again(changeable: Project) -> None:
    """An outage must not use up a search; values that are given behind the preset are not sampled."""
    artifacts = changeable.folder / "mlartifacts"
    artifacts.write_text("in the way")
    words = ("+sweep=search", "train.batch_size=48", "hydra.sweeper.trials=2", "train.epochs=1")
    assert changeable.stage("train", *words).returncode == 1
    artifacts.unlink()
    again = changeable.stage("train", *words)
    assert again.returncode == 0, again.stderr
    assert "2 of 2 jobs finished" in again.stdout
    assert {settings(run)[1] for run in runs(changeable.folder)[:4]} == {48}


@pytest.mark.launchers
def test_other_launchers_search_too(changeable: Project) -> None:
    """Trials in other processes are compared with one another as well."""
    done = changeable.stage("train", *SEARCH, "hydra/launcher=joblib", "hydra.sweeper.sampler=random")
    assert done.returncode == 0, done.stderr
    assert "pruned: run" in done.stdout
    assert {run.info.status for run in runs(changeable.folder)} == {"FINISHED", "KILLED"}


def test_seed_decides_what_is_sampled(changeable: Project) -> None:
    """The rehearsal shows the first batch."""
    told = {
        (sampler, seed): changeable.stage(
            "train", *SEARCH, "sweep.dry_run=true", f"hydra.sweeper.seed={seed}", f"hydra.sweeper.sampler={sampler}"
        ).stdout
        for sampler in ("tpe", "random")
        for seed in (1, 2)
    }
    for sampler in ("tpe", "random"):
        assert "6 of 6 jobs would run" in told[sampler, 1]
        assert told[sampler, 1] != told[sampler, 2]
    again = changeable.stage("train", *SEARCH, "sweep.dry_run=true")
    assert again.stdout == told["tpe", 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("hydra.sweeper.trials=0", "hydra.sweeper.trials=0 is not allowed: it must be at least 1"),
        ("hydra.sweeper.halving.factor=1", "hydra.sweeper.halving.factor=1 is not allowed: it must be at least 2"),
        ("hydra.sweeper.sampler=best", "hydra.sweeper.sampler=best is not allowed: it must be one of tpe, random"),
        ("train.learning_rate=interval(2,1)", "train.learning_rate=interval(2,1) cannot be searched"),
        ("train.batch_size=64 train.learning_rate=0.1", "nothing is searched"),
        ("train.epochs=0", "train.epochs=0 is not allowed: it must be at least 1"),
    ],
)
def test_unsound_search_is_refused(changeable: Project, words: str, message: str) -> None:
    """In one line, before anything is made."""
    done = changeable.stage("train", *SEARCH, *words.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not (changeable.folder / "mlflow.db").exists()
