"""What is kept of training while it goes on and when it ends: lines, metrics, images and files."""

import logging
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from pipeline.core.atomic import sha256, write_csv
from pipeline.core.config import Config
from pipeline.core.progress import on_terminal
from pipeline.tracking.logged_model import SavedModel
from pipeline.tracking.run import Run
from pipeline.training import weight_images
from pipeline.training.head import Epoch, Fit
from pipeline.training.system_metrics import Machine
from pipeline.training.weight_images import Templates

log = logging.getLogger(__name__)


class Recorder:
    """Follows one training run. Templates are the model's weights W as rows, float32 (classes, height * width)."""

    def __init__(self, run: Run, config: Config, shape: tuple[int, ...], names: list[str]) -> None:
        self.run = run
        self.config = config
        self.shape = shape  # of an image
        self.names = names  # of the classes
        self.machine = Machine(config.tracking.system_metrics_every)

    def start(self, templates: Templates) -> None:
        """Note the initial weights: the UI's slider starts at 0."""
        self._image(templates, 0)

    def epoch(self, epoch: Epoch, templates: Templates) -> None:
        """Note an epoch's figures, and now and then its weights."""
        self.run.log_metrics(measures(epoch), step=epoch.number)
        self.run.log_metrics(self.machine.look(), step=self.machine.looks)
        self._image(templates, epoch.number)
        told = ", ".join(f"{name} {value:.4f}" for name, value in measures(epoch).items())
        # The log file has every line; the console only where neither a bar nor a sweep's list of jobs tells it.
        quiet = on_terminal() or HydraConfig.get().mode == RunMode.MULTIRUN
        log.log(logging.DEBUG if quiet else logging.INFO, "epoch %d: %s", epoch.number, told)

    def finish(self, fit: Fit, templates: Templates, saved: SavedModel, folder: Path) -> None:
        """Write history.csv and weights.png into the folder, which has model.keras, and keep all that matters."""
        write_history(fit.history, folder / "history.csv")
        title = (
            f"Weights of {weight_images.shown(len(templates))} after epoch {fit.best_epoch}: {self.config.data.name}"
        )
        weight_images.draw(self._as_images(templates), self.names, title, folder / "weights.png")
        for name in ("history.csv", "weights.png"):
            self.run.log_artifact(folder / name)
        self.run.set_tags({"model.sha256": sha256(folder / "model.keras")})
        self.run.log_model(
            saved, {"best/epoch": fit.best_epoch, "best/valid_error": fit.best.error, "best/valid_loss": fit.best.loss}
        )

    def _image(self, templates: Templates, epoch: int) -> None:
        every = self.config.tracking.weight_images_every
        if every and epoch % every == 0:
            image = weight_images.series_image(self._as_images(templates), self.config.tracking.weight_image_limit)
            self.run.log_image("weights", image, step=epoch)

    def _as_images(self, templates: Templates) -> Templates:
        return templates.reshape(-1, *self.shape)


def measures(epoch: Epoch) -> dict[str, float]:
    """The epoch's metrics by their MLflow names."""
    found = {"train/loss": epoch.train.loss, "train/error": epoch.train.error}
    if epoch.valid is not None:
        found |= {"valid/loss": epoch.valid.loss, "valid/error": epoch.valid.error}
    return found


def write_history(history: list[Epoch], path: Path) -> None:
    """The epochs' metrics as a CSV file, a row an epoch; an epoch that was not validated has empty fields."""
    names = list(measures(history[0]))
    rows = ([epoch.number, *(measures(epoch).get(name) for name in names)] for epoch in history)
    write_csv(path, ["epoch", *names], rows)
