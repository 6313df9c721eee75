"""A bank of 1 to 64 heads."""

from benchmarks import contenders
from benchmarks.rounds import markdown, seconds

HEADS = (1, 2, 4, 8, 16, 32, 64)


def table() -> str:
    """Head-epochs a second of banks, as times plain Keras, and their arithmetic as a share of the processor's peak.

    The peak is what TensorFlow's product of two matrices of 4,096 x 4,096 float32 numbers reaches.
    """
    data = contenders.mnist()
    operations = 4 * len(data) * data.pixels.shape[1] * contenders.CLASSES  # of a head's two products, in an epoch
    rows = []
    for batch_size in (600, 32):
        found = seconds(
            {"plain": contenders.keras_fit(data, batch_size), "peak": contenders.square_product}
            | {str(heads): contenders.bank(data, batch_size, heads) for heads in HEADS}
        )
        peak = contenders.SQUARE_OPERATIONS / found["peak"]
        for heads in HEADS:
            rate = heads / found[str(heads)]
            rows.append(
                (
                    str(batch_size),
                    str(heads),
                    f"{rate:.1f}",
                    f"{rate * found['plain']:.1f}",
                    f"{operations * rate / peak:.0%}",
                )
            )
    header = ("batch size", "heads", "head-epochs/s", "times plain `fit`", "share of the matrix-product peak")
    return markdown("A bank", header, rows)
