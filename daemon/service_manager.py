"""Tells systemd how the service is: ready, alive, busy, on its way out.

See sd_notify(3). Without systemd (`NOTIFY_SOCKET` not set) nothing is sent. A message
that can't be delivered is no fault of the service and is dropped.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping

BEATS = 3
"""Signs of life in one watchdog period."""

OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables of the environment that are meant for this process alone."""

LONGEST_STATUS = 300
"""Characters of a status; a person reads it in one line."""


class ServiceManager:
    """The service manager that has started this process, if there is one."""

    def __init__(
        self,
        environment: MutableMapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Find the manager.

        Args:
            environment: `NOTIFY_SOCKET` says where it listens; `WATCHDOG_USEC` and
                `WATCHDOG_PID` say how often it wants a sign of life, and from whom.
                They are taken out, for they do not speak to children.
            clock: CLOCK_MONOTONIC, s.

        """
        self._address = _socket_address(environment.get("NOTIFY_SOCKET", ""))
        self._period = _watchdog_seconds(environment) / BEATS
        self._clock = clock
        self._beaten = float("-inf")
        self._status = ""
        self._socket: socket.socket | None = None
        if self._address:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_UNIX, kind)
            self._socket.setblocking(False)
        for name in OURS:
            environment.pop(name, None)

    @property
    def is_there(self) -> bool:
        """Whether anybody listens."""
        return self._socket is not None

    def ready(self, text: str) -> None:
        """The service can be used, again after a reload; `text` says what it does."""
        self._send("READY=1")
        self.status(text)

    def status(self, text: str) -> None:
        """Say in words what the service does; the same words are sent once."""
        text = " ".join(text.split())[:LONGEST_STATUS]
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """The settings are read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, text: str) -> None:
        """The service comes to its end; `text` says what is left to do."""
        self._send("STOPPING=1")
        self.status(text)

    def alive(self) -> None:
        """Give a sign of life, if one is due. To be called more often than it is."""
        now = self._clock()
        if self._period and now - self._beaten >= self._period:
            self._beaten = now
            self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for at least so many seconds more, from now, to start or to stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            return


def _socket_address(text: str) -> str:
    """The address of a Unix socket; `@` begins an abstract one."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Longest time between two signs of life; 0: none are wanted of this process."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    of_whom = environment.get("WATCHDOG_PID", "") or str(os.getpid())
    if not microseconds.isdecimal() or of_whom != str(os.getpid()):
        return 0.0
    return int(microseconds) / 1e6
