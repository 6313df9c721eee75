"""A low limit of open files, as macOS has, does not stop a sweep; where it is too low, one line says so."""

from tests.support.project import Project


def train(project: Project, limit: str, *overrides: str) -> tuple[int, str]:
    """Train under the limit, soft and hard; return the exit code and stderr."""
    done = project.run("bash", "-c", 'ulimit -n "$1"; shift; python -m pipeline.train "$@"', "bash", limit, *overrides)
    return done.returncode, done.stderr


def test_jobs_of_a_bank_share_their_open_files(changeable: Project) -> None:
    """A sweep needs no more of them than a few jobs do."""
    rates = ",".join(f"0.{number}" for number in range(10, 26))
    assert train(changeable, "64", "--multirun", "train.epochs=1", f"train.learning_rate={rates}") == (0, "")


def test_limit_that_is_too_low_is_reported_at_the_start(digits: Project) -> None:
    """With the next step, and exit code 2."""
    for overrides in ([], ["--multirun", "seed=1,2"]):
        code, stderr = train(digits, "32", *overrides)
        assert code == 2
        assert stderr == (
            "error: only 32 files may be open at a time (`ulimit -Hn`), and 64 are needed: raise the limit with "
            "`ulimit -n 1024`, or ask the administrator of this machine to\n"
        )


def test_soft_limit_is_raised(changeable: Project) -> None:
    """As far as the hard limit allows: the command does not fail where the user could have raised it."""
    code = "ulimit -Sn 32; python -m pipeline.compose --cfg job > /dev/null"
    done = changeable.run("bash", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
