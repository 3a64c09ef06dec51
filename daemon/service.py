"""The service: takes requests, runs sessions, finishes what was begun.

    lock -> finish what an earlier run has left -> ready -> serve -> stop

One loop in the main thread hears requests, signals and the sessions; each session runs
in a thread of its own (`session_run`). The loop never waits for a session, a device, a
disk or a client.
"""

import functools
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import structlog
import zmq

from rigd.config.catalogue import Catalogue
from rigd.config.faults import ConfigurationError
from rigd.config.load import load_rig
from rigd.config.rig import Rig
from rigd.config.session import Session
from rigd.daemon.armed_devices import ArmedDevices
from rigd.daemon.control import Control, Letter
from rigd.daemon.control_protocol import (
    EVENT,
    STATE,
    STATUS,
    Answer,
    AnyRequest,
    ArmRequest,
    Devices,
    DisarmRequest,
    Marked,
    MarkRequest,
    RequestError,
    Sessions,
    SessionsRequest,
    SessionStatus,
    StartRequest,
    Status,
    StatusRequest,
    StopRequest,
    bad,
    good,
    read_request,
    request_id,
)
from rigd.daemon.finisher import Finished, Finisher
from rigd.daemon.headway import Headway
from rigd.daemon.inbox import Inbox
from rigd.daemon.lock_file import LockFile
from rigd.daemon.recording import (
    AbortedError,
    NotFinalizedError,
    NotStartedError,
)
from rigd.daemon.requested_session import requested_session, session_names
from rigd.daemon.roster import Roster, Standing, call_all, started, stopped
from rigd.daemon.runtime_folder import RuntimeFolderError
from rigd.daemon.service_folder import sweep
from rigd.daemon.service_hooks import Notifier
from rigd.daemon.service_status import service_text
from rigd.daemon.session_events import (
    Progress,
    SessionEvent,
    StateChanged,
    Summary,
)
from rigd.daemon.session_record import Follows
from rigd.daemon.session_run import News, Over, SessionRun
from rigd.daemon.session_state import State
from rigd.daemon.staying_awake import StayingAwake
from rigd.daemon.unfinished import Unfinished, find_unfinished, look_into
from rigd.daemon.unix_signals import Signals
from rigd.streams.drivers.marks import Mark

TURN = 0.5
"""Seconds after which the loop goes round even if nothing happens."""

STATUS_EVERY = 1.0
"""Seconds between two times that the status is published."""

ENDED_KEPT = 20
"""Sessions that have ended and are still told of."""

EXTENSION = 30.0
"""Seconds that starting or stopping may take from each turn on that it gets on."""

READY_PATIENCE = 20.0
"""Seconds that sessions which were cut off may delay being ready; then they are
finished in the background."""

TRY_AGAIN_AFTER = 5.0
"""Seconds after which a session that is to go on and does not start is tried again."""

LOG = structlog.get_logger("rigd.service")


class NotReloadedError(Exception):
    """The rig file can't be read again now: why."""


@dataclass(slots=True)
class Resumption:
    """A session that is to go on with one that was cut off."""

    unfinished: Unfinished
    session: Session
    follows: Follows
    next_try: float = 0.0
    tries_left: int = 5


