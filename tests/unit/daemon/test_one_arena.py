"""Threads of a service share one arena."""

import subprocess
import sys

SCRIPT = """
import ctypes, io, sys, threading
from rigd.daemon.one_arena import use_one_arena

if sys.argv[1] == "one":
    print(use_one_arena(), file=sys.stderr)
gate = threading.Barrier(9)


def work() -> None:
    held = [bytes(n) for n in range(600, 5000)]  # by malloc, of the thread's arena
    gate.wait()
    gate.wait()


threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
gate.wait()
ctypes.CDLL(None).malloc_stats()
gate.wait()
"""


def arenas(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
    )
    if how == "one":
        assert done.stderr.startswith("True")
    return done.stderr.count("Arena ")


def test_threads_share_one_arena() -> None:
    assert arenas("many") > 1, "the test shows the difference"
    assert arenas("one") == 1
