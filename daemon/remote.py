"""The commands that talk to the service. Each returns its exit code."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session
from rigd.daemon.client import Client, Host, NoServiceError, RefusedError
from rigd.daemon.control_protocol import (
    DeviceStatus,
    SessionStatus,
    Started,
    Status,
)
from rigd.daemon.curve_keys import SERVICE, KeysError, make_keys
from rigd.daemon.exit_codes import BAD_CONFIGURATION, FAILED, GOOD
from rigd.daemon.progress import lines_of, observer_for, progress_line
from rigd.daemon.service_status import session_text
from rigd.daemon.session_events import Progress, SessionEvent
from rigd.streams.registry import InstalledDrivers

EVENTS: TypeAdapter[SessionEvent] = TypeAdapter(SessionEvent)

BY_CODE = {"invalid session": BAD_CONFIGURATION}
"""Exit codes of refusals; of all others 1."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which service is meant.

    Attributes:
        runtime_directory: Where its sockets are on this host; None: where they are
            as a rule.
        host: A service on another host, in place of one on this; None: none.

    """

    runtime_directory: Path | None = None
    host: Host | None = None


def _talk(place: Place, work: Callable[[Client], int]) -> int:
    """Do some work with a client; say what goes wrong."""
    try:
        with Client(place.runtime_directory, host=place.host) as client:
            return work(client)
    except (NoServiceError, KeysError) as error:
        print(f"rigd: {error}", file=sys.stderr)
        return FAILED
    except RefusedError as error:
        print(f"rigd: {error}", file=sys.stderr)
        return BY_CODE.get(error.code, FAILED)
    except KeyboardInterrupt:
        return GOOD


def new_keys(folder: Path, client: str) -> int:
    """Make keys; see `rigd keys new --help`."""
    try:
        made = make_keys(folder, client)
    except KeysError as error:
        print(f"rigd: {error}", file=sys.stderr)
        return FAILED
    for path in made:
        print(path)
    print(
        f"give {SERVICE}.key and {client}.key_secret to the client, name {folder} as "
        "`control.keys` in the rig file, and start the service again"
    )
    return GOOD


def start(
    session: str,
    duration: float | None,
    place: Place,
    *,
    force: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Start a session by name or file; see `rigd start --help`."""

    def work(client: Client) -> int:
        started = _start(client, session, duration, force=force, wait=wait)
        said = f"recording {started.session} in {started.folder}"
        print(started.model_dump_json() if as_json else said)
        return GOOD

    try:
        return _talk(place, work)
    except ConfigurationError as error:
        print(f"rigd: {error}", file=sys.stderr)
        return BAD_CONFIGURATION


def _start(
    client: Client, session: str, duration: float | None, *, force: bool, wait: bool
) -> Started:
    """Send a name as it is; read a file here, since the service may not be allowed."""
    path = Path(session)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        return client.start(session, duration=duration, force=force, wait=wait)
    settings = load_session(path, InstalledDrivers()).model_dump(mode="json")
    return client.start(settings=settings, duration=duration, force=force, wait=wait)


def stop(
    session: str | None, place: Place, *, abort: bool, wait: bool, as_json: bool
) -> int:
    """End a session; see `rigd stop --help`."""

    def work(client: Client) -> int:
        stopped = client.stop(session, abort=abort, wait=wait)
        if stopped.summary is None:
            print(f"{stopped.session} comes to its end")
            return GOOD
        observer_for(sys.stdout, as_json=as_json, plain=True).observe(stopped.summary)
        return GOOD if stopped.summary.verdict == "complete" else FAILED

    return _talk(place, work)


def status(place: Place, *, as_json: bool) -> int:
    """Say where the service stands; see `rigd status --help`."""

    def work(client: Client) -> int:
        found = client.status()
        print(found.model_dump_json() if as_json else "\n".join(_lines(found)))
        return GOOD

    return _talk(place, work)


def _lines(status: Status) -> list[str]:
    lines = [
        f"rigd {status.rigd}, process {status.pid}, rig {status.rig}, {status.state}: "
        f"data in {status.data_root}"
    ]
    if not status.data_root_is_there:
        lines.append("  the data root is gone: its disk is not mounted any more")
    lines += [f"  {line}" for one in status.sessions for line in _session_lines(one)]
    lines += [f"  device {_device_text(device)}" for device in status.devices]
    lines += [f"  unfinished: {folder}" for folder in status.unfinished]
    lines += [f"  ended: {_end_text(session)}" for session in status.ended]
    return lines if status.sessions else [*lines, "  idle"]


def _device_text(device: DeviceStatus) -> str:
    reason = f": {device.error}" if device.error else ""
    return f"{device.device} ({device.driver}): {device.state}{reason}"


def _session_lines(session: SessionStatus) -> list[str]:
    lines = [session_text(session), f"  {session.folder}"]
    if session.progress is not None:
        lines.append(f"  {progress_line(session.progress)}")
    return lines


def _end_text(session: SessionStatus) -> str:
    if session.summary is None:
        return f"{session.session}: {session.error}"
    reasons = "; ".join(session.summary.reasons)
    text = f"{session.session}: {session.summary.verdict}"
    return f"{text} ({reasons})" if reasons else text


def mark(text: str, session: str | None, place: Place, *, as_json: bool) -> int:
    """Note a moment; see `rigd mark --help`."""

    def work(client: Client) -> int:
        marked = client.mark(text, session=session)
        said = f"marked in {', '.join(marked.sessions)}"
        print(marked.model_dump_json() if as_json else said)
        return GOOD

    return _talk(place, work)


def arm(devices: list[str], place: Place, *, as_json: bool) -> int:
    """Hold devices ready again; see `rigd arm --help`."""
    return _talk(place, lambda client: _show_devices(client.arm, devices, as_json))


def disarm(devices: list[str], place: Place, *, as_json: bool) -> int:
    """Give devices back to other programs; see `rigd disarm --help`."""
    return _talk(place, lambda client: _show_devices(client.disarm, devices, as_json))


def _show_devices(
    ask: Callable[[list[str] | None], list[DeviceStatus]],
    devices: list[str],
    as_json: bool,
) -> int:
    for device in ask(devices or None):
        print(device.model_dump_json() if as_json else _device_text(device))
    return GOOD


def watch(place: Place, *, as_json: bool) -> int:
    """Show what happens; see `rigd watch --help`."""

    def work(client: Client) -> int:
        show = _show_json if as_json else _show
        for topic, session, text in client.watch():
            show(topic, session, text)
        return GOOD

    return _talk(place, work)


def _show_json(topic: str, session: str, text: str) -> None:
    print(f'{{"topic":"{topic}","session":"{session}",{text[1:]}', flush=True)


def _show(topic: str, session: str, text: str) -> None:
    """Put an event into lines; of the status what no event tells."""
    if topic == "status":
        return
    event = EVENTS.validate_json(text)
    lines = [line.text for line in lines_of(event)]
    if isinstance(event, Progress):
        lines = [progress_line(event)]
    for line in lines:
        print(f"{session}: {line}", flush=True)
