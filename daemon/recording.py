"""One session from its settings to its verdict, without a word to the terminal.

    check -> arm -> record -> drain -> finalize

Nothing here handles a sample: the crew of sources and writers does.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from rigd.config.clocks import Clocks
from rigd.config.dump import dump_session
from rigd.config.paths import SessionPaths
from rigd.config.session import Session
from rigd.daemon.armed_devices import Held
from rigd.daemon.check_report import Outcome
from rigd.daemon.crew import Crew
from rigd.daemon.disk import patience
from rigd.daemon.disk_watch import DiskWatch
from rigd.daemon.host_clock import HostClockLog
from rigd.daemon.manifest import ManifestError
from rigd.daemon.preflight import Preflight
from rigd.daemon.processes import (
    Complained,
    Exited,
    Garbled,
    Happening,
    Printed,
    Processes,
    Said,
)
from rigd.daemon.progress_report import ProgressReport
from rigd.daemon.runtime_folder import RuntimeFolder
from rigd.daemon.session_events import (
    Audience,
    FolderMade,
    Observer,
    Output,
    StateChanged,
    Summary,
)
from rigd.daemon.session_folder import (
    check_data_root,
    make_session_folder,
    remove_session_folder,
)
from rigd.daemon.session_lock import SessionLock
from rigd.daemon.session_log import SessionLog
from rigd.daemon.session_record import Follows, SessionRecord, sha256_of
from rigd.daemon.session_start import read_clocks, software_versions, stream_key
from rigd.daemon.session_state import FIRST, Event, State, next_state
from rigd.daemon.session_summary import read_step, read_summary
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.block import StreamFormat
from rigd.streams.messages import Notice
from rigd.streams.sync_lines import sync_kind

PREPARE, FINALIZER = "prepare", "finalizer"
"""Names of the two helpers that use pynwb."""

PROGRESS_EVERY = 0.5
"""Seconds between two progress events."""

GIVE_UP_LIMIT = 2.0
"""Seconds that processes have to end when the session does not start."""


class NotStartedError(Exception):
    """The session did not start: nothing was recorded, nothing is left behind."""


class SettingsError(Exception):
    """The settings do not fit each other, or what the devices deliver."""


class AbortedError(Exception):
    """The orderly end was cut short on request; what was written stands."""


class NotFinalizedError(Exception):
    """The data stand, but the session file could not be made."""


class Recording:
    """Runs one session in the calling thread, which starts all its processes.

    `stop`, `abort` and `interrupt` only set flags: any thread may call them.
    """

    def __init__(
        self,
        session: Session,
        *,
        runtime: RuntimeFolder,
        processes: Processes,
        observers: Sequence[Observer],
        force: bool = False,
        follows: Follows | None = None,
        held: Mapping[str, Held] | None = None,
        on_turn: Callable[[], None] | None = None,
    ) -> None:
        """Plan the session; nothing is touched before `run`.

        Args:
            session: The checked settings.
            runtime: Where the sockets go.
            processes: Starts the children; its control socket is theirs.
            observers: Told of everything that happens.
            force: Start although the check of the rig fails; the verdict remembers.
            follows: The session that was cut off, and that this one goes on with.
            held: Devices that were held ready, by name; their processes are adopted.
            on_turn: Called each time that the loop goes round, many times a second.

        Raises:
            SettingsError: The session's id is too long when it is filled in.

        """
        name = _session_name(session)
        root = session.data_root or session.rig.data_root
        self.paths = SessionPaths(root / name, session.subject.id, name)
        self.state = FIRST
        self.turned = _now()
        """CLOCK_MONOTONIC (s) at which the loop last went round."""
        self._session = session.model_copy(update={"id": name})
        self._identifier = str(uuid.uuid4())
        self._runtime = runtime
        self._processes = processes
        self._audience = Audience(observers)
        self._log: SessionLog | None = None
        self._lock: SessionLock | None = None
        self._crew = Crew(processes, self._audience)
        self._disk = DiskWatch(
            self.paths.folder, self._session, self._crew, self._audience
        )
        self._held = dict(held or {})
        for one in self._held.values():
            processes.adopt(one.child)
        self._preflight = Preflight(
            session.rig, self.paths.folder.parent, session.duration, processes
        )
        self._force = force
        self._follows = follows
        self._on_turn = on_turn
        self._overridden: list[str] = []
        self._helpers: dict[str, Exited] = {}
        self._stop_reason: str | None = None
        self._abort_announced = False
        self._abort = False
        self._report = ProgressReport(self._crew.writers, session.duration)
        self._started = 0.0
        self._stopped: float | None = None
        self._reported = 0.0

    # --- verbs --------------------------------------------------------------------

    def run(self) -> Summary:
        """Record until stopped or over; return what became of the session.

        Raises:
            DataRootError: The data root is not usable.
            SessionFolderError: The session folder exists or can't be made.
            SettingsError: A stream is not what its settings say.
            NotStartedError: The check of the rig fails, or a device or a stream file
                is not ready.
            AbortedError: `interrupt` was called once too often.
            NotFinalizedError: The finalizer did not come to its end.

        """
        self._move(Event.REQUESTED)
        try:
            return self._run()
        except AbortedError as error:
            self._give_up(Event.ABORTED, error)
            raise
        except Exception as error:
            self._give_up(Event.FAILED, error)
            raise
        finally:
            self._end_everything()

    def stop(self, reason: str) -> None:
        """End the recording in good order; before its first sample, do not begin."""
        if self._stop_reason is None:
            self._stop_reason = reason

    def abort(self) -> None:
        """End without the orderly end; what was written stands."""
        self.stop("aborted")
        self._abort = True

    def interrupt(self) -> None:
        """Stop like a person at the keyboard: again to be warned, again to abort."""
        if self._stop_reason is None:
            self.stop("stopped by Ctrl-C")
        elif not self._abort_announced:
            self._abort_announced = True
            self._audience.say(
                "warning",
                f"{self.state}: the session comes to its end by itself. Ctrl-C once "
                "more aborts: samples not yet written are lost then, and "
                f"`rigd finalize {self.paths.folder}` makes the session file",
            )
        else:
            self._abort = True

    def _run(self) -> Summary:
        self._check()
        try:
            self._arm()
        except Exception:
            self._forget()
            raise
        self._record()
        self._drain()
        return self._finalize()

    def _give_up(self, event: Event, error: Exception) -> None:
        """Leave a word in the log; the caller tells the person."""
        if self._log is not None:
            self._log.observe(Notice(level="error", text=str(error)))
        self._move(event)

    # --- check --------------------------------------------------------------------

    def _check(self) -> None:
        check_data_root(self.paths.folder.parent)
        make_session_folder(self.paths, dump_session(self._session))
        self._lock = SessionLock(self.paths.folder)
        self._log = SessionLog(self.paths.log)
        self._audience.join(self._log)
        self._audience.join(HostClockLog(self.paths.host_clock))
        self._audience.tell(
            FolderMade(
                folder=str(self.paths.folder),
                session=self.paths.session,
                subject=self.paths.subject,
            )
        )
        self._move(Event.CHECKED)
        if self._follows is not None:
            self._audience.say("warning", self._follows.in_words(datetime.now(UTC)))

    def _forget(self) -> None:
        """Leave no trace of a session that did not start."""
        self._processes.end_all(GIVE_UP_LIMIT)
        self._close_log()
        remove_session_folder(self.paths)

    def _end_everything(self) -> None:
        self._crew.dismiss()
        for happening in self._processes.end_all():
            self._take(happening)
        self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            self._audience.leave(self._log)
            self._log.close()
            self._log = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # --- arm ----------------------------------------------------------------------

    def _arm(self) -> None:
        self._take_over_held()
        self._prove()
        self._open_devices()
        record = self._make_record()
        self._refuse_unless_forced(self._disk.set_aside(record))
        record = record.model_copy(update={"overridden": self._overridden})
        record.save(self.paths.record)
        self._crew.start_ns = record.start_monotonic_ns
        self._prepare_files()
        self._open_files(record)

    def _take_over_held(self) -> None:
        """Let devices that were held ready take part; close what is set otherwise."""
        devices = self._session.rig.devices
        given_back = [n for n, h in self._held.items() if not h.fits(devices[n])]
        for name in given_back:
            self._processes.terminate(self._held.pop(name).child.name)
        for name in self._held:
            self._start_source(name, is_held=True)
        children = [f"source:{name}" for name in given_back]
        self._wait(lambda: not any(map(self._processes.is_running, children)))
        self._wait_for_sources()

    def _prove(self) -> None:
        """Check the rig before its devices are opened for good."""
        self._preflight.start(self._held)
        self._wait(lambda: self._preflight.is_over)
        report = self._preflight.report()
        self._audience.tell(report)
        self._refuse_unless_forced(list(map(str, report.those(Outcome.FAIL))))

    def _refuse_unless_forced(self, faults: Sequence[str]) -> None:
        if faults and not self._force:
            _refuse([*faults, "(--force starts all the same)"])
        self._overridden += [f for f in faults if f not in self._overridden]

    def _open_devices(self) -> None:
        for name in self._session.rig.devices:
            if name not in self._held:
                self._start_source(name)
        self._wait_for_sources()

    def _start_source(self, name: str, *, is_held: bool = False) -> None:
        device = self._session.rig.devices[name]
        self._crew.start_source(
            name,
            device,
            endpoints={stream: self._endpoint(stream) for stream in device.streams},
            keys={s: stream_key(self._identifier, s) for s in device.streams},
            now=_now(),
            trial=self._preflight.terms(name),
            is_held=is_held,
        )

    def _wait_for_sources(self) -> None:
        sources = self._crew.sources.values()
        self._wait(lambda: all(source.has_answered(_now()) for source in sources))
        _refuse(self._crew.source_faults())

    def _endpoint(self, stream: str) -> str:
        chosen = self._session.rig.streams[stream].endpoint
        return chosen or f"ipc://{self._runtime.socket(stream)}"

    def _make_record(self) -> SessionRecord:
        """Fix the start of the session and what its streams look like."""
        clocks = read_clocks()
        record = SessionRecord(
            identifier=self._identifier,
            session=self.paths.session,
            subject=self.paths.subject,
            start_utc=clocks.utc,
            start_monotonic_ns=clocks.monotonic_ns,
            software=software_versions(),
            follows=self._follows,
            settings_sha256=sha256_of(self.paths.settings),
            streams={
                name: self._stream_record(
                    source.device_name, name, source.formats[name]
                )
                for source in self._crew.sources.values()
                if source.formats is not None
                for name in source.device.streams
            },
        )
        if faults := _layout_faults(record, self._session.rig.clocks):
            raise SettingsError("\n".join(faults))
        return record

    def _stream_record(
        self, device: str, name: str, form: StreamFormat
    ) -> StreamRecord:
        settings = self._session.rig.devices[device].streams[name]
        return StreamRecord(
            device=device,
            file=str(self.paths.stream_file(name).relative_to(self.paths.folder)),
            key=stream_key(self._identifier, name),
            format=form.to_json(),
            nwb_type=settings.nwb.type,
            chunk=settings.storage.chunk,
            compression=settings.storage.compression,
        )

    def _prepare_files(self) -> None:
        end = self._run_helper(PREPARE, "rigd.daemon.prepare")
        if end.code != 0:
            _refuse([f"the stream files could not be prepared: {end.cause}"])

    def _open_files(self, record: SessionRecord) -> None:
        settings = self._session.rig.streams
        priorities = {name: settings[name].priority for name in record.streams}
        for name, stream in record.streams.items():
            self._crew.start_writer(
                name,
                stream,
                patience=patience(name, priorities, settings[name].ring.time),
                path=str(self.paths.folder / stream.file),
                endpoint=self._endpoint(name),
                now=_now(),
                sync=self._session.rig.clocks.sync_of(name),
            )
        writers = self._crew.writers.values()
        self._wait(lambda: all(writer.has_answered(_now()) for writer in writers))
        _refuse([*self._crew.source_faults(), *self._crew.writer_faults()])

    # --- record and drain ---------------------------------------------------------

    def _record(self) -> None:
        self._started = self._reported = _now()
        self._crew.start_recording()
        self._move(Event.ARMED)
        self._wait(self._is_enough)
        self._stopped = _now()
        self._report.is_measuring = False
        self._audience.say("info", f"the recording ends: {self._stop_reason}")
        self._move(Event.STOPPED)

    def _is_enough(self) -> bool:
        duration = self._session.duration
        if duration is not None and self._recorded() >= duration:
            self.stop("the planned duration is over")
        elif not self._crew.has_live_stream:
            self.stop("all streams have ended")
        return self._stop_reason is not None

    def _recorded(self) -> float:
        """Seconds from the beginning of the last device to now, or to the end."""
        end = _now() if self._stopped is None else self._stopped
        return end - (self._crew.last_started or self._started)

    def _drain(self) -> None:
        self._crew.stop(_now())
        self._wait(lambda: self._crew.is_over)
        self._tell_progress()
        self._move(Event.DRAINED)

    # --- finalize -----------------------------------------------------------------

    def _finalize(self) -> Summary:
        end = self._run_helper(FINALIZER, "rigd.daemon.finalizer")
        try:
            summary = read_summary(self.paths.folder)
        except ManifestError as error:
            raise NotFinalizedError(
                f"the data stand, but could not be finalized: {end.cause}\n"
                f"try again: rigd finalize {self.paths.folder}"
            ) from error
        self._move(Event.FINALIZED)
        self._audience.tell(summary)
        return summary

    def _run_helper(self, name: str, module: str) -> Exited:
        self._processes.start(name, module, str(self.paths.folder))
        self._wait(lambda: name in self._helpers)
        return self._helpers[name]

    # --- hearing ------------------------------------------------------------------

    def _wait(self, is_over: Callable[[], bool]) -> None:
        """Hear what happens and do what is due until `is_over`.

        Raises:
            NotStartedError: `stop` was called before the recording began.
            AbortedError: `interrupt` was called once too often.

        """
        while not is_over():
            self.turned = _now()
            if self._on_turn is not None:
                self._on_turn()
            for happening in self._processes.wait(PROGRESS_EVERY):
                self._take(happening)
            if self.state is State.ARMING and self._stop_reason is not None:
                raise NotStartedError(f"{self._stop_reason} before the first sample")
            if self._abort:
                raise AbortedError(
                    f"aborted while {self.state}; what was written stands: "
                    f"rigd finalize {self.paths.folder}"
                )
            if self.state in (State.RECORDING, State.DRAINING):
                self._do_what_is_due()

    def _do_what_is_due(self) -> None:
        now = _now()
        self._crew.look_after(now)
        if self.state is State.RECORDING:
            self._crew.say_what_is_missing(now - self._started)
        if now - self._reported >= PROGRESS_EVERY:
            self._tell_progress()

    def _take(self, happening: Happening) -> None:
        if self._preflight.take(happening):
            return
        if isinstance(happening, Said):
            self._crew.take_word(happening, _now())
        elif isinstance(happening, Exited):
            self._take_end(happening)
        elif isinstance(happening, Printed):
            self._take_line(happening)
        elif isinstance(happening, Complained):
            self._audience.tell(Output(process=happening.child, line=happening.line))
        elif isinstance(happening, Garbled):
            text = f"an unreadable message from {happening.child!r}: {happening.what}"
            self._audience.say("warning", text)

    def _take_end(self, end: Exited) -> None:
        if end.child in (PREPARE, FINALIZER):
            self._helpers[end.child] = end
        else:
            self._crew.take_end(end, _now())

    def _take_line(self, printed: Printed) -> None:
        helper = printed.child in (PREPARE, FINALIZER)
        step = read_step(printed.line) if helper else None
        self._audience.tell(step or Output(process=printed.child, line=printed.line))

    # --- telling ------------------------------------------------------------------

    def _move(self, event: Event) -> None:
        self.state = next_state(self.state, event)
        self._audience.tell(StateChanged(state=self.state))

    def _tell_progress(self) -> None:
        self._reported = _now()
        recorded, duration = self._recorded(), self._session.duration
        disk = self._disk.look(
            self._reported,
            None if duration is None else duration - recorded,
            is_recording=self.state is State.RECORDING,
        )
        self._audience.tell(self._report.make(self._reported, recorded, disk))


def _now() -> float:
    return time.monotonic()


def _session_name(session: Session) -> str:
    try:
        return session.resolved_id(datetime.now().astimezone())
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise NotStartedError("\n".join(faults))


def _layout_faults(record: SessionRecord, clocks: Clocks) -> list[str]:
    """Say which settings of streams do not fit what their devices deliver."""
    faults = []
    for name, stream in record.streams.items():
        try:
            stream.layout(name)
            if sync := clocks.sync_of(name):
                sync_kind(sync, stream.stream_format)
        except ValueError as error:
            faults.append(str(error))
    return faults
