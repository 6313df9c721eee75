"""A training job: one MLflow run that trains one model, alone or in a bank."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.core import signals
from pipeline.core.atomic import sha256, write_csv
from pipeline.core.config import Config, whole_batches
from pipeline.core.errors import Stopped
from pipeline.core.job_context import JobContext
from pipeline.core.progress import on_terminal
from pipeline.data import prepared, wrong_images
from pipeline.data.wrong_images import WrongImages
from pipeline.model import keras_file, metrics, serving, softmax
from pipeline.model.softmax_model import SoftmaxModel
from pipeline.tracking import datasets, queries, upload_queue
from pipeline.tracking.logged_model import SavedModel
from pipeline.tracking.processes import close_orphans_once
from pipeline.tracking.run import Run, start_run
from pipeline.tracking.store import connect
from pipeline.training import weight_images
from pipeline.training.bank import Floats
from pipeline.training.fit import fit
from pipeline.training.head import Epoch, Fit, Head
from pipeline.training.progress_bar import ProgressBar
from pipeline.training.pruning import prune_if_hopeless
from pipeline.training.system_metrics import SystemMetrics
from pipeline.training.training_sets import TrainingSets

log = logging.getLogger("pipeline.train")


class TrainingJob:
    """One MLflow run that trains one model: start(), on_epoch() after each epoch, then finish() or fail().

    `around_step` makes a context manager in which each of these steps runs. A sweep attaches the job's log file in it.
    """

    def __init__(
        self,
        config: Config,
        sets: TrainingSets,
        context: JobContext,
        around_step: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.config = config
        self.sets = sets
        self.context = context
        self.around_step = around_step
        self.folder = context.output_dir
        self.head: Head | None = None  # while it trains
        self.run: Run | None = None
        self.error: BaseException | None = None  # that ended the job
        self.run_ended = False
        self.training_start = 0.0  # by time.monotonic, of its bank
        self.training_seconds = 0.0  # from then to its last epoch
        self.summary = ""
        self.best_error = 1.0

    def start(self) -> None:
        """Start the run, build the model, and get the head ready to train.

        Raises:
            Stopped: another job of the sweep failed, with sweep.on_failure=stop.
            StoreError: the MLflow store cannot be used.
        """
        self._check_stop_file()
        config, sets = self.config, self.sets
        (self.folder / "run_id").unlink(missing_ok=True)  # from an earlier training into the same folder
        store = connect(config.tracking)
        close_orphans_once(store)
        self.run = start_run(store, config, self.context, sets.data_md5)
        used = {datasets.TRAINING: sets.train, datasets.VALIDATION: sets.valid}
        self.run.log_inputs(datasets.inputs(config.data, sets.data_md5, used))
        model = softmax.build(
            sets.train.pixels.shape[1],
            len(sets.class_names),
            config.model.pixel_divisor,
            config.model.initializer,
            config.model.seed,
        )
        self.system_metrics = SystemMetrics(config.tracking.system_metrics_every)
        self._log_weight_image(softmax.to_numpy(model).kernel.T, 0)  # the slider of MLflow's UI starts at 0
        self.head = Head(model, sets.train, sets.valid, config.train, config.seed, self._run_on_epoch)

    def on_epoch(self, epoch: Epoch, weights: Floats) -> None:
        """Log an epoch and, now and then, an image of the weights after it.

        The weights are float32 (classes, pixels + 1), with the bias of each class at the end of its row.

        Raises:
            Pruned: the search gives up the trial.
            Stopped: another job of the sweep failed, with sweep.on_failure=stop.
        """
        assert self.run is not None
        self.training_seconds = time.monotonic() - self.training_start
        values = epoch_metrics(epoch)
        self.run.log_metrics(values, step=epoch.number)
        self.run.log_metrics(self.system_metrics.read(), step=self.system_metrics.step)
        self._log_weight_image(weights[:, :-1], epoch.number)
        # The log file has a line for each epoch. The console has them where neither a bar nor a sweep's list of jobs
        # shows the progress.
        quiet = on_terminal() or self.context.number is not None
        text = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        log.log(logging.DEBUG if quiet else logging.INFO, "epoch %d: %s", epoch.number, text)
        self._check_stop_file()
        if self.context.trial is not None:
            prune_if_hopeless(self.context.trial, epoch, self.config.train.epochs)

    def finish(self, result: Fit) -> None:
        """Write model.keras, history.csv, weights.png and valid_wrong.json, log them, and end the run as FINISHED."""
        assert self.run is not None
        assert self.head is not None
        model, valid = self.head.model, self.sets.valid
        trained = softmax.to_numpy(model)
        keras_file.save(model, self.folder / "model.keras")
        write_history(result.history, self.folder / "history.csv")
        classes = weight_images.shown(len(self.sets.class_names))
        title = f"Weights of {classes} after epoch {result.best_epoch}: {self.config.data.name}"
        images = self._as_images(trained.kernel.T)
        weight_images.draw(images, self.sets.class_names, title, self.folder / "weights.png")
        WrongImages(prepared.digest(self.config), result.wrong).write(self.folder / wrong_images.FILE)
        self.run.log_files(self.folder / name for name in ("history.csv", "weights.png", wrong_images.FILE))
        model_sha256, seconds = sha256(self.folder / "model.keras"), f"{self.training_seconds:.3f}"
        self.run.set_tags({"model.sha256": model_sha256, queries.SECONDS: seconds})
        best = {
            "best/epoch": result.best_epoch,
            "best/valid_error": result.best.error,
            "best/valid_loss": result.best.loss,
        }
        served, examples = serving.guarded(model, valid.pixels), valid.pixels[:5]
        probabilities = metrics.probabilities(trained.logits(examples)).astype(np.float32)
        saved = SavedModel(self.folder / "model.keras", served, examples, probabilities)
        self.run.log_model(saved, best)
        epochs = "1 epoch" if len(result.history) == 1 else f"{len(result.history)} epochs"
        self.summary = f"{epochs}, best validation error {100 * result.best.error:.6f} %"
        if self.config.train.report_test:
            self._report_test(trained)
        self.best_error = result.best.error
        self.head = None  # it holds memory and open files
        self._end_run(None)

    def fail(self, error: BaseException) -> None:
        """End the run as FAILED, or as KILLED where it was stopped from outside. Only the first error counts."""
        if self.error is None:
            self.error = error
            self.head = None
            with suppress(OSError):  # of a full disk, which may be the error itself
                self._end_run(error)

    def run_step(self, step: Callable[[], None]) -> None:
        """Run a step of the job. What it raises fails the job, and result() raises it."""
        try:
            with self.around_step():
                try:
                    step()
                except Exception as error:
                    self.fail(error)
                    raise
        except Exception as error:  # noqa: BLE001 - `around_step` itself may fail, for example to open the log
            self.fail(error)

    def end(self, outcome: Fit | Exception) -> None:
        """Finish with the result of the head, or raise the error that ended it."""
        if isinstance(outcome, Exception):
            raise outcome
        self.finish(outcome)

    def result(self) -> float:
        """Wait until MLflow has the whole run, log where it is, and return the lowest validation error, a fraction.

        Raises:
            Exception: the error that ended the job.
            Unwritten: the store has not taken the whole run.
        """
        if self.error is not None:
            raise self.error
        assert self.run is not None
        self.run.wait()
        if self.context.number is None:
            log.info("%s", self.summary)
            log.info("run %s, files in %s", self.run.id, self.folder)
        else:
            log.info("job %s: %s, run %s", self.context.number, self.summary, self.run.id)
        return self.best_error

    def _run_on_epoch(self, epoch: Epoch, weights: Floats) -> None:
        """Run on_epoch() as a step. An epoch that fails ends the head, too."""
        self.run_step(partial(self.on_epoch, epoch, weights))
        if self.error is not None:
            raise self.error

    def _report_test(self, model: SoftmaxModel) -> None:
        assert self.run is not None
        test = self.sets.test[: whole_batches(len(self.sets.test), self.config.train)]
        score = metrics.score(model.logits(test.pixels), test.labels)
        self.run.log_inputs(datasets.inputs(self.config.data, self.sets.data_md5, {datasets.TEST: test}))
        self.run.log_metrics({"test/loss": score.loss, "test/error": score.error})
        self.summary += f", test error {100 * score.error:.6f} %"

    def _end_run(self, error: BaseException | None) -> None:
        if self.run is not None and not self.run_ended:
            self.run_ended = True
            self.run.end(error)

    def _check_stop_file(self) -> None:
        if self.context.stop_file is not None and self.context.stop_file.exists():
            raise Stopped("another job failed, and sweep.on_failure=stop")

    def _log_weight_image(self, weights: Floats, epoch: int) -> None:
        assert self.run is not None
        tracking = self.config.tracking
        if tracking.weight_images_every and epoch % tracking.weight_images_every == 0:
            image = weight_images.series_image(self._as_images(weights), tracking.weight_image_limit)
            self.run.log_image("weights", image, step=epoch)

    def _as_images(self, weights: Floats) -> Floats:
        """Weights (classes, pixels) as images (classes, height, width)."""
        return weights.reshape(-1, *self.sets.train.images.shape[1:])


def train_jobs(jobs: Sequence[TrainingJob]) -> None:
    """Train the models of the jobs in one bank. What one job raises fails that job and no other.

    Then TrainingJob.result() of each job returns its result or raises its error.
    """
    try:
        for job in jobs:
            signals.check()
            job.run_step(job.start)
        _train_heads([job for job in jobs if job.head is not None])
    except BaseException as error:
        for job in jobs:
            job.fail(error)
        raise
    finally:
        upload_queue.flush_all()


def _train_heads(jobs: Sequence[TrainingJob]) -> None:
    """Train the heads of started jobs; finish or fail each job as soon as its head has ended."""
    unfinished = dict(enumerate(jobs))
    heads = [job.head for job in jobs if job.head is not None]
    for job in jobs:
        job.training_start = time.monotonic()
    bar = ProgressBar()
    try:
        for number, outcome in fit(heads, [bar]) if heads else ():
            bar.clear()
            job = unfinished.pop(number)
            if job.error is None:  # else an epoch has failed the job
                job.run_step(partial(job.end, outcome))
    except Exception as error:  # noqa: BLE001 - an error of the bank, such as too little memory, fails each job
        for job in unfinished.values():
            job.run_step(partial(job.end, error))


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """The scores of an epoch by their MLflow names."""
    values = {"train/loss": epoch.train.loss, "train/error": epoch.train.error}
    if epoch.valid is not None:
        values |= {"valid/loss": epoch.valid.loss, "valid/error": epoch.valid.error}
    return values


def write_history(history: list[Epoch], path: Path) -> None:
    """Write the metrics of each epoch as a row of a CSV file; an epoch that was not validated has empty fields."""
    names = list(epoch_metrics(history[0]))
    rows = ([epoch.number, *(epoch_metrics(epoch).get(name) for name in names)] for epoch in history)
    write_csv(path, ["epoch", *names], rows)
