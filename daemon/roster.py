"""The sessions that a service runs: which, where they stand, who is meant."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from rigd.daemon.control_protocol import (
    RequestError,
    SessionStatus,
    Started,
    Stopped,
)
from rigd.daemon.recording import AbortedError, NotStartedError
from rigd.daemon.session_events import Progress
from rigd.daemon.session_run import Over, SessionRun
from rigd.daemon.session_state import FIRST, State

STUCK = 10.0
"""Seconds without a turn of its loop after which a session counts as stuck."""


@dataclass(slots=True)
class Standing:
    """A session of this service, as far as it has told of itself."""

    run: SessionRun
    state: State = FIRST
    progress: Progress | None = None
    over: Over | None = None
    on_recording: list[Callable[[], None]] = field(default_factory=list)
    """Called once it records."""
    on_over: list[Callable[[], None]] = field(default_factory=list)
    """Called once it is over."""

    def status(self) -> SessionStatus:
        """Say where it stands."""
        run, over = self.run, self.over
        return SessionStatus(
            session=run.session.id,
            subject=run.session.subject.id,
            folder=str(run.paths.folder),
            devices=run.devices,
            state=self.state,
            started_utc=run.started.isoformat(timespec="seconds"),
            progress=self.progress,
            summary=None if over is None else over.summary,
            error=None if over is None or not over.error else str(over.error),
        )


class Roster:
    """All sessions that run, by id."""

    def __init__(self) -> None:
        self._sessions: dict[str, Standing] = {}

    def __iter__(self) -> Iterator[Standing]:
        return iter(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)

    def __getitem__(self, name: str) -> Standing:
        return self._sessions[name]

    @property
    def names(self) -> list[str]:
        """Their ids, the oldest first."""
        return list(self._sessions)

    def enter(self, run: SessionRun) -> Standing:
        """Note a session that begins."""
        standing = Standing(run)
        self._sessions[run.session.id] = standing
        return standing

    def leave(self, standing: Standing) -> None:
        """Forget a session that is over."""
        del self._sessions[standing.run.session.id]

    def stuck(self, now: float) -> list[str]:
        """Name the sessions whose loop stands still, or whose data path is dead."""
        return [
            name
            for name, standing in self._sessions.items()
            if now - standing.run.turned > STUCK or not standing.run.is_alive
        ]

    def refuse_busy(self, session: str, devices: Collection[str]) -> None:
        """Refuse a session whose id or devices one that runs has already.

        Raises:
            RequestError: Names what is in use, and by which session.

        """
        for name, standing in self._sessions.items():
            busy = [device for device in standing.run.devices if device in devices]
            if busy:
                raise RequestError(
                    "device busy",
                    f"device {', '.join(f'`{device}`' for device in busy)} is used by "
                    f"session `{name}`, which is {standing.state}; stop that first: "
                    f"rigd stop {name}",
                )
        if session in self._sessions:
            raise RequestError("invalid session", f"session `{session}` runs")

    def chosen(self, name: str | None, what: str) -> list[Standing]:
        """Return the session that is meant, or the only one.

        Raises:
            RequestError: There is none, or several.

        """
        if not self._sessions:
            raise RequestError("idle", f"no session runs: there is nothing {what}")
        running = ", ".join(f"`{known}`" for known in self._sessions)
        if name is None and len(self._sessions) > 1:
            raise RequestError("ambiguous", f"name one of the sessions: {running}")
        name = next(iter(self._sessions)) if name is None else name
        if name not in self._sessions:
            raise RequestError(
                "unknown session", f"no session `{name}` runs; there is {running}"
            )
        return [self._sessions[name]]


def call_all(reactions: list[Callable[[], None]]) -> None:
    """Call each once, and forget them."""
    due, reactions[:] = list(reactions), []
    for react in due:
        react()


def started(standing: Standing) -> Started:
    """Say that it runs.

    Raises:
        RequestError: It does not.

    """
    over = standing.over
    if over is not None and over.summary is None:
        raise RequestError("not started", str(over.error))
    return Started(
        session=standing.run.session.id, folder=str(standing.run.paths.folder)
    )


def stopped(standing: Standing) -> Stopped:
    """Say what became of it.

    Raises:
        RequestError: It was not finalized.

    """
    over = standing.over
    error = None if over is None else over.error
    if error is not None and not isinstance(error, AbortedError):
        is_early = isinstance(error, NotStartedError)
        raise RequestError("not started" if is_early else "internal", str(error))
    return Stopped(
        session=standing.run.session.id,
        folder=str(standing.run.paths.folder),
        summary=None if over is None else over.summary,
    )
