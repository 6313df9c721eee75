"""Softmax regression by minibatch SGD in NumPy, independent of pipeline/.

P(k | x) = exp(w_k x + b_k) / sum_j exp(w_j x + b_j); loss -log P(y | x); its gradient is (P - onehot(y)) x.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class SoftmaxRegression:
    """Weights, float64 (pixels, classes), and bias, float64 (classes,)."""

    weights: Floats
    bias: Floats

    def probabilities(self, x: Floats) -> Floats:
        """Return P(k | x), shape (N, classes)."""
        logits = x @ self.weights + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def measure(self, x: Floats, y: npt.NDArray[np.uint8]) -> tuple[float, float]:
        """Return the sum of the losses and the number of errors."""
        probabilities = self.probabilities(x)
        losses = -np.log(probabilities[np.arange(len(y)), y])
        return float(losses.sum()), float((probabilities.argmax(axis=1) != y).sum())

    def epoch(
        self, x: Floats, y: npt.NDArray[np.uint8], batch_size: int, learning_rate: float, l2: float = 0.0
    ) -> tuple[float, float]:
        """Train one epoch in the order of `x`. Return mean loss and error, each minibatch measured before its update.

        Minimizes the loss plus l2 * sum(W^2); the gradient of the L2 term is 2 * l2 * W. The last minibatch may be
        smaller.
        """
        loss = errors = 0.0
        for start in range(0, len(y), batch_size):
            batch, labels = x[start : start + batch_size], y[start : start + batch_size]
            batch_loss, batch_errors = self.measure(batch, labels)
            loss, errors = loss + batch_loss, errors + batch_errors
            difference = self.probabilities(batch)
            difference[np.arange(len(labels)), labels] -= 1
            self.weights -= learning_rate * (batch.T @ difference / len(labels) + 2 * l2 * self.weights)
            self.bias -= learning_rate * difference.mean(axis=0)
        return loss / len(y), errors / len(y)
