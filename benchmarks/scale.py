"""Training sets that outgrow memory: MNIST once, 4 and 16 times over, with noise, from memory-mapped files."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import contenders
from benchmarks.rounds import ROUNDS, markdown
from pipeline.core.paths import ROOT
from pipeline.data.images import LabelledImages

TIMES = (1, 4, 16)


def table() -> str:
    """Seconds of an epoch of one model, and how much memory its process takes at most beyond what its imports take."""
    data = contenders.mnist()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = {times: _repeated(data, times, Path(folder)) for times in TIMES}
        for batch_size in (600, 32):
            for times, (images, labels) in files.items():
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.scale", images, labels, str(batch_size)],
                    cwd=ROOT, capture_output=True, text=True, check=True,
                )  # fmt: skip
                found = json.loads(done.stdout.splitlines()[-1])
                each = 1e9 * found["seconds"] / (times * len(data))
                rows.append(
                    (str(batch_size), f"x{times}", f"{found['seconds']:.3f}", f"{each:.0f}", f"{found['MiB']:.0f}")
                )
    return markdown(
        "Larger training sets",
        ("batch size", "images", "s an epoch", "ns an image", "peak MiB beyond imports"),
        rows,
    )


def _repeated(data: LabelledImages, times: int, folder: Path) -> tuple[str, str]:
    """Files of the images, repeated with noise, and of their labels."""
    images, labels = folder / f"images{times}.npy", folder / f"labels{times}.npy"
    array = np.lib.format.open_memmap(images, "w+", np.uint8, (times * len(data), *data.images.shape[1:]))
    random = np.random.default_rng(1)
    for start in range(0, len(array), len(data)):
        noise = random.integers(0, 2, data.images.shape, np.uint8)
        array[start : start + len(data)] = data.images ^ noise
    array.flush()
    np.save(labels, np.tile(data.labels, times))
    return str(images), str(labels)


def _peak() -> float:
    """The largest memory of this process since it was last forgotten, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _measure(images: str, labels: str, batch_size: int) -> dict[str, float]:
    data = LabelledImages(np.load(images, mmap_mode="r"), np.load(labels))
    epoch = contenders.bank(data, batch_size)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak
    before = _peak()
    epoch()  # compiles
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times), "MiB": _peak() - before}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))) + "\n")
