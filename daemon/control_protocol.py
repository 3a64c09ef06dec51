"""What clients and the service say to each other: `docs/control-protocol.md` in models.

A request is one JSON object, a reply too. What is published is a topic and one JSON
object. No I/O.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, TypeAdapter, ValidationError, model_validator

from rigd.config.base import Model
from rigd.daemon.armed_device import DeviceState
from rigd.daemon.session_events import Progress, Summary
from rigd.daemon.session_state import State

VERSION: Literal[1] = 1
"""Version of the protocol; changes when an old client would misunderstand."""

LONGEST_MESSAGE = 4 * 2**20
"""Bytes of the longest request; whoever sends a longer one is disconnected."""

STATE, STATUS, EVENT = b"state", b"status", b"event"
"""Topics: a session's change of state; the whole status, once a second; the rest."""

ErrorCode = Literal[
    "malformed",
    "unknown session",
    "unknown device",
    "invalid session",
    "device busy",
    "data root",
    "not started",
    "idle",
    "ambiguous",
    "not ready",
    "stopping",
    "mark",
    "internal",
]


# --- requests -------------------------------------------------------------------------


class Request(Model):
    """What every request has."""

    version: Literal[1] = VERSION
    """Version of the protocol that the client speaks; default: the newest."""
    id: str | int | None = None
    """Anything; the reply carries it too. Default: nothing."""


class StatusRequest(Request):
    """Where the service and its sessions stand."""

    request: Literal["status"]


class SessionsRequest(Request):
    """Which sessions can be started by name."""

    request: Literal["sessions"]


class StartRequest(Request):
    """Run a session: one of `session`, `file` and `settings` says which."""

    request: Literal["start"]
    session: str | None = None
    """Name of a file in the service's folder of sessions, without `.yaml`."""
    file: str | None = None
    """Absolute path of a session file, which the service must be able to read."""
    settings: dict[str, JsonValue] | None = None
    """The session itself, as in a session file; paths in it are absolute."""
    duration: float | None = Field(default=None, gt=0)
    """Planned length in seconds; default: as the session says."""
    force: bool = False
    """Start although a check before it fails; the verdict remembers. Default: no."""
    wait: bool = True
    """Reply when it records, or could not start; else as soon as it is accepted.
    Default: wait."""

    @model_validator(mode="after")
    def _says_which(self) -> "StartRequest":
        given = [self.session, self.file, self.settings]
        if sum(value is not None for value in given) != 1:
            raise ValueError("exactly one of `session`, `file` and `settings` is due")
        return self


class StopRequest(Request):
    """End a session in good order, or at once."""

    request: Literal["stop"]
    session: str | None = None
    """Id of the session; default: the one that runs."""
    abort: bool = False
    """Do not wait for the orderly end: what is not yet on the disk is lost."""
    wait: bool = True
    """Reply when it is finalized; else as soon as it is told to end. Default: wait."""


class MarkRequest(Request):
    """Note a moment, as a row of the stream of marks."""

    request: Literal["mark"]
    text: str = Field(min_length=1)
    """What happened; at most 255 bytes in UTF-8, else the end is cut off."""
    session: str | None = None
    """Id of the session; default: all that record."""
    monotonic_ns: int | None = Field(default=None, ge=0, lt=2**63)
    """CLOCK_MONOTONIC of the service's host when it happened, ns; default: when the
    request came."""


class DisarmRequest(Request):
    """Give devices back that are held ready, for other programs; replies when done."""

    request: Literal["disarm"]
    devices: list[str] | None = None
    """Which; default: all."""


class ArmRequest(Request):
    """Hold devices again that were disarmed, and look at once for missing ones."""

    request: Literal["arm"]
    devices: list[str] | None = None
    """Which; default: all."""


AnyRequest = Annotated[
    StatusRequest
    | SessionsRequest
    | StartRequest
    | StopRequest
    | MarkRequest
    | DisarmRequest
    | ArmRequest,
    Field(discriminator="request"),
]
REQUEST: TypeAdapter[AnyRequest] = TypeAdapter(AnyRequest)


# --- replies --------------------------------------------------------------------------


