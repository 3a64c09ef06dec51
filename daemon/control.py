"""The sockets of the service: requests come, replies and news go. Never waits.

A slow or silent client costs nothing: what does not fit its queue is not sent.
"""

import grp
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zmq

from rigd.config.base import Model
from rigd.daemon.control_protocol import LONGEST_MESSAGE, Reply
from rigd.daemon.service_folder import CONTROL, EVENTS

QUEUE = 1000
"""Messages that wait for one client; more are not sent to it."""

AT_ONCE = 100
"""Requests taken in a row, so that a flood leaves time for other things."""

Context = zmq.Context[zmq.Socket[bytes]]


class ControlError(Exception):
    """The service can't listen: where, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and the way back to whoever sent it.

    `envelope` is the identity of the connection, and an empty frame where the client
    has a REQ socket.
    """

    envelope: tuple[bytes, ...]
    message: bytes


class Control:
    """A ROUTER for requests and a PUB for news, in one folder."""

    def __init__(self, folder: Path, group: str | None = None) -> None:
        """Listen in `folder`; a socket file left by a dead service is taken over.

        Args:
            folder: The runtime directory.
            group: Whose members may connect; None: the own user alone.

        Raises:
            ControlError: It can't listen there, or the group is unknown.

        """
        self._context: Context = zmq.Context()
        self._requests = self._context.socket(zmq.ROUTER)
        self._news = self._context.socket(zmq.PUB)
        for socket in (self._requests, self._news):
            socket.linger = 200
            socket.sndhwm = QUEUE
            socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_MESSAGE)
        self._paths = [folder / CONTROL, folder / EVENTS]
        try:
            _listen(self._requests, self._paths[0], group)
            _listen(self._news, self._paths[1], group)
        except ControlError:
            self.close()
            raise

    def fileno(self) -> int:
        """Descriptor for a poller; `letters` must be emptied before it tells again."""
        return self._requests.fileno()

    @property
    def socket(self) -> "zmq.Socket[bytes]":
        """The socket of requests, for a poller."""
        return self._requests

    def letters(self) -> Iterator[Letter]:
        """Hand out the requests that have come, at most `AT_ONCE`."""
        for _ in range(AT_ONCE):
            try:
                frames = self._requests.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            yield _letter(frames)

    def reply(self, letter: Letter, reply: Reply) -> None:
        """Answer a letter; a client that is gone, or takes nothing, gets none."""
        message = reply.model_dump_json(exclude_none=True).encode()
        try:
            self._requests.send_multipart([*letter.envelope, message], zmq.NOBLOCK)
        except zmq.ZMQError:
            return

    def publish(self, topic: bytes, session: str, news: Model) -> None:
        """Tell all watchers."""
        self._news.send_multipart(
            [topic, session.encode(), news.model_dump_json().encode()], zmq.NOBLOCK
        )

    def close(self) -> None:
        """Give the sockets back and remove their files."""
        self._requests.close()
        self._news.close()
        self._context.term()
        for path in self._paths:
            path.unlink(missing_ok=True)


def _letter(frames: list[bytes]) -> Letter:
    """Tell the envelope of a message; surplus frames make it no request."""
    with_delimiter = len(frames) > 2 and not frames[1]
    cut = 2 if with_delimiter else 1
    body = frames[cut:]
    message = body[0] if len(body) == 1 else b""
    return Letter(tuple(frames[:cut]), message)


def _listen(socket: "zmq.Socket[bytes]", path: Path, group: str | None) -> None:
    try:
        with _umask(0o177):
            socket.bind(f"ipc://{path}")
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
            path.chmod(0o660)
    except KeyError:
        raise ControlError(f"control.group: there is no group `{group}`") from None
    except (zmq.ZMQError, OSError) as error:
        raise ControlError(f"can't listen at `{path}`: {error.strerror}") from error


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    """Let new files have no more rights than these, from their first moment."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
