"""Selected rows of files that are larger than memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import rows


@pytest.mark.parametrize("part", [slice(None), slice(7, 900)], ids=["whole", "part"])
def test_taken_rows_equal_the_rows_of_the_array(tmp_path: Path, part: slice, monkeypatch: pytest.MonkeyPatch) -> None:
    """From memory, from a file, and from a slice of either, in several blocks."""
    monkeypatch.setattr(rows, "BLOCK", 100)
    array = np.random.default_rng(1).integers(0, 256, (1000, 3, 2)).astype(np.uint8)
    np.save(tmp_path / "array.npy", array)
    wanted = np.arange(0, 800, 3, dtype=np.int32)
    for source in (array[part], np.load(tmp_path / "array.npy", mmap_mode="r")[part]):
        np.testing.assert_array_equal(rows.take(source, wanted), array[part][wanted])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_read_pages_are_released(tmp_path: Path) -> None:
    """With one memory map, the whole file of 300 MB would count as the process's memory."""
    file = tmp_path / "large.npy"
    np.lib.format.open_memmap(file, "w+", np.uint8, (300_000, 1000)).flush()
    code = (
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from pipeline.data.rows import take\n"
        # Not getrusage: a child starts with the peak of its parent process.
        "peak = lambda: int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) / 1024\n"
        f"mapped, before = np.load({str(file)!r}, mmap_mode='r'), peak()\n"
        "for start in range(0, 300_000, 10_000):\n"
        "    assert not take(mapped, np.arange(start, start + 10_000, dtype=np.int32)).any()\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
