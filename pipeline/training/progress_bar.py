"""How far a bank's training is."""

import time
from collections.abc import Callable, Iterable

from pipeline.core.progress import epochs_bar, line, on_terminal
from pipeline.model.quiet_keras import keras

LINE_SECONDS = 5


class Bar(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Shows epochs and the lowest validation error so far: a bar on a terminal; in a log, a line now and then.

    Only a bank has these lines: a single model's log has one an epoch anyway. `meanwhile` gives what is to be called
    between two epochs, and may write lines.
    """

    def __init__(self, meanwhile: Callable[[], Iterable[Callable[[], None]]] = tuple) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Show an empty bar."""
        self.bar = epochs_bar(self.params["epochs"])
        self.best = 1.0
        self.told = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Count the epoch."""
        self.best = min(self.best, (logs or {}).get("val_error", 1.0))
        heads = self.model.shape["heads"]
        told = f"best validation error {self.best:.2%}"
        self.bar.set_postfix_str(told)
        self.bar.update()
        if heads > 1 and not on_terminal() and time.monotonic() - self.told > LINE_SECONDS:
            line(f"epoch {epoch + 1} of {self.params['epochs']}, {heads} jobs: {told}")
            self.told = time.monotonic()
        for call in self.meanwhile():
            self.give_way()
            call()

    def give_way(self) -> None:
        """Leave the line, on which the bar appears again after the next epoch."""
        self.bar.clear()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leave the bar as it is."""
        self.bar.close()
