"""Training speed of one model and of banks with up to 64 heads: plain Keras, NumPy, JAX and this pipeline."""

import importlib.util

from benchmarks import contenders
from benchmarks.rounds import Seconds, markdown, measure

PLAIN, PEAK = "Keras `fit`", "peak"
HEADS = (1, 2, 4, 8, 16, 32, 64)
MANY = 32  # heads of the contenders beside a bank
FREE = f"a bank of {MANY} without the promise of equal bits"
JAX = f"`jax.vmap` over {MANY} heads"


def table() -> str:
    """Return the tables of head-epochs per second, one for each batch size. All rows of a table share their rounds.

    The peak is the speed of TensorFlow's product of two 4,096 x 4,096 float32 matrices.
    """
    return "\n\n".join(_table(batch_size) for batch_size in (600, 32))


def _table(batch_size: int) -> str:
    data = contenders.mnist()
    functions = {
        PLAIN: contenders.keras_fit(data, batch_size),
        "Keras `fit`, `steps_per_execution=50`, `jit_compile=True`": contenders.keras_fit(
            data, batch_size, steps_per_execution=50, jit_compile=True
        ),
        "NumPy loop": contenders.numpy_loop(data, batch_size),
        "only the two matrix products (NumPy)": contenders.products(data, batch_size),
        **{_ours(heads): contenders.bank(data, batch_size, heads) for heads in HEADS},
        FREE: contenders.free_bank(data, batch_size, MANY),
        PEAK: contenders.square_product,
    }
    heads = {_ours(number): number for number in HEADS} | {FREE: MANY, JAX: MANY}
    note = ""
    if importlib.util.find_spec("jax") is None:
        note = "\n\nNot measured: JAX is not installed (`pip install -e '.[bench]'`)."
    else:
        functions[JAX] = contenders.jax_vmap(data, batch_size, MANY)
    seconds = measure(functions)
    peak = contenders.SQUARE_OPERATIONS / seconds.pop(PEAK).median
    operations = 4 * len(data) * data.pixels.shape[1] * contenders.CLASSES  # per head and epoch, in two products
    rows = [_row(name, heads.get(name, 1), time, seconds[PLAIN], operations / peak) for name, time in seconds.items()]
    header = ("method", "head-epochs/s (slowest to fastest round)", "times plain `fit`", "share of the peak")
    title = f"Training, batch size {batch_size}, one epoch of {len(data):,} images"
    return f"{markdown(title, header, rows)}\n\nPeak: {peak / 1e9:.0f} GFLOP/s in these rounds.{note}"


def _ours(heads: int) -> str:
    return "ours, a bank of one" if heads == 1 else f"ours, a bank of {heads}"


def _row(name: str, heads: int, time: Seconds, plain: Seconds, peak_seconds: float) -> tuple[str, ...]:
    """`peak_seconds` is what the two products of an epoch would take at the peak."""
    speed = heads / time.median
    return name, time.speed(heads), f"{speed * plain.median:.1f}", f"{speed * peak_seconds:.0%}"
