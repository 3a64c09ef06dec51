"""Whether a socket has something to take, asked at little cost."""

import zmq

INPUT = int(zmq.POLLIN)
"""As a plain number: arithmetic of enumerations is slow."""


def has_input(socket: "zmq.Socket[bytes]") -> bool:
    """Say whether a message is waiting.

    To try and catch `zmq.Again` costs ten times as much, and who wakes up often pays it
    often.
    """
    return bool(int(socket.getsockopt(zmq.EVENTS)) & INPUT)
