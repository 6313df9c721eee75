"""One model: plain Keras, NumPy and ours."""

from benchmarks import contenders
from benchmarks.rounds import markdown, seconds

PLAIN = "Keras `fit`"


def table() -> str:
    """Epochs a second of each way to train, and how many times plain Keras that is."""
    data = contenders.mnist()
    rows = []
    for batch_size in (600, 32):
        found = seconds(
            {
                PLAIN: contenders.keras_fit(data, batch_size),
                "Keras `fit`, `steps_per_execution=50`, `jit_compile=True`": contenders.keras_fit(
                    data, batch_size, steps_per_execution=50, jit_compile=True
                ),
                "NumPy loop": contenders.numpy_loop(data, batch_size),
                "the two matrix products alone (NumPy)": contenders.products(data, batch_size),
                "ours, a bank of one": contenders.bank(data, batch_size),
            }
        )
        rows += [
            (str(batch_size), name, f"{1 / time:.2f}", f"{found[PLAIN] / time:.1f}") for name, time in found.items()
        ]
    return markdown("Training one model", ("batch size", "way", "epochs/s", "times plain `fit`"), rows)
