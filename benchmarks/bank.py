"""Training speed of banks with 1 to 64 heads."""

from benchmarks import contenders
from benchmarks.rounds import markdown, median_seconds

HEADS = (1, 2, 4, 8, 16, 32, 64)


def table() -> str:
    """Return the table of head-epochs per second, their ratio to plain Keras, and the share of peak arithmetic.

    The peak is the speed of TensorFlow's product of two 4,096 x 4,096 float32 matrices.
    """
    data = contenders.mnist()
    operations = 4 * len(data) * data.pixels.shape[1] * contenders.CLASSES  # per head and epoch, in two products
    rows = []
    for batch_size in (600, 32):
        seconds = median_seconds(
            {"plain": contenders.keras_fit(data, batch_size), "peak": contenders.square_product}
            | {str(heads): contenders.bank(data, batch_size, heads) for heads in HEADS}
        )
        peak = contenders.SQUARE_OPERATIONS / seconds["peak"]
        for heads in HEADS:
            speed = heads / seconds[str(heads)]
            rows.append(
                (
                    str(batch_size),
                    str(heads),
                    f"{speed:.1f}",
                    f"{speed * seconds['plain']:.1f}",
                    f"{operations * speed / peak:.0%}",
                )
            )
    header = ("batch size", "heads", "head-epochs/s", "times plain `fit`", "share of the matrix-product peak")
    return markdown("A bank", header, rows)
