"""A process that answers a line with a line, started anew when it dies or hangs."""

import os
import select
import subprocess
import sys
from types import TracebackType

TIME_LIMIT = 60.0
"""Seconds that an answer may take."""


class TroubleError(Exception):
    """There was no answer: the process died or hung."""


class Helper:
    """`python -m MODULE`, asked line by line. Use it with `with`."""

    def __init__(self, module: str, sabotage: str = "") -> None:
        self._module = module
        self._environment = {**os.environ, "RIGD_SABOTAGE": sabotage}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Helper":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def ask(self, line: str) -> str:
        """Return the answer.

        Raises:
            TroubleError: There is none.

        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], TIME_LIMIT)[0]:
            self._end()
            raise TroubleError(f"no answer in {TIME_LIMIT:.0f} s")
        answer = self._process.stdout.readline()
        if not answer:
            code = self._process.wait()
            self._end()
            raise TroubleError(f"the recovery died with {code}")
        return answer.decode()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
