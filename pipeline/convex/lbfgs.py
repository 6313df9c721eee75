"""Minimizes the objective with L-BFGS."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.convex.objective import Doubles, Objective, Value

MAX_ITERATIONS = 300  # on MNIST without l2 about 4e-4 nats above the result of 1,200 iterations
MEMORY = 30  # pairs of steps and gradients from which L-BFGS estimates the curvature
MAX_NUMBERS = 1 << 27  # in all pairs: 1 GiB
WINDOW = 25  # iterations over which the last fall is measured
TOLERANCE = 1e-4  # nats: the search ends when the objective is proven to be this close to the minimum
MARGIN = 1e-3  # of logits: above the rounding errors of float32

Callback = Callable[[int, float], None]  # called with the number of each iteration and its objective


class Optimum(NamedTuple):
    """The lowest objective, a proven lower bound of the minimum, and how the search ended.

    `last_fall` is how much the objective fell in the last 25 iterations, or since the first. Where l2 is 0 and some
    weights classify every image correctly, objective and bound are both 0: the infimum, which the objective approaches
    as the weights grow, and never reaches.
    """

    objective: float
    lower_bound: float
    gradient_norm: float
    last_fall: float
    iterations: int

    @property
    def proven(self) -> bool:
        """Whether the objective is proven to be the minimum, within the tolerance."""
        return self.objective - self.lower_bound <= TOLERANCE

    @property
    def description(self) -> str:
        """The objective, and whether it is proven to be the minimum."""
        if self.objective == 0:
            return "no image is wrong, so that the objective's infimum is 0 nats, which no weights attain"
        if self.proven:
            return f"optimum {self.objective:.4f} nats, proven to be at least {self.lower_bound:.4f}"
        if self.iterations < MAX_ITERATIONS:
            return f"optimum {self.objective:.4f} nats, not proven: rounding keeps the objective from falling further"
        fall = f"{self.last_fall:.5f} less than {WINDOW} iterations before"
        return f"lowest objective {self.objective:.4f} nats, {fall}: the optimum is not proven"


def minimum(objective: Objective, classes: int, callback: Callback) -> Optimum:
    """Minimize the objective, from W = 0, with a thread for each processor."""
    # One BLAS thread each: threads within the products would wait for each other at every block.
    with threadpool_limits(1):
        search = _Search(objective, classes, callback)
        weights, bias = search.run()
        fall, iterations = search.last_fall(), len(search.objectives)
        if search.is_separated():
            return Optimum(0.0, 0.0, 0.0, fall, iterations)
        if objective.l2 > 0:
            bias = _best_bias(objective, weights, bias)  # as lower_bound requires
        value = objective(weights, bias)
        norm = float(np.sqrt((value.weights_gradient**2).sum() + (value.bias_gradient**2).sum()))
        return Optimum(value.objective, objective.lower_bound(value), norm, fall, iterations)


class _Search:
    """L-BFGS in the objective's preconditioned coordinates: V with W = basis V, and b + W' mean in place of b."""

    def __init__(self, objective: Objective, classes: int, callback: Callback) -> None:
        self.objective, self.classes, self.callback = objective, classes, callback
        self.mean, self.basis = objective.coordinates(classes)
        self.objectives: list[float] = []  # after each iteration
        self.latest: Value

    def run(self) -> tuple[Doubles, Doubles]:
        """Return the final weights and bias."""
        from scipy.optimize import minimize

        start = np.zeros((len(self.mean) + 1) * self.classes)
        pairs = min(MEMORY, max(1, MAX_NUMBERS // (2 * start.size)))
        options = {"maxcor": pairs, "maxiter": MAX_ITERATIONS, "maxfun": np.inf, "ftol": 0.0, "gtol": 0.0}
        end = minimize(self._value, start, jac=True, method="L-BFGS-B", options=options, callback=self._after_iteration)
        return self._weights(end.x)

    def last_fall(self) -> float:
        """How much the objective fell in the last iterations."""
        return self.objectives[-min(WINDOW + 1, len(self.objectives))] - self.objectives[-1]

    def is_separated(self) -> bool:
        """Whether scaling these weights up brings the objective as close to 0 as desired."""
        return self.objective.l2 == 0 and self.latest.margin > MARGIN

    def _weights(self, variables: Doubles) -> tuple[Doubles, Doubles]:
        rows = variables.reshape(-1, self.classes)
        weights = self.basis @ rows[:-1]
        return weights, rows[-1] - self.mean @ weights

    def _value(self, variables: Doubles) -> tuple[float, Doubles]:
        self.latest = self.objective(*self._weights(variables))
        centred = self.latest.weights_gradient - np.outer(self.mean, self.latest.bias_gradient)
        return self.latest.objective, np.append(self.basis.T @ centred, self.latest.bias_gradient)

    def _after_iteration(self, intermediate_result: Any) -> None:
        """SciPy's callback; an iteration ends with the evaluation of its own result."""
        self.objectives.append(self.latest.objective)
        self.callback(len(self.objectives), self.latest.objective)
        gap = self.latest.objective - self.objective.lower_bound(self.latest)
        if gap < TOLERANCE / 2 or self.is_separated():
            raise StopIteration


def _best_bias(objective: Objective, weights: Doubles, bias: Doubles) -> Doubles:
    from scipy.optimize import minimize

    def evaluate(bias: Doubles) -> tuple[float, Doubles]:
        value = objective(weights, bias)
        return value.objective, value.bias_gradient

    options = {"maxiter": 10, "ftol": 0.0, "gtol": 1e-7}
    return np.asarray(minimize(evaluate, bias, jac=True, method="L-BFGS-B", options=options).x)
