"""Softmax regression by minibatch SGD in NumPy, written from the formulas and from nothing in pipeline/.

P(k | x) = exp(w_k x + b_k) / sum_j exp(w_j x + b_j); loss -log P(y | x); its gradient is (P - onehot(y)) x.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class SoftmaxRegression:
    """Weights and their training, in float64."""

    weights: Floats
    bias: Floats

    def probabilities(self, x: Floats) -> Floats:
        """P(k | x), shape (N, classes)."""
        scores = x @ self.weights + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def measure(self, x: Floats, y: npt.NDArray[np.uint8]) -> tuple[float, float]:
        """Summed loss and number of errors."""
        found = self.probabilities(x)
        return float(-np.log(found[np.arange(len(y)), y]).sum()), float((found.argmax(axis=1) != y).sum())

    def epoch(
        self, x: Floats, y: npt.NDArray[np.uint8], batch_size: int, learning_rate: float, l2: float = 0.0
    ) -> tuple[float, float]:
        """One pass in the given order, the last minibatch being what is left: mean loss and error before updates.

        Descends the loss plus l2 * sum(W^2), of which the gradient is 2 * l2 * W.
        """
        loss = errors = 0.0
        for start in range(0, len(y), batch_size):
            part, labels = x[start : start + batch_size], y[start : start + batch_size]
            more = self.measure(part, labels)
            loss, errors = loss + more[0], errors + more[1]
            difference = self.probabilities(part)
            difference[np.arange(len(labels)), labels] -= 1
            self.weights -= learning_rate * (part.T @ difference / len(labels) + 2 * l2 * self.weights)
            self.bias -= learning_rate * difference.mean(axis=0)
        return loss / len(y), errors / len(y)
