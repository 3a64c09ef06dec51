"""A small client of the service, for behaviour tasks and scripts.

    with Client() as rig:
        rig.start("training", duration=600)
        rig.mark("first trial")
        rig.stop()

The protocol is `docs/control-protocol.md`; another language needs no more than that.
"""

import itertools
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq

from rigd.daemon.control_protocol import (
    Devices,
    DeviceStatus,
    ErrorCode,
    Marked,
    Reply,
    Sessions,
    Started,
    Status,
    Stopped,
)
from rigd.daemon.curve_keys import key_pair, public_key
from rigd.daemon.service_folder import CONTROL, EVENTS, find_service

PATIENCE = 10.0
"""Seconds within which the service has to reply to what needs no waiting."""

LOOK_EVERY = 2.0
"""Seconds between two looks at whether the service is still there."""

CLOSING = 30.0
"""Seconds to wait for devices to be closed."""

WAITING = 600.0
"""Seconds to wait for a session to begin or to be finalized."""


class NoServiceError(Exception):
    """There is no service, it may not be asked, or it does not reply."""


class RefusedError(Exception):
    """The service did not do what was asked.

    Attributes:
        code: What is wrong, for programs.
        faults: All faults of a session file.

    """

    def __init__(self, code: ErrorCode, text: str, faults: list[str]) -> None:
        super().__init__(text)
        self.code = code
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Host:
    """A service on another host.

    Attributes:
        endpoint: Its `control.tcp`, with its address: `tcp://rig1:5570`.
        keys: Folder with `service.key` and the `.key_secret` of this client.
        name: Name of this client.

    """

    endpoint: str
    keys: Path
    name: str

    @property
    def requests(self) -> str:
        """Where it takes requests."""
        return self.endpoint

    @property
    def news(self) -> str:
        """Where it tells news: at the next port."""
        place, _, port = self.endpoint.rpartition(":")
        return f"{place}:{int(port) + 1}"


