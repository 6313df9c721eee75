"""Remove a user's settings of numerical libraries from the environment: no result may depend on them.

Libraries read these variables when they are imported. `pipeline/__init__.py` calls `clean` before any of them is.
"""

import os
import sys
import warnings

# Prefixes. KERAS_MAX_EPOCHS cuts training short, XLA_FLAGS may allow inexact arithmetic, MPLBACKEND of a notebook names
# a module that is not installed here. Settings of threads and devices stay: no result depends on them.
DROPPED = (
    *("DNNL_", "KERAS_", "MATPLOTLIBRC", "MPLBACKEND", "NPY_", "NVIDIA_TF32_OVERRIDE", "ONEDNN_", "OPENBLAS_CORETYPE"),
    *("SCIPY_", "SKLEARN_", "TF_", "TF2_", "XLA_"),
)
KEPT = ("TF_CPP_", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "TF_NUM_")
# XLA looks for CUDA's compiler there, and fails without it.
CUDA_FOLDER = "--xla_gpu_cuda_data_dir="

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def clean() -> None:
    """Drop the variables, and add loopback addresses to `no_proxy`: no proxy can reach this machine's servers.

    Warnings of libraries are no errors, even with `PYTHONWARNINGS=error`.
    """
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag.startswith(CUDA_FOLDER)]
    for name in list(os.environ):
        if name.startswith(DROPPED) and not name.startswith(KEPT):
            del os.environ[name]
    if flags:
        os.environ["XLA_FLAGS"] = " ".join(flags)
    without_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if any(option.startswith("error") for option in sys.warnoptions):
        _restore_default_warnings()
    hosts = [host.strip() for host in without_proxy.split(",") if host.strip()]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def _restore_default_warnings() -> None:
    """Filter warnings as Python does by default."""
    os.environ.pop("PYTHONWARNINGS", None)
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