class Service:
    """Runs sessions until told to stop."""

    def __init__(
        self,
        rig_file: Path,
        rig: Rig,
        *,
        folder: Path,
        data_root_lock: LockFile,
        control: Control,
        catalogue: Catalogue,
        notifier: Notifier,
    ) -> None:
        """Look at what is there; nothing runs yet.

        Args:
            rig_file: Where `rig` was read from; read again on SIGHUP.
            rig: The checked settings.
            folder: Runtime directory, for the sockets; nobody else works in it.
            data_root_lock: Held in the data root.
            control: The sockets for clients.
            catalogue: Knows the options of drivers.
            notifier: Hears where the service stands.

        """
        self._rig_file = rig_file
        self._rig = rig
        self._folder = folder
        self._catalogue = catalogue
        self._notifier = notifier
        self._since = datetime.now(UTC)
        self._state: Literal["starting", "ready", "stopping"] = "starting"
        self._sessions = Roster()
        self._verdicts: Counter[str] = Counter()
        self._ended: deque[SessionStatus] = deque(maxlen=ENDED_KEPT)
        self._inbox: Inbox[News] = Inbox()
        self._data_root_lock = data_root_lock
        self._control = control
        self._armed = ArmedDevices(folder)
        self._armed.use(rig)
        self._finisher = Finisher()
        self._to_resume: list[Resumption] = []
        self._ready_by = time.monotonic() + READY_PATIENCE
        self._had_data_root = True
        sweep(folder)
        self.latest = self.status()
        """The status as it was last published; never changed, only replaced."""
        self._published = 0.0
        self._awake = StayingAwake()
        self._headway = Headway()

    # --- the loop -----------------------------------------------------------------

    def run(self, signals: Signals) -> None:
        """Serve until SIGTERM or SIGINT, then let the sessions come to their end."""
        poller = zmq.Poller()
        for socket in self._control.requests:
            poller.register(socket, zmq.POLLIN)
        poller.register(signals.fileno(), zmq.POLLIN)
        poller.register(self._inbox.fileno(), zmq.POLLIN)
        poller.register(self._finisher.inbox.fileno(), zmq.POLLIN)
        self._look_for_unfinished()
        while not self._is_over:
            self._do_what_is_due()
            poller.poll(round(1000 * TURN))
            self._obey(signals)
            for finished in self._finisher.inbox.take():
                self._take_finished(finished)
            for run, news in self._inbox.take():
                self._take(self._sessions[run.session.id], news)
            for letter in self._control.letters():
                self._answer(letter)

    @property
    def _is_over(self) -> bool:
        return self._state == "stopping" and not self._sessions

    def close(self) -> None:
        """End all sessions in good order, whatever has happened."""
        for standing in self._sessions:
            standing.run.stop("the service ends")
        for standing in self._sessions:
            standing.run.join()
        self._armed.close()
        self._finisher.close()
        self._awake.close()
        self._inbox.close()

    def _obey(self, signals: Signals) -> None:
        for number in signals.take():
            if number == signal.SIGHUP:
                self._reload()
            else:
                self._begin_to_stop(signal.Signals(number).name)

    def _begin_to_stop(self, name: str) -> None:
        """Let all sessions come to their end; asked again, to any end."""
        abort = self._state == "stopping" and name == "SIGINT"
        self._state = "stopping"
        self._armed.disarm(self._armed.names, lambda: None)
        for standing in self._sessions:
            standing.run.stop(f"the service is stopped by {name}", abort=abort)
        self._notifier.stopping(self.status().text)

    def _reload(self) -> None:
        """Read the rig file again, if no session runs and it has no fault."""
        self._notifier.reloading()
        try:
            self._rig = self._read_again()
            self._armed.use(self._rig)
            LOG.info("rig file read again", rig=str(self._rig_file))
        except (ConfigurationError, NotReloadedError) as error:
            LOG.error("rig file not read again", reason=str(error))
        self._notifier.ready(self.status().text)

    def _read_again(self) -> Rig:
        if self._sessions:
            raise NotReloadedError(f"{', '.join(self._sessions.names)} runs")
        rig = load_rig(self._rig_file, self._catalogue)
        fixed = ("data_root", "control", "metrics")
        if changed := [n for n in fixed if getattr(rig, n) != getattr(self._rig, n)]:
            named = ", ".join(f"`{name}`" for name in changed)
            raise NotReloadedError(f"{named} has changed: restart rigd")
        return rig

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        self._armed.turn(now)
        if self._state == "starting":
            self._become_ready(now)
        if self._state == "ready":
            self._resume(now)
        if self._state != "ready" and self._headway.is_made:
            self._notifier.extend(EXTENSION)
        self._awake.hold(bool(self._sessions))
        if not self._sessions.stuck(now):
            self._notifier.alive()
        if now - self._published >= STATUS_EVERY:
            self._published = now
            self._watch_data_root()
            self._publish_status()

    def _watch_data_root(self) -> None:
        """Say when the data root goes; when it is back finish what that cut off."""
        is_there = self._data_root_lock.is_there
        if is_there != self._had_data_root:
            self._had_data_root = is_there
            root = str(self._rig.data_root)
            if is_there:
                LOG.info("the data root is there again", data_root=root)
                self._look_for_unfinished()
            else:
                LOG.error("the data root is gone: is it unmounted?", data_root=root)

    def _publish_status(self) -> None:
        self.latest = self.status()
        self._control.publish(STATUS, "", self.latest)
        self._notifier.status(self.latest.text)

    # --- what earlier runs have left ---------------------------------------------

    def _look_for_unfinished(self) -> None:
        """Finish the sessions that were cut off, and note those that are to go on."""
        own = [standing.run.paths.folder for standing in self._sessions]
        own += self._finisher.pending
        now = datetime.now(UTC)
        for unfinished in find_unfinished(self._rig.data_root, own):
            LOG.warning("session was cut off", folder=str(unfinished.folder))
            if (next_run := unfinished.next_run(now)) is not None:
                self._to_resume.append(Resumption(unfinished, *next_run))
            self._finisher.add(unfinished)

    def _become_ready(self, now: float) -> None:
        """Report ready when all is finished, or goes on in the background.

        All devices are armed then, or known to be missing.
        """
        is_finished = not self._finisher.pending or now > self._ready_by
        if is_finished and self._armed.have_answered:
            self._state = "ready"
            self._notifier.ready(self.status().text)

    def _take_finished(self, finished: Finished) -> None:
        folder, session = finished.unfinished.folder, finished.unfinished.session
        self._finisher.pending.remove(folder)
        if finished.error:
            LOG.error("can't be finished", folder=str(folder), reason=finished.error)
        if finished.summary is not None or finished.error:
            summary = finished.summary
            LOG.warning("finished", folder=str(folder), verdict=_verdict(summary))
            self._verdicts[_verdict(summary)] += 1
            self._ended.append(
                SessionStatus(
                    session=folder.name,
                    subject=session.subject.id if session else "unknown",
                    folder=str(folder),
                    devices=list(session.rig.devices) if session else [],
                    state=State.DONE if summary else State.FAILED,
                    summary=summary,
                    error=finished.error or None,
                )
            )

    def _resume(self, now: float) -> None:
        """Go on with sessions that were cut off; what does not start is tried again."""
        for resumption in list(self._to_resume):
            if now < resumption.next_try or resumption.unfinished.is_written:
                continue
            self._to_resume.remove(resumption)
            try:
                standing = self._run_session(
                    resumption.session, follows=resumption.follows
                )
            except RequestError as error:
                LOG.error("can't go on", reason=str(error))
                continue
            standing.on_over.append(
                functools.partial(self._try_again, resumption, standing)
            )

    def _try_again(self, resumption: "Resumption", standing: Standing) -> None:
        over = standing.over
        failed = over is not None and isinstance(over.error, NotStartedError)
        if failed and self._state == "ready" and resumption.tries_left > 0:
            resumption.tries_left -= 1
            resumption.next_try = time.monotonic() + TRY_AGAIN_AFTER
            self._to_resume.append(resumption)

    # --- what sessions say --------------------------------------------------------

    def _take(self, standing: Standing, news: SessionEvent | Over) -> None:
        name = standing.run.session.id
        if isinstance(news, Over):
            self._take_end(standing, news)
            return
        if isinstance(news, Progress):
            standing.progress = news
        if isinstance(news, StateChanged):
            standing.state = news.state
            if news.state is State.RECORDING:
                call_all(standing.on_recording)
        topic = STATE if isinstance(news, StateChanged) else EVENT
        self._control.publish(topic, name, news)

    def _take_end(self, standing: Standing, over: Over) -> None:
        standing.run.join()
        standing.over = over
        self._sessions.leave(standing)
        self._armed.take_back(standing.run.devices)
        standing.progress = None  # the summary has more
        self._ended.append(standing.status())
        self._verdicts[_verdict(over.summary)] += 1
        if isinstance(over.error, AbortedError | NotFinalizedError):
            self._finish_later(standing.run.paths.folder)
        call_all(standing.on_recording)
        call_all(standing.on_over)

    def _finish_later(self, folder: Path) -> None:
        if self._data_root_lock.is_there and self._state != "stopping":
            self._finisher.add(look_into(folder))

    # --- requests -----------------------------------------------------------------

    def _answer(self, letter: Letter) -> None:
        """Carry out a request; what is wrong with it is the reply."""
        came_ns = time.monotonic_ns()
        try:
            request = read_request(letter.message)
        except RequestError as error:
            reply = bad(request_id(letter.message), error.error)
            self._control.reply(letter, reply)
            return
        self._finish(letter, request, lambda: self._carry_out(letter, request, came_ns))

    def _finish(
        self, letter: Letter, request: AnyRequest, work: Callable[[], Answer | None]
    ) -> None:
        """Reply with what `work` gives; None: the reply comes later."""
        try:
            answer = work()
        except RequestError as error:
            self._control.reply(letter, bad(request.id, error.error))
            return
        if answer is not None:
            self._control.reply(letter, good(request.id, answer))

    def _carry_out(
        self, letter: Letter, request: AnyRequest, came_ns: int
    ) -> Answer | None:
        if isinstance(request, StatusRequest):
            return self.status()
        if isinstance(request, SessionsRequest):
            return Sessions(sessions=session_names(self._rig.sessions))
        if isinstance(request, StartRequest):
            return self._start(letter, request)
        if isinstance(request, StopRequest):
            return self._stop(letter, request)
        if isinstance(request, MarkRequest):
            return self._mark(request, came_ns)
        return self._arm_or_disarm(letter, request)

    def status(self) -> Status:
        """Say where the service stands."""
        sessions = [standing.status() for standing in self._sessions]
        unfinished = [str(folder) for folder in self._finisher.pending]
        devices = self._armed.status()
        return Status(
            rigd=version("rigd"),
            pid=os.getpid(),
            rig=self._rig.name,
            data_root=str(self._rig.data_root),
            data_root_is_there=self._had_data_root,
            state=self._state,
            text=service_text(self._state, sessions, unfinished, devices),
            since_utc=self._since.isoformat(timespec="seconds"),
            devices=devices,
            sessions=sessions,
            ended=list(self._ended),
            verdicts=dict(self._verdicts),
            unfinished=unfinished,
        )

    def _start(self, letter: Letter, request: StartRequest) -> Answer | None:
        self._refuse_unless_ready()
        now = datetime.now().astimezone()
        session = requested_session(request, self._rig, self._catalogue, now)
        standing = self._run_session(session, force=request.force)
        if not request.wait:
            return started(standing)
        standing.on_recording.append(
            lambda: self._finish(letter, request, lambda: started(standing))
        )
        return None

    def _run_session(
        self, session: Session, *, force: bool = False, follows: Follows | None = None
    ) -> Standing:
        """Run a session, if nothing speaks against it.

        Raises:
            RequestError: Its devices are in use, or there is no room for its sockets.

        """
        self._sessions.refuse_busy(session.id, session.rig.devices)
        try:
            run = SessionRun(
                session, self._folder, self._inbox, force=force, follows=follows
            )
        except RuntimeFolderError as error:
            raise RequestError("not started", str(error)) from error
        standing = self._sessions.enter(run)
        run.start(self._armed.hand_over(run.devices))
        return standing

    def _refuse_unless_ready(self) -> None:
        if self._state == "stopping":
            raise RequestError("stopping", "the service is stopping")
        left = len(self._finisher.pending)
        if self._state == "starting" and left:
            raise RequestError(
                "not ready",
                f"{left} sessions that were cut off are being finished; try again soon",
            )
        if not self._data_root_lock.is_there:
            raise RequestError(
                "data root",
                f"the data root {self._rig.data_root} is not the folder that the "
                "service was started with: its disk is gone; mount it again",
            )

    def _stop(self, letter: Letter, request: StopRequest) -> Answer | None:
        (standing,) = self._sessions.chosen(request.session, "to stop")
        standing.run.stop("stopped on request", abort=request.abort)
        if not request.wait:
            return stopped(standing)
        standing.on_over.append(
            lambda: self._finish(letter, request, lambda: stopped(standing))
        )
        return None

    def _mark(self, request: MarkRequest, came_ns: int) -> Answer:
        """Note a moment in the session that is meant, or in all that record."""
        stamp = came_ns if request.monotonic_ns is None else request.monotonic_ns
        mark = Mark(text=request.text, monotonic_ns=stamp)
        if request.session is not None or not self._sessions:
            chosen = self._sessions.chosen(request.session, "to mark")
        else:
            chosen = list(self._sessions)
        recording = [s for s in chosen if s.state is State.RECORDING]
        names = [s.run.session.id for s in recording if s.run.mark(mark)]
        if not names:
            states = ", ".join(f"`{s.run.session.id}` is {s.state}" for s in chosen)
            raise RequestError("mark", f"no session takes the mark: {states}")
        return Marked(sessions=names, monotonic_ns=stamp)

    def _arm_or_disarm(
        self, letter: Letter, request: ArmRequest | DisarmRequest
    ) -> Answer | None:
        names = self._chosen_devices(request.devices)
        if isinstance(request, ArmRequest):
            self._armed.arm_again(names)
            return self._devices(names)
        self._armed.disarm(
            names,
            lambda: self._finish(letter, request, lambda: self._devices(names)),
        )
        return None

    def _chosen_devices(self, wanted: Sequence[str] | None) -> Sequence[str]:
        """Return the devices that are meant: those named, or all.

        Raises:
            RequestError: The rig has no such device.

        """
        known = self._armed.names
        if unknown := [name for name in wanted or () if name not in known]:
            raise RequestError(
                "unknown device",
                f"the rig has no device {', '.join(f'`{n}`' for n in unknown)}; it has "
                f"{', '.join(known)}",
            )
        return known if wanted is None else wanted

    def _devices(self, names: Sequence[str]) -> Devices:
        status = self._armed.status()
        return Devices(devices=[one for one in status if one.device in names])


def _verdict(summary: Summary | None) -> str:
    return "none" if summary is None else summary.verdict
