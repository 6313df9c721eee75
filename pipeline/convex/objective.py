"""The objective: the mean negative log-likelihood in nats + l2 * sum(W^2), which is convex in W and b."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.data.images import LabelledImages, Labels
from pipeline.data.rows import take

BLOCK = 2000  # images that a thread works on at a time: as float32 they nearly stay in the processor's cache
MOST_PIXELS = 4096  # of an image whose covariances are looked at: their eigenvectors take seconds, and 128 MB
FLOOR = 2e-4  # of the largest variance, added to all: directions that hardly vary would drown in rounding

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Part = TypeVar("Part")


class Value(NamedTuple):
    """The objective, its gradients by W (pixels, classes) and b (classes,), and the images' smallest margin.

    A margin is the true class's score less the best other one: where the smallest is above 0, no image is wrong.
    """

    objective: float
    by_weights: Doubles
    by_bias: Doubles
    margin: float


@dataclass(frozen=True)
class Objective:
    """The objective over the images, with x = pixels / divisor."""

    data: LabelledImages
    divisor: float
    l2: float

    def __call__(self, weights: Doubles, bias: Doubles) -> Value:
        """The value at W (pixels, classes) and b (classes,); the products are float32, as in training."""
        scaled, offset = (weights / self.divisor).astype(np.float32), bias.astype(np.float32)
        parts = self._each(lambda pixels, labels: _sums(pixels, labels, scaled, offset))
        loss, by_weights, by_bias, margin = next(parts)
        for part in parts:
            loss, by_weights, by_bias = loss + part.objective, by_weights + part.by_weights, by_bias + part.by_bias
            margin = min(margin, part.margin)
        images = len(self.data)
        return Value(
            loss / images + self.l2 * float((weights**2).sum()),
            by_weights / (images * self.divisor) + 2 * self.l2 * weights,
            by_bias / images,
            margin,
        )

    def lower_bound(self, found: Value) -> float:
        """What the minimum is proven not to be below, where b is the best for W.

        With l2 the objective is strongly convex in W, with modulus 2 * l2: it is at most |gradient|^2 / (4 * l2) above
        its minimum (Boyd and Vandenberghe, "Convex optimization", 2004, equation 9.9). A likelihood is at most 1.
        """
        if self.l2 == 0:
            return 0.0
        return max(0.0, found.objective - float((found.by_weights**2).sum()) / (4 * self.l2))

    def coordinates(self, classes: int) -> tuple[Doubles, Any]:
        """The mean of x (pixels,), and a basis (pixels, pixels) in which the Hessian at W = 0 is nearly the identity.

        That Hessian is the covariance of x, divided by the number of classes, + 2 * l2. Of large images only its
        diagonal is looked at, and the basis is sparse.
        """
        if self.data.pixels.shape[1] > MOST_PIXELS:
            mean, squares = self._means(lambda pixels: (pixels**2).sum(axis=0, dtype=np.float64))
            scale = 1 / np.sqrt(self._curvature((squares - mean**2) / self.divisor**2, classes))
            return mean / self.divisor, sparse.diags_array(scale)
        mean, products = self._means(lambda pixels: pixels.T @ pixels)
        covariance = (products - np.outer(mean, mean)) / self.divisor**2
        variances, directions = np.linalg.eigh(covariance)
        return mean / self.divisor, directions / np.sqrt(self._curvature(variances, classes))

    def _means(self, second: Callable[[Floats], npt.NDArray[Any]]) -> tuple[Doubles, Doubles]:
        """The mean of the pixels (pixels,), and that of what `second` sums over a block's images."""
        sums = self._each(lambda pixels, _: (pixels.sum(axis=0, dtype=np.float64), second(pixels)))
        total, products = next(sums)
        for more, squares in sums:
            total, products = total + more, products + squares.astype(np.float64)
        return total / len(self.data), products / len(self.data)

    def _curvature(self, variances: Doubles, classes: int) -> Doubles:
        return np.asarray((np.maximum(variances, 0) + FLOOR * variances.max()) / classes + 2 * self.l2)

    def _each(self, compute: Callable[[Floats, Labels], Part]) -> Iterator[Part]:
        """What is computed of each block's pixels, float32 (images, pixels), and labels, in the blocks' order."""

        def part(start: int) -> Part:
            rows = np.arange(start, min(start + BLOCK, len(self.data)), dtype=np.int32)
            pixels = take(self.data.images, rows).reshape(len(rows), -1).astype(np.float32)
            return compute(pixels, self.data.labels[rows])

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            yield from threads.map(part, range(0, len(self.data), BLOCK))


def _sums(pixels: Floats, labels: Labels, weights: Floats, bias: Floats) -> Value:
    """A block's sums of losses and of their gradients, and its smallest margin."""
    true = np.arange(len(labels)), labels
    scores = pixels @ weights + bias
    own = scores[true]
    scores[true] = -np.inf
    others = scores.max(axis=1)
    scores[true] = own
    top = np.maximum(own, others)
    exponentials = np.exp(scores - top[:, None])
    sums = exponentials.sum(axis=1)
    losses = top - own + np.log(sums)
    residuals = exponentials / sums[:, None]
    residuals[true] -= 1
    by_weights, by_bias = pixels.T @ residuals, residuals.sum(axis=0)
    margin = float((own - others).min())
    return Value(float(losses.sum(dtype=np.float64)), by_weights.astype(np.float64), by_bias.astype(np.float64), margin)
