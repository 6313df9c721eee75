"""The heads of a bank in shares, which the machine's cores compute at the same time.

The products of a bank are small: more threads within one product gain little, and a call for each core gains much. A
head has the same bits in a share of any size (epoch_pass.py).
"""

import functools
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.core.cores import available_cores
from pipeline.model.quiet_keras import tf

Arrays = tuple[tf.Tensor, ...]


def split(arrays: Iterable[Any], number: int) -> list[Arrays]:
    """Split arrays (heads, ...) into this number of shares of equal size, or fewer where there are fewer heads.

    Zeros fill the last share: another number of heads would have to be compiled, which takes as long as some epochs.
    """
    tensors = tuple(map(tf.convert_to_tensor, arrays))
    heads = len(tensors[0])
    size = math.ceil(heads / min(number, heads))
    number = math.ceil(heads / size)
    if number == 1:
        return [tensors]
    padded = [tf.pad(tensor, [[0, number * size - heads], *[[0, 0]] * (len(tensor.shape) - 1)]) for tensor in tensors]
    return [tuple(tensor[start : start + size] for tensor in padded) for start in range(0, number * size, size)]


def call(function: Callable[..., Arrays], shares: list[Arrays], *shared: Any) -> list[Arrays]:
    """Call `function(*share, *shared)` for each share, at the same time; return the results in the same order."""
    if len(shares) == 1:
        return [function(*shares[0], *shared)]
    return list(_threads().map(lambda share: function(*share, *shared), shares))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(available_cores(), "share")
