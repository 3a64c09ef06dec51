"""A finalizer that reads and writes gets on; one that only lives does not."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rigd.daemon.headway import PATIENCE, Headway
from rigd.daemon.process_usage import moved_by_children


def test_what_moves_is_headway_and_what_stands_is_not() -> None:
    moved: list[int | None] = [5]
    now = [100.0]
    headway = Headway(lambda: moved[-1], lambda: now[0])
    assert headway.is_made
    now[0] += PATIENCE + 1
    moved.append(6)
    assert headway.is_made, "a byte was moved"
    now[0] += PATIENCE - 1
    assert headway.is_made
    now[0] += 1
    assert not headway.is_made
    moved.append(None)
    assert headway.is_made, "what can't be known is not taken for a fault"


@contextmanager
def child(program: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a child that is called as processes of rigd are."""
    command = [sys.executable, "-c", program, "-m", *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None
        popen.stdout.readline()
        yield popen
        popen.kill()


ECHO = (
    "import sys\nprint(1, flush=True)\nfor line in sys.stdin: print(line, flush=True)"
)


def test_bytes_of_helpers_are_counted() -> None:
    assert moved_by_children() == 0
    with child(ECHO, "rigd.daemon.finalizer", "folder") as helper:
        before = moved_by_children()
        time.sleep(0.1)
        assert moved_by_children() == before
        assert helper.stdin is not None
        assert helper.stdout is not None
        helper.stdin.write("x\n")
        helper.stdin.flush()
        helper.stdout.readline()
        assert before is not None
        assert (moved_by_children() or 0) >= before + 4


def test_sources_and_writers_have_limits_of_their_own() -> None:
    with child(ECHO, "rigd.streams.writer", "voltage"):
        assert moved_by_children() is None
