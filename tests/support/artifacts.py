"""An artifact store that is lost after a sweep has started."""

from tests.support.project import Project

BREAKER = """
import pathlib
from hydra.experimental.callback import Callback

class Breaker(Callback):
    def on_job_start(self, config, **options):
        artifacts = pathlib.Path("mlartifacts")
        if not artifacts.exists():
            artifacts.write_text("in the way")
"""


def lose_artifacts(project: Project) -> str:
    """An override with which the first job of a sweep puts a file in place of the folder `mlartifacts`."""
    (project.folder / "breaker.py").write_text(BREAKER)
    return "+hydra.callbacks.breaker._target_=breaker.Breaker"
