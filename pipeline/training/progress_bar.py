"""The progress of a bank."""

import time

from pipeline.core.progress import epochs_bar, line, on_terminal
from pipeline.model.quiet_keras import keras

LINE_SECONDS = 5


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Shows epochs and the lowest validation error so far: a bar on a terminal, lines every few seconds in a log.

    A single model has no such lines: its log has a line for each epoch.
    """

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Show an empty bar."""
        self.bar = epochs_bar(self.params["epochs"])
        self.best = 1.0
        self.last_printed = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Count the epoch."""
        self.best = min(self.best, (logs or {}).get("val_error", 1.0))
        heads = self.model.shape["heads"]
        best = f"best validation error {self.best:.2%}"
        self.bar.set_postfix_str(best)
        self.bar.update()
        if heads > 1 and not on_terminal() and time.monotonic() - self.last_printed > LINE_SECONDS:
            line(f"epoch {epoch + 1} of {self.params['epochs']}, {heads} jobs: {best}")
            self.last_printed = time.monotonic()

    def clear(self) -> None:
        """Clear the line of the terminal; the bar appears again after the next epoch."""
        self.bar.clear()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leave the finished bar on the terminal."""
        self.bar.close()
