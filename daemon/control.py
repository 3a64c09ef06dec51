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
from zmq.auth.thread import ThreadAuthenticator

from rigd.config.base import Model
from rigd.config.control import Control as ControlSettings
from rigd.daemon.control_protocol import LONGEST_MESSAGE, Reply
from rigd.daemon.curve_keys import CLIENTS, SERVICE, KeysError, key_pair
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

    socket: "zmq.Socket[bytes]"
    envelope: tuple[bytes, ...]
    message: bytes


class Control:
    """Takes requests by ROUTERs, and gives news by PUBs."""

    def __init__(self, folder: Path, settings: ControlSettings) -> None:
        """Listen in `folder`; a socket file left by a dead service is taken over.

        Args:
            folder: The runtime directory.
            settings: Who may connect, and where else to listen.

        Raises:
            ControlError: It can't listen there, or the group is unknown.
            KeysError: There are no keys for tcp.

        """
        self._files = [folder / CONTROL, folder / EVENTS]
        self._contexts: list[Context] = []
        self._authenticator: ThreadAuthenticator | None = None
        self.requests: list[zmq.Socket[bytes]] = []
        """The sockets of requests, for a poller."""
        self._news: list[zmq.Socket[bytes]] = []
        try:
            self._listen_here(settings.group)
            if settings.tcp is not None and settings.keys is not None:
                self._listen_to_others(settings.tcp, settings.keys)
        except (ControlError, KeysError):
            self.close()
            raise

    def _listen_here(self, group: str | None) -> None:
        requests, news = self._open()
        _bind_file(requests, self._files[0], group)
        _bind_file(news, self._files[1], group)

    def _listen_to_others(self, endpoint: str, keys: Path) -> None:
        """Listen by tcp, to clients whose keys are known alone."""
        own = key_pair(keys, SERVICE)
        requests, news = self._open()
        self._authenticator = ThreadAuthenticator(self._contexts[-1])
        self._authenticator.start()
        self._authenticator.configure_curve(location=keys / CLIENTS)
        place, _, port = endpoint.rpartition(":")
        for socket, number in ((requests, int(port)), (news, int(port) + 1)):
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = own.public, own.secret
            _bind_tcp(socket, f"{place}:{number}")

    def _open(self) -> "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]":
        """Open a pair of sockets in a context of their own."""
        context: Context = zmq.Context()
        self._contexts.append(context)
        requests, news = context.socket(zmq.ROUTER), context.socket(zmq.PUB)
        for socket in (requests, news):
            socket.linger = 200
            socket.sndhwm = QUEUE
            socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_MESSAGE)
        self.requests.append(requests)
        self._news.append(news)
        return requests, news

    def letters(self) -> Iterator[Letter]:
        """Hand out the requests that have come, at most `AT_ONCE` of each socket."""
        for socket in self.requests:
            for _ in range(AT_ONCE):
                try:
                    frames = socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                yield _letter(socket, frames)

    def reply(self, letter: Letter, reply: Reply) -> None:
        """Answer a letter; a client that is gone, or takes nothing, gets none."""
        message = reply.model_dump_json(exclude_none=True).encode()
        try:
            letter.socket.send_multipart([*letter.envelope, message], zmq.NOBLOCK)
        except zmq.ZMQError:
            return

    def publish(self, topic: bytes, session: str, news: Model) -> None:
        """Tell all watchers."""
        frames = [topic, session.encode(), news.model_dump_json().encode()]
        for socket in self._news:
            socket.send_multipart(frames, zmq.NOBLOCK)

    def close(self) -> None:
        """Give the sockets back and remove their files."""
        for socket in (*self.requests, *self._news):
            socket.close()
        if self._authenticator is not None:
            self._authenticator.stop()
        for context in self._contexts:
            context.term()
        for path in self._files:
            path.unlink(missing_ok=True)


def _letter(socket: "zmq.Socket[bytes]", frames: list[bytes]) -> Letter:
    """Tell the envelope of a message; surplus frames make it no request."""
    with_delimiter = len(frames) > 2 and not frames[1]
    cut = 2 if with_delimiter else 1
    body = frames[cut:]
    message = body[0] if len(body) == 1 else b""
    return Letter(socket, tuple(frames[:cut]), message)


def _bind_file(socket: "zmq.Socket[bytes]", path: Path, group: str | None) -> None:
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


def _bind_tcp(socket: "zmq.Socket[bytes]", endpoint: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise ControlError(f"can't listen at `{endpoint}`: {error.strerror}") from error


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    """Let new files have no more rights than these, from their first moment."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
