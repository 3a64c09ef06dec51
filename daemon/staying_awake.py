"""Keeps the machine from going to sleep while a session records.

A lock on sleep alone: for several things at once logind asks polkit for leave to hold
another kind of lock, which no service has. logind holds it as long as the program
`systemd-inhibit` runs; it ends with this process, whatever happens, since its input
ends then.
"""

import shutil
import subprocess
from pathlib import Path

import structlog

BOOTED = Path("/run/systemd/system")
"""There if systemd runs this machine; see sd_booted(3)."""

LOG = structlog.get_logger("rigd.awake")


class StayingAwake:
    """A lock on the sleep of this machine, held on request."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._program = shutil.which("systemd-inhibit") if BOOTED.is_dir() else None
        self._lock: subprocess.Popen[bytes] | None = None
        self._is_refused = False

    @property
    def is_held(self) -> bool:
        """Whether the machine stays awake."""
        return self._lock is not None and self._lock.poll() is None

    def hold(self, wanted: bool) -> None:
        """Hold the lock from now on, or no longer; to be called again and again.

        That it is refused is logged, once, and hinders nothing.
        """
        if not wanted:
            self.release()
            self._is_refused = False
        elif self._lock is None and self._program and not self._is_refused:
            self._take(self._program)
        elif self._lock is not None and self._lock.poll() is not None:
            self._say_refused(self._lock)

    def _take(self, program: str) -> None:
        self._lock = subprocess.Popen(
            [program, "--what=sleep", "--who=rigd", "--why=a session is recorded",
             "--mode=block", "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def _say_refused(self, lock: "subprocess.Popen[bytes]") -> None:
        _, said = lock.communicate()
        self._lock, self._is_refused = None, True
        reason = said.decode(errors="replace").strip()
        LOG.warning("the machine may go to sleep while recording", reason=reason)

    def close(self) -> None:
        """Hold nothing more."""
        self.release()

    def release(self) -> None:
        """Hold the lock no longer."""
        if self._lock is not None:
            self._lock.communicate()
            self._lock = None
