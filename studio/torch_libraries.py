"""Loads torch's libraries without stopping the window.

Importing torch in one piece stops every other Python thread for 0.4 to 1.3 s (measured on two CPU cores: the dynamic
linker runs with the interpreter's lock held). Loading its libraries first, by a foreign call that lets go of the lock,
brings the window's longest wait to 30 to 70 ms. So does keeping the garbage collector from looking through all that
torch brings, again and again: each look stops all threads for some 100 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = ("libtorch_global_deps", "libtorch_cpu", "libtorch_python")


def load_torch_libraries() -> None:
    """To be called before torch is imported. Does nothing on Windows, where torch itself loads them in this way."""
    if "torch" in sys.modules or os.name != "posix":
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # two spinning threads would slow decoding tenfold
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype = ctypes.c_void_p
    for name in LIBRARIES:
        is_global = name == LIBRARIES[0]  # as torch itself does
        path = Path(spec.origin).parent / "lib" / (name + suffix)
        dlopen(str(path).encode(), ctypes.c_int(os.RTLD_NOW | (os.RTLD_GLOBAL if is_global else os.RTLD_LOCAL)))


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """No garbage collection within, and what was made there is never looked through."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
