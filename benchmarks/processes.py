"""Child processes of a benchmark: started, heard, measured, never left behind."""

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import Self, TypeVar

from benchmarks.machine import cpu_seconds
from rigd.config.base import Model
from rigd.streams.quick_process import SINGLE_THREADED

LIFETIME = 900
"""Seconds after which a child of a benchmark ends itself: its partner has died."""

Answer = TypeVar("Answer", bound=Model)


class ChildError(Exception):
    """A child ended before its work was done: which, and how."""


class Child:
    """A Python module as a process, with its specification on standard input."""

    def __init__(self, module: str, specification: Model) -> None:
        self.module = module
        self._popen = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**SINGLE_THREADED, **os.environ},
        )
        self.pid = self._popen.pid
        self._born = 0.0
        self._say(specification.model_dump_json())

    def _say(self, line: str) -> None:
        if self._popen.stdin is not None:
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()

    def start_counting(self) -> None:
        """Count CPU seconds from here on: leaves out Python's own start."""
        self._born = cpu_seconds(self.pid)

    def wait_until_ready(self) -> None:
        """Wait for the line that says that work can begin; count from there."""
        self._read_line()
        self.start_counting()

    def go(self) -> None:
        """Say that work is to begin."""
        self._say("go")

    def answer(self, kind: type[Answer]) -> Answer:
        """Wait for the result: a line of JSON.

        Raises:
            ChildError: The process ended without it.

        """
        return kind.model_validate_json(self._read_line())

    def _read_line(self) -> str:
        line = self._popen.stdout.readline() if self._popen.stdout is not None else ""
        if not line:
            raise ChildError(f"{self.module} ended with {self._popen.wait()}")
        return line

    def end(self) -> float:
        """Wait until it has ended well; return its CPU seconds since it was ready.

        Raises:
            ChildError: It ended with an error.

        """
        _, status, usage = os.wait4(self.pid, 0)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        if self._popen.returncode != 0:
            raise ChildError(f"{self.module} ended with {self._popen.returncode}")
        return usage.ru_utime + usage.ru_stime - self._born

    def close(self) -> None:
        """End it if it still runs; give its pipes back."""
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()


class Children(ExitStack):
    """Everything that ends with a `with` block."""

    def start(self, module: str, specification: Model) -> Child:
        """Start a child that says when it is ready, and wait for that."""
        child = Child(module, specification)
        self.callback(child.close)
        child.wait_until_ready()
        return child

    def __enter__(self) -> Self:
        super().__enter__()
        return self
