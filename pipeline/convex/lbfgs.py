"""The objective's minimum, by L-BFGS."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.convex.objective import Doubles, Objective, Value

MAX_ITERATIONS = 300  # on MNIST without l2 about 4e-4 nats above what 1,200 find, in a third of the pipeline's time
MEMORY = 30  # pairs of steps and gradients from which L-BFGS knows the curvature
MOST_NUMBERS = 1 << 27  # that all pairs have: 1 GiB
WINDOW = 25  # iterations over which the progress is told
TOLERANCE = 1e-4  # nats: the search ends where it is proven to be so near
MARGIN = 1e-3  # of scores: more than float32 rounds away

Observe = Callable[[int, float], None]  # is told each iteration's number and objective


class Optimum(NamedTuple):
    """The lowest objective that was found, a proven lower bound of the minimum, and how the search ended.

    `last_fall` is how much the objective fell in the last 25 iterations, or since the first. Where l2 is 0 and some
    weights get every image right, objective and bound are both 0: the infimum, which larger and larger weights approach
    and none attain.
    """

    objective: float
    lower_bound: float
    gradient_norm: float
    last_fall: float
    iterations: int

    @property
    def proven(self) -> bool:
        """Whether the minimum is known."""
        return self.objective - self.lower_bound <= TOLERANCE

    @property
    def description(self) -> str:
        """The objective, and whether it is proven to be the minimum."""
        if self.objective == 0:
            return "no image is wrong, so that the objective's infimum is 0 nats, which no weights attain"
        if self.proven:
            return f"optimum {self.objective:.4f} nats, proven to be at least {self.lower_bound:.4f}"
        if self.iterations < MAX_ITERATIONS:
            return f"optimum {self.objective:.4f} nats, not proven: the objective falls no further than it is rounded"
        fall = f"{self.last_fall:.5f} less than {WINDOW} iterations before"
        return f"lowest objective {self.objective:.4f} nats, {fall}: the optimum is not proven"


def minimum(objective: Objective, classes: int, observe: Observe) -> Optimum:
    """Search the minimum from W = 0 on, in as many threads as there are processors."""
    with threadpool_limits(1):  # the products' own threads would wait for each other at every block
        return _minimum(objective, classes, observe)


def _minimum(objective: Objective, classes: int, observe: Observe) -> Optimum:
    search = _Search(objective, classes, observe)
    weights, bias = search.run()
    if search.separated():
        return Optimum(0.0, 0.0, 0.0, search.fall(), len(search.path))
    if objective.l2 > 0:
        bias = _best_bias(objective, weights, bias)  # the bound asks for it
    found = objective(weights, bias)
    norm = float(np.sqrt((found.by_weights**2).sum() + (found.by_bias**2).sum()))
    return Optimum(found.objective, objective.lower_bound(found), norm, search.fall(), len(search.path))


class _Search:
    """L-BFGS in the objective's own coordinates: V with W = basis V, and b + W' mean in the place of b."""

    def __init__(self, objective: Objective, classes: int, observe: Observe) -> None:
        self.objective, self.classes, self.observe = objective, classes, observe
        self.mean, self.basis = objective.coordinates(classes)
        self.path: list[float] = []  # the objective after each iteration
        self.latest: Value

    def run(self) -> tuple[Doubles, Doubles]:
        """The weights and bias at the end."""
        from scipy.optimize import minimize

        start = np.zeros((len(self.mean) + 1) * self.classes)
        pairs = min(MEMORY, max(1, MOST_NUMBERS // (2 * start.size)))
        options = {"maxcor": pairs, "maxiter": MAX_ITERATIONS, "maxfun": np.inf, "ftol": 0.0, "gtol": 0.0}
        found = minimize(self._value, start, jac=True, method="L-BFGS-B", options=options, callback=self._watch)
        return self._weights(found.x)

    def fall(self) -> float:
        """How much the objective fell in the last iterations."""
        return self.path[-min(WINDOW + 1, len(self.path))] - self.path[-1]

    def separated(self) -> bool:
        """Whether these weights, multiplied by a large enough number, come as near to 0 as one likes."""
        return self.objective.l2 == 0 and self.latest.margin > MARGIN

    def _weights(self, variables: Doubles) -> tuple[Doubles, Doubles]:
        rows = variables.reshape(-1, self.classes)
        weights = self.basis @ rows[:-1]
        return weights, rows[-1] - self.mean @ weights

    def _value(self, variables: Doubles) -> tuple[float, Doubles]:
        self.latest = self.objective(*self._weights(variables))
        by_rows = self.basis.T @ (self.latest.by_weights - np.outer(self.mean, self.latest.by_bias))
        return self.latest.objective, np.append(by_rows, self.latest.by_bias)

    def _watch(self, intermediate_result: Any) -> None:
        """Called after each iteration, whose last evaluation is the one that was taken."""
        self.path.append(self.latest.objective)
        self.observe(len(self.path), self.latest.objective)
        near = self.latest.objective - self.objective.lower_bound(self.latest) < TOLERANCE / 2
        if near or self.separated():
            raise StopIteration


def _best_bias(objective: Objective, weights: Doubles, bias: Doubles) -> Doubles:
    from scipy.optimize import minimize

    def value(bias: Doubles) -> tuple[float, Doubles]:
        found = objective(weights, bias)
        return found.objective, found.by_bias

    found = minimize(value, bias, jac=True, method="L-BFGS-B", options={"maxiter": 10, "ftol": 0.0, "gtol": 1e-7})
    return np.asarray(found.x)
