"""Whether there is something to do, asked at little cost, and told by other threads."""

import os

import zmq

INPUT = int(zmq.POLLIN)
"""As a plain number: arithmetic of enumerations is slow."""


def has_input(socket: "zmq.Socket[bytes]") -> bool:
    """Say whether a message is waiting.

    To try and catch `zmq.Again` costs ten times as much, and who wakes up often pays it
    often.
    """
    return bool(int(socket.getsockopt(zmq.EVENTS)) & INPUT)


class WakeUp:
    """Ends the poll of one thread from another: poll `descriptor` for input."""

    def __init__(self) -> None:
        """Open an eventfd(2)."""
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def call(self) -> None:
        """Let the poll end; from any thread."""
        os.eventfd_write(self.descriptor, 1)

    def clear(self) -> None:
        """Take note of the calls so far; there is one at least."""
        os.eventfd_read(self.descriptor)

    def close(self) -> None:
        """Give the descriptor back; nobody may call any more."""
        os.close(self.descriptor)
