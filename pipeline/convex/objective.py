"""The objective: the mean negative log-likelihood in nats + l2 * sum(W^2), which is convex in W and b."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.core.cores import available_cores
from pipeline.data.images import LabelledImages, Labels
from pipeline.data.rows import take

BLOCK = 2000  # images that a thread takes at a time: as float32 they nearly fit into the processor's cache
MAX_PIXELS = 4096  # of an image: the eigenvectors of the covariance take seconds, and 128 MB
FLOOR = 2e-4  # of the largest variance, added to all: rounding would dominate directions with hardly any variance

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Result = TypeVar("Result")


class Value(NamedTuple):
    """The objective, its gradients by W (pixels, classes) and b (classes,), and the smallest margin of an image.

    A margin is the logit of the true class minus the largest other one: if all are above 0, every image is classified
    correctly.
    """

    objective: float
    weights_gradient: Doubles
    bias_gradient: Doubles
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
        blocks = self._for_each_block(lambda pixels, labels: _sums(pixels, labels, scaled, offset))
        loss, weights_gradient, bias_gradient, margin = next(blocks)
        for block in blocks:
            loss += block.objective
            weights_gradient += block.weights_gradient
            bias_gradient += block.bias_gradient
            margin = min(margin, block.margin)
        images = len(self.data)
        return Value(
            loss / images + self.l2 * float((weights**2).sum()),
            weights_gradient / (images * self.divisor) + 2 * self.l2 * weights,
            bias_gradient / images,
            margin,
        )

    def lower_bound(self, value: Value) -> float:
        """A proven lower bound of the minimum, if b is the best one for W.

        With l2 the objective is strongly convex in W, with modulus 2 * l2: it is at most |gradient|^2 / (4 * l2) above
        its minimum (Boyd and Vandenberghe, "Convex optimization", 2004, equation 9.9). A likelihood is at most 1.
        """
        if self.l2 == 0:
            return 0.0
        return max(0.0, value.objective - float((value.weights_gradient**2).sum()) / (4 * self.l2))

    def coordinates(self, classes: int) -> tuple[Doubles, Any]:
        """The mean of x (pixels,), and a basis (pixels, pixels) in which the Hessian at W = 0 is nearly the identity.

        That Hessian is the covariance of x, divided by the number of classes, + 2 * l2. For large images only its
        diagonal is computed, and the basis is sparse.
        """
        if self.data.pixels.shape[1] > MAX_PIXELS:
            mean, squares = self._means(lambda pixels: (pixels**2).sum(axis=0, dtype=np.float64))
            scale = 1 / np.sqrt(self._curvature((squares - mean**2) / self.divisor**2, classes))
            return mean / self.divisor, sparse.diags_array(scale)
        mean, products = self._means(lambda pixels: pixels.T @ pixels)
        covariance = (products - np.outer(mean, mean)) / self.divisor**2
        variances, directions = np.linalg.eigh(covariance)
        return mean / self.divisor, directions / np.sqrt(self._curvature(variances, classes))

    def _means(self, second_moments: Callable[[Floats], npt.NDArray[Any]]) -> tuple[Doubles, Doubles]:
        """The mean of the pixels (pixels,), and of the second moments, which the function sums over a block."""
        sums = self._for_each_block(
            lambda pixels, _: (pixels.sum(axis=0, dtype=np.float64), second_moments(pixels).astype(np.float64))
        )
        first, second = next(sums)
        for more_first, more_second in sums:
            first, second = first + more_first, second + more_second
        return first / len(self.data), second / len(self.data)

    def _curvature(self, variances: Doubles, classes: int) -> Doubles:
        return np.asarray((np.maximum(variances, 0) + FLOOR * variances.max()) / classes + 2 * self.l2)

    def _for_each_block(self, function: Callable[[Floats, Labels], Result]) -> Iterator[Result]:
        """Call the function with the pixels, float32 (images, pixels), and labels of each block; results in order."""

        def call(start: int) -> Result:
            rows = np.arange(start, min(start + BLOCK, len(self.data)), dtype=np.int32)
            pixels = take(self.data.images, rows).reshape(len(rows), -1).astype(np.float32)
            return function(pixels, self.data.labels[rows])

        with ThreadPoolExecutor(available_cores()) as threads:
            yield from threads.map(call, range(0, len(self.data), BLOCK))


def _sums(pixels: Floats, labels: Labels, weights: Floats, bias: Floats) -> Value:
    """The sums of a block's losses and gradients, and its smallest margin."""
    true = np.arange(len(labels)), labels
    logits = pixels @ weights + bias
    true_logits = logits[true]
    logits[true] = -np.inf
    other_logits = logits.max(axis=1)
    logits[true] = true_logits
    top = np.maximum(true_logits, other_logits)
    exponentials = np.exp(logits - top[:, None])
    sums = exponentials.sum(axis=1)
    losses = top - true_logits + np.log(sums)
    residuals = exponentials / sums[:, None]
    residuals[true] -= 1
    return Value(
        float(losses.sum(dtype=np.float64)),
        (pixels.T @ residuals).astype(np.float64),
        residuals.sum(axis=0).astype(np.float64),
        float((true_logits - other_logits).min()),
    )