class Client:
    """Talks to one service; not to be shared between threads."""

    def __init__(
        self, runtime_directory: Path | None = None, *, host: "Host | None" = None
    ) -> None:
        """Connect.

        Args:
            runtime_directory: Where the sockets are; default: where a service of this
                user, else that of the system, has them.
            host: A service on another host, in place of one on this.

        Raises:
            NoServiceError: Nobody listens there, or not to this user.
            KeysError: There are no keys for the other host.

        """
        self._host = host
        self._path: Path | None = None
        if host is None:
            folder = find_service(os.environ, runtime_directory)
            self._path = folder / CONTROL
            _check(self._path)
            requests, self._news = (f"ipc://{folder / n}" for n in (CONTROL, EVENTS))
        else:
            requests, self._news = host.requests, host.news
        self._numbers = itertools.count(1)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._connected(zmq.DEALER, requests)

    def _connected(self, kind: int, endpoint: str) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.linger = 0
        if self._host is not None:
            keys = key_pair(self._host.keys, self._host.name)
            socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
            socket.curve_serverkey = public_key(self._host.keys)
        socket.connect(endpoint)
        return socket

    def _now(self) -> int | None:
        """CLOCK_MONOTONIC, where the service has the same."""
        return time.monotonic_ns() if self._host is None else None

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. A session that was started goes on."""
        self._context.destroy(linger=0)

    # --- requests -----------------------------------------------------------------

    def status(self) -> Status:
        """Ask where the service and its sessions stand."""
        return Status.model_validate(self._ask({"request": "status"}))

    def sessions(self) -> list[str]:
        """Ask which sessions can be started by name."""
        answer = self._ask({"request": "sessions"})
        return Sessions.model_validate(answer).sessions

    def start(
        self,
        session: str | None = None,
        *,
        file: Path | None = None,
        settings: Mapping[str, Any] | None = None,
        duration: float | None = None,
        force: bool = False,
        wait: bool = True,
    ) -> Started:
        """Run a session by its name, its file or its settings.

        Args:
            session: Name in the service's folder of sessions.
            file: A session file that the service can read.
            settings: What would stand in a session file; paths are absolute.
            duration: Planned length, s; default: as the session says.
            force: Start although a check before it fails.
            wait: Return when it records; else as soon as it is accepted.

        Raises:
            RefusedError: It does not start: why.
            NoServiceError: No reply.

        """
        request = {
            "request": "start",
            "session": session,
            "file": None if file is None else str(file.absolute()),
            "settings": settings,
            "duration": duration,
            "force": force,
            "wait": wait,
        }
        answer = self._ask(request, WAITING if wait else PATIENCE)
        return Started.model_validate(answer)

    def stop(
        self, session: str | None = None, *, abort: bool = False, wait: bool = True
    ) -> Stopped:
        """End a session, by default the one that runs.

        Args:
            session: Its id.
            abort: Do not wait for the orderly end; what is not on the disk is lost.
            wait: Return when it is finalized; else as soon as it is told to end.

        Raises:
            RefusedError: There is none, or it could not be finalized.
            NoServiceError: No reply.

        """
        request = {"request": "stop", "session": session, "abort": abort, "wait": wait}
        return Stopped.model_validate(self._ask(request, WAITING if wait else PATIENCE))

    def mark(
        self,
        text: str,
        *,
        session: str | None = None,
        monotonic_ns: int | None = None,
    ) -> Marked:
        """Note a moment in all sessions that record, or in one.

        Args:
            text: What happened.
            session: Id of the session.
            monotonic_ns: `time.monotonic_ns()` of when it happened; default: now.

        Raises:
            RefusedError: Nothing records.
            NoServiceError: No reply.

        """
        request = {
            "request": "mark",
            "text": text,
            "session": session,
            "monotonic_ns": self._now() if monotonic_ns is None else monotonic_ns,
        }
        return Marked.model_validate(self._ask(request))

    def disarm(self, devices: Sequence[str] | None = None) -> list[DeviceStatus]:
        """Let other programs have devices that are held ready; returns when closed.

        Args:
            devices: Which; default: all.

        Raises:
            RefusedError: The rig has no such device.
            NoServiceError: No reply.

        """
        return self._ask_devices("disarm", devices)

    def arm(self, devices: Sequence[str] | None = None) -> list[DeviceStatus]:
        """Let devices be held ready again, and look at once for missing ones.

        Args:
            devices: Which; default: all.

        Raises:
            RefusedError: The rig has no such device.
            NoServiceError: No reply.

        """
        return self._ask_devices("arm", devices)

    def _ask_devices(
        self, what: str, devices: Sequence[str] | None
    ) -> list[DeviceStatus]:
        names = None if devices is None else list(devices)
        answer = self._ask({"request": what, "devices": names}, CLOSING)
        return Devices.model_validate(answer).devices

    def _ask(self, request: dict[str, Any], limit: float = PATIENCE) -> dict[str, Any]:
        number = next(self._numbers)
        known = {key: value for key, value in request.items() if value is not None}
        self._socket.send_json({**known, "version": 1, "id": number})
        reply = self._reply(number, limit)
        if reply.error is not None:
            raise RefusedError(reply.error.code, reply.error.text, reply.error.faults)
        return reply.answer or {}

    def _reply(self, number: int, limit: float) -> Reply:
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            if self._socket.poll(round(1000 * min(left, LOOK_EVERY))):
                reply = Reply.model_validate_json(self._socket.recv())
                if reply.id == number:
                    return reply
            elif self._path is not None:
                _check(self._path)
        raise NoServiceError(f"the service did not reply within {limit:g} s")

    # --- news ---------------------------------------------------------------------

    def watch(self) -> Iterator[tuple[str, str, str]]:
        """Yield what is published, for ever: topic, session, JSON object.

        The first is where everything stands, as `status`.

        Raises:
            NoServiceError: It says nothing any more.

        """
        news = self._connected(zmq.SUB, self._news)
        news.subscribe(b"")
        yield "status", "", self.status().model_dump_json()
        while True:
            if not news.poll(round(1000 * PATIENCE)):
                raise NoServiceError(f"the service says nothing for {PATIENCE:g} s")
            topic, session, text = news.recv_multipart()
            yield topic.decode(), session.decode(), text.decode()


def _check(path: Path) -> None:
    """Find out at once what ZeroMQ would never say: that nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except PermissionError as error:
            raise NoServiceError(
                f"user id {os.geteuid()} may not use {path}; the service's user, and "
                "the members of `control.group` in its rig file, may"
            ) from error
        except OSError as error:
            raise NoServiceError(
                f"no service listens at {path} ({(error.strerror or '').lower()}); "
                "is it running? `rigd serve` starts one"
            ) from error
