"""A project of a test's own: the repository's files in a temporary folder, as a Git and DVC repository."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 600.0  # seconds


@dataclass(frozen=True)
class Project:
    """The folder, and the commands that a user would type in it."""

    folder: Path

    def run(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder, or another one, and give its exit code and texts.

        Commands of the pipeline run in warm processes where that makes no difference, unless TESTS_COLD=1.
        """
        folder, environment = cwd or self.folder, self.environment(**env)
        if warm.can_run(words, environment):
            return warm.run(words, folder, environment, TIMEOUT)
        return subprocess.run(
            words,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    @contextmanager
    def start(self, *words: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a command, and do not wait for it. The end of the block kills it and closes its pipes."""
        with subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def environment(self, **more: str) -> dict[str, str]:
        """The test's environment, with this Python's commands first and this project's code importable."""
        kept = warm.without_settings(os.environ)
        path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
        cache = str(self.folder / ".dvc/tmp/site_cache")  # as `make setup` configures it
        return {**kept, "PATH": path, "PYTHONPATH": str(self.folder), "DVC_SITE_CACHE_DIR": cache, **more}

    def stage(self, name: str, *overrides: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a stage's command."""
        return self.run(sys.executable, "-m", f"pipeline.{name}", *overrides, cwd=None, **env)

    def start_stage(self, name: str, *overrides: str) -> AbstractContextManager["subprocess.Popen[str]"]:
        """Start a stage's command, and do not wait for it."""
        return self.start(sys.executable, "-m", f"pipeline.{name}", *overrides)

    def git(self, *words: str) -> str:
        """Run git, which must succeed."""
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.rstrip("\n")

    def move_repository_up(self) -> "Project":
        """Move the Git repository to the folder above, and commit the project there; return that folder."""
        top = Project(self.folder.parent)
        (self.folder / ".git").rename(top.folder / ".git")
        top.git("add", "project")
        top.git("commit", "-qm", "moved")
        return top

    def copy(self, folder: Path) -> "Project":
        """The project as it stands in another folder, without its runs, whose artifacts have absolute addresses."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"))
        return Project(folder)

    def set(self, file: str, old: str, new: str) -> None:
        """Edit a file as a user would."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def create(folder: Path) -> Project:
    """A project with the repository's present files, committed or not, and one commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    project.git("init", "-q", "-b", "main")
    project.git("config", "user.name", "tester")
    project.git("config", "user.email", "tester@localhost")
    project.git("add", "-A")
    project.git("commit", "-qm", "Start")
    return project
