"""Spares a process work that serves nobody; begin with it, before numpy is loaded."""

import atexit
import gc
import os

SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment of our processes, unless it is set: else numpy begins in each of them
with threads that spin for a tenth of a second, and never get any work."""


def be_quick() -> None:
    """Start numpy with one thread; end without a last search for garbage.

    All that was loaded would be looked through: a fifth of what a short command takes.
    """
    for name, value in SINGLE_THREADED.items():
        os.environ.setdefault(name, value)
    atexit.register(gc.freeze)
