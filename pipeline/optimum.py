"""Stage optimum: the minimum of the objective that train descends, as a figure to measure models by.

python -m pipeline.optimum
"""

import logging

from pipeline.convex import lbfgs, optimum_file
from pipeline.convex.objective import Objective
from pipeline.core import app
from pipeline.core.config import Config
from pipeline.core.progress import iterations_bar, on_terminal
from pipeline.data import prepared

TOLD_EVERY = 50  # iterations, where no bar tells of them

log = logging.getLogger("pipeline.optimum")


def optimum(config: Config) -> None:
    """Write optimum/optimum.json for the training images, all of them."""
    (train,) = prepared.read(config, "train")
    objective = Objective(train, config.model.pixel_divisor, config.train.l2)
    with iterations_bar(lbfgs.MOST_ITERATIONS) as bar:

        def observe(iteration: int, value: float) -> None:
            bar.update()
            if iteration % TOLD_EVERY == 0 and not on_terminal():
                log.info("iteration %d: objective %.4f nats", iteration, value)

        found = lbfgs.minimum(objective, len(prepared.classes(config)), observe)
    optimum_file.write(config, found)
    log.info("after %d iterations: %s", found.iterations, _told(found))


def _told(found: lbfgs.Optimum) -> str:
    if found.objective == 0:
        return "no image is wrong, so that the objective's infimum is 0 nats, which no weights attain"
    if found.proven:
        return f"optimum {found.objective:.4f} nats, proven to be at least {found.lower_bound:.4f}"
    if found.iterations < lbfgs.MOST_ITERATIONS:
        return f"optimum {found.objective:.4f} nats, not proven: the objective falls no further than it is rounded"
    fall = f"{found.last_fall:.5f} less than {lbfgs.WINDOW} iterations before"
    return f"lowest objective {found.objective:.4f} nats, {fall}: the optimum is not proven"


if __name__ == "__main__":
    app.run(optimum)
