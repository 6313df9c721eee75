"""Training speed of one model: plain Keras, NumPy and this pipeline."""

from benchmarks import contenders
from benchmarks.rounds import markdown, median_seconds

PLAIN = "Keras `fit`"


def table() -> str:
    """Return the table of epochs per second of each method, and their ratio to plain Keras."""
    data = contenders.mnist()
    rows = []
    for batch_size in (600, 32):
        seconds = median_seconds(
            {
                PLAIN: contenders.keras_fit(data, batch_size),
                "Keras `fit`, `steps_per_execution=50`, `jit_compile=True`": contenders.keras_fit(
                    data, batch_size, steps_per_execution=50, jit_compile=True
                ),
                "NumPy loop": contenders.numpy_loop(data, batch_size),
                "only the two matrix products (NumPy)": contenders.products(data, batch_size),
                "ours, a bank of one": contenders.bank(data, batch_size),
            }
        )
        rows += [
            (str(batch_size), name, f"{1 / time:.2f}", f"{seconds[PLAIN] / time:.1f}") for name, time in seconds.items()
        ]
    return markdown("Training one model", ("batch size", "method", "epochs/s", "times plain `fit`"), rows)
