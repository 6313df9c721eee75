"""Training sets larger than memory: MNIST repeated 1, 4 and 16 times with noise, from memory-mapped files."""

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

FACTORS = (1, 4, 16)


def table() -> str:
    """Return the table of seconds per epoch of one model, and of its process's peak memory beyond the imports."""
    data = contenders.mnist()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = {factor: _write_repeated(data, factor, Path(folder)) for factor in FACTORS}
        for batch_size in (600, 32):
            for factor, (images, labels) in files.items():
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.scale", images, labels, str(batch_size)],
                    cwd=ROOT, capture_output=True, text=True, check=True,
                )  # fmt: skip
                measured = json.loads(done.stdout.splitlines()[-1])
                seconds, mebibytes = measured["seconds"], measured["MiB"]
                per_image = 1e9 * seconds / (factor * len(data))
                rows.append((str(batch_size), f"x{factor}", f"{seconds:.3f}", f"{per_image:.0f}", f"{mebibytes:.0f}"))
    return markdown(
        "Larger training sets",
        ("batch size", "images", "s per epoch", "ns per image", "peak MiB beyond imports"),
        rows,
    )


def _write_repeated(data: LabelledImages, factor: int, folder: Path) -> tuple[str, str]:
    """Write the images, repeated with noise, and their labels. Return the paths of both files."""
    images, labels = folder / f"images{factor}.npy", folder / f"labels{factor}.npy"
    array = np.lib.format.open_memmap(images, "w+", np.uint8, (factor * len(data), *data.images.shape[1:]))
    random = np.random.default_rng(1)
    for start in range(0, len(array), len(data)):
        noise = random.integers(0, 2, data.images.shape, np.uint8)
        array[start : start + len(data)] = data.images ^ noise
    array.flush()
    np.save(labels, np.tile(data.labels, factor))
    return str(images), str(labels)


def _peak_memory() -> float:
    """Return the peak resident memory of this process since the last reset, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _measure(images: str, labels: str, batch_size: int) -> dict[str, float]:
    data = LabelledImages(np.load(images, mmap_mode="r"), np.load(labels))
    epoch = contenders.bank(data, batch_size)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    before = _peak_memory()
    epoch()  # compiles
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times), "MiB": _peak_memory() - before}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))) + "\n")
