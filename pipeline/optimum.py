"""Stage optimum: the minimum of the objective that train descends, as a figure to measure models by.

python -m pipeline.optimum
"""

import logging

from pipeline import app
from pipeline.config import Config
from pipeline.convex import files, search
from pipeline.convex.objective import Objective
from pipeline.data import prepared
from pipeline.progress import iterations_bar, on_terminal

TOLD_EVERY = 50  # iterations, where no bar tells of them

log = logging.getLogger("pipeline.optimum")


def optimum(config: Config) -> None:
    """Write optimum/optimum.json for the training images, all of them."""
    (train,) = prepared.read(config, "train")
    objective = Objective(train, config.model.pixel_divisor, config.train.l2)
    with iterations_bar(search.MOST_ITERATIONS) as bar:

        def observe(iteration: int, value: float) -> None:
            bar.update()
            if iteration % TOLD_EVERY == 0 and not on_terminal():
                log.info("iteration %d: objective %.4f nats", iteration, value)

        found = search.minimum(objective, len(prepared.classes(config)), observe)
    files.write(config, found)
    log.info("after %d iterations: %s", found.iterations, _told(found))


def _told(found: search.Optimum) -> str:
    if found.objective == 0:
        return "no image is wrong, so that the objective's infimum is 0 nats, which no weights attain"
    if found.proven:
        return f"optimum {found.objective:.4f} nats, proven to be at least {found.lower_bound:.4f}"
    if found.iterations < search.MOST_ITERATIONS:
        return f"optimum {found.objective:.4f} nats, not proven: the objective falls no further than it is rounded"
    fall = f"{found.last_fall:.5f} less than {search.WINDOW} iterations before"
    return f"lowest objective {found.objective:.4f} nats, {fall}: the optimum is not proven"


if __name__ == "__main__":
    app.run(optimum)