class SessionStatus(Model):
    """Where one session stands, or what became of it."""

    session: str
    """Its id."""
    subject: str
    folder: str
    """Its session folder."""
    devices: list[str]
    state: State
    started_utc: str | None = None
    """When it was asked for, ISO 8601; None: not by this service."""
    progress: Progress | None = None
    """The newest; None before the recording begins."""
    summary: Summary | None = None
    """What became of it; None before it is finalized."""
    error: str | None = None
    """Why it failed; None: it did not."""


class DeviceStatus(Model):
    """Where one device of the rig stands."""

    device: str
    driver: str
    state: DeviceState
    error: str | None = None
    """Why it is missing; None: it is not."""


class Status(Model):
    """Where the service stands."""

    rigd: str
    """Version of rigd."""
    pid: int
    rig: str
    """Name of the rig."""
    data_root: str
    data_root_is_there: bool
    """False: its disk is gone, and nothing can be started."""
    state: Literal["starting", "ready", "stopping"]
    text: str
    """All of it in words."""
    since_utc: str
    """When the service was started, ISO 8601."""
    devices: list[DeviceStatus] = Field(default_factory=list)
    """All of the rig."""
    sessions: list[SessionStatus]
    """Those that run, the oldest first."""
    ended: list[SessionStatus]
    """The last that have ended, the newest last."""
    verdicts: dict[str, int] = Field(default_factory=dict)
    """Sessions that have ended since the service was started, by verdict; `none`: it
    did not start, or was not finalized."""
    unfinished: list[str]
    """Session folders of earlier runs that are still to be recovered and finalized."""


class Started(Model):
    """A session runs."""

    session: str
    """Its id: placeholders are filled in."""
    folder: str


class Stopped(Model):
    """A session ends, or has ended."""

    session: str
    folder: str
    summary: Summary | None
    """What became of it; None: it was not waited for."""


class Marked(Model):
    """A moment is noted."""

    sessions: list[str]
    """Ids of the sessions that have it."""
    monotonic_ns: int
    """CLOCK_MONOTONIC of the mark, ns."""


class Sessions(Model):
    """What can be started by name."""

    sessions: list[str]


class Devices(Model):
    """Where the devices stand."""

    devices: list[DeviceStatus]


Answer = Status | Sessions | Started | Stopped | Marked | Devices


class Error(Model):
    """Why a request was not carried out."""

    code: ErrorCode
    """For programs; see `docs/control-protocol.md`."""
    text: str
    """For people."""
    faults: list[str] = Field(default_factory=list)
    """All faults of a session file, each with its place."""


class Reply(Model):
    """What is sent back: an answer, or an error."""

    version: Literal[1] = VERSION
    id: str | int | None = None
    """As in the request."""
    ok: bool
    answer: dict[str, Any] | None = None
    """Fields of the answer; None where there is an error."""
    error: Error | None = None


class RequestError(Exception):
    """A request can't be carried out; becomes the error of a reply."""

    def __init__(
        self, code: ErrorCode, text: str, faults: list[str] | None = None
    ) -> None:
        super().__init__(text)
        self.error = Error(code=code, text=text, faults=faults or [])


def read_request(message: bytes) -> AnyRequest:
    """Read a request.

    Raises:
        RequestError: It is none; all that is wrong with it.

    """
    try:
        return REQUEST.validate_json(message)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
            for fault in error.errors(include_url=False, include_context=False)
        ]
        raise RequestError(
            "malformed", "not a request of this protocol: " + "; ".join(faults), faults
        ) from error


def request_id(message: bytes) -> str | int | None:
    """Find the id of a message that is no request, so that its sender knows it."""
    try:
        return _WithId.model_validate_json(message).id
    except ValidationError:
        return None


class _WithId(Model, extra="ignore"):
    id: str | int | None = None


def good(identity: str | int | None, answer: Answer) -> Reply:
    """Make the reply to a request that was carried out."""
    return Reply(id=identity, ok=True, answer=answer.model_dump(mode="json"))


def bad(identity: str | int | None, error: Error) -> Reply:
    """Make the reply to a request that was not."""
    return Reply(id=identity, ok=False, error=error)
