"""Import Keras and TensorFlow without their messages and unused dependencies.

All modules import both from here.
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
    """Discard what C++ code writes to stderr, except the traceback of a crash."""
    stderr = os.dup(2)
    faulthandler.enable(stderr)
    with Path(os.devnull).open("wb") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        faulthandler.disable()
        os.close(stderr)


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Make the import of packages fail, as if they were not installed, unless they are already imported."""
    hidden = [package for package in packages if package not in sys.modules]
    for package in hidden:
        sys.modules[package] = None  # type: ignore[assignment]  # None makes Python's import fail
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


os.environ["KERAS_HOME"] = os.devnull  # instead of ~/.keras, whose keras.json may set another precision or backend
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# At exit, Python's garbage collector would examine all of TensorFlow's objects several times, for a second.
atexit.register(gc.freeze)
# TensorFlow's libraries write about oneDNN and CUDA drivers to stderr before they apply the log level above.
# Keras imports scikit-learn and pyplot for wrappers and galleries that are unused here: a quarter of its import time.
with _silent_stderr(), _hidden("sklearn", "matplotlib"):
    import keras
    import tensorflow as tf

__all__ = ["keras", "tf"]
