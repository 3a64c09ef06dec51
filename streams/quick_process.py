"""Spares a process, as it starts and as it ends, work that serves nobody."""

import atexit
import gc
import os

SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment of our processes, unless it is set: else numpy begins in each of them
with threads that spin for a tenth of a second, and never get any work."""


def start_quickly() -> None:
    """Let numpy begin with one thread, if it is not loaded yet; in children too."""
    for name, value in SINGLE_THREADED.items():
        os.environ.setdefault(name, value)


def end_quickly() -> None:
    """End without a last search for garbage.

    All that was loaded would be looked through: a fifth of what a short command takes.
    Sources have frozen it already (`spare_the_collector`), writers end by `_exit`.
    """
    atexit.register(gc.freeze)
