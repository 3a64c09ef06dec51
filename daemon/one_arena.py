"""Keeps the memory of a service from growing with the number of its threads.

The allocator of glibc gives threads arenas of their own, and each session has new
threads. What one arena has free the others can't use, so that over the first twenty
sessions the service would grow by some megabytes (mallopt(3), M_ARENA_MAX).
"""

import ctypes

M_ARENA_MAX = -8


def use_one_arena() -> bool:
    """Let all threads share one arena; to be called before there are any.

    Returns False where the C library has no such setting: nothing is changed then.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_ARENA_MAX, 1) == 1
