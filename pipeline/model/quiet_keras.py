"""Keras and TensorFlow, imported without their messages and without what nobody here uses.

Every module that needs them imports them from here.
"""

import atexit
import faulthandler
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send what C++ writes to stderr nowhere, but for the trace of a crash."""
    kept = os.dup(2)
    faulthandler.enable(kept)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        faulthandler.disable()
        os.close(kept)


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Let the import of packages fail, as if they were not installed, where they are not imported yet."""
    hidden = [package for package in packages if package not in sys.modules]
    for package in hidden:
        sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to make an import fail
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# At its end Python looks through all of TensorFlow's objects for cycles, several times: a second for nothing.
atexit.register(gc.freeze)
# TensorFlow's libraries tell stderr about oneDNN and missing CUDA drivers before they heed the level above.
# For wrappers and galleries that nobody here uses, Keras imports scikit-learn and pyplot: a quarter of its own import.
with _silent_stderr(), _hidden("sklearn", "matplotlib"):
    import keras
    import tensorflow as tf

__all__ = ["keras", "tf"]
