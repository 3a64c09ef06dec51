"""The sources and writers of one session: started, heard, ordered, and seen off.

One that dies while the session runs is started again (`restart_policy`): a writer goes
on from its journal and the source, which has kept what was not acknowledged, sends it
again; a source begins anew, with epochs that follow those of its predecessor, and the
outage stands in the ledger. What it means that one of them ends is decided in one
place, `Crew._take_end_of`.
"""

import os
from collections.abc import Mapping, Sequence

from rigd.config.clocks import SyncLine
from rigd.config.rig import Device
from rigd.daemon.participants import (
    FOREIGN_WRITER_RUNGS,
    Ladder,
    Order,
    Source,
    Writer,
    has_live_stream,
    lost_span,
)
from rigd.daemon.processes import Exited, Processes, Said
from rigd.daemon.restart_policy import RestartPolicy
from rigd.daemon.session_events import Audience, Incident, Level, Losses, What
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.block import StreamFormat
from rigd.streams.continuity import EPOCHS_OF_A_RUN
from rigd.streams.messages import (
    Command,
    Failed,
    Finished,
    Notice,
    Opened,
    Ready,
    SourceSpec,
    SourceStatus,
    SourceStream,
    Started,
    TrialTerms,
    WriterSpec,
    WriterStatus,
)

START_ALLOWANCE = 5.0
"""Seconds for a source process to come up, before its device has to answer."""

LISTENING = 2.0
"""Seconds between two looks at the processes after which these were not listened to."""

READY_LIMIT = 30.0
"""Seconds for a writer to come up and open its file."""


class Crew:
    """All processes that handle samples."""

    def __init__(
        self,
        processes: Processes,
        audience: Audience,
        policy: RestartPolicy | None = None,
    ) -> None:
        self.sources: dict[str, Source] = {}
        self.writers: dict[str, Writer] = {}
        self._processes = processes
        self._audience = audience
        self._policy = policy or RestartPolicy()
        self._ends: dict[str, Exited] = {}
        self._is_recording = False
        self._looked = 0.0
        self.start_ns = 0
        """CLOCK_MONOTONIC at time 0 of the session, ns."""

    # --- starting -----------------------------------------------------------------

    def start_source(
        self,
        name: str,
        device: Device,
        *,
        endpoints: Mapping[str, str],
        keys: Mapping[str, int],
        now: float,
        trial: TrialTerms | None = None,
        is_held: bool = False,
    ) -> None:
        """Start the source of a device; it opens the device and says `Opened`.

        Args:
            name: What the device is called.
            device: Its settings.
            endpoints: Where the writer of each stream listens.
            keys: What each stream is called on the wire.
            now: CLOCK_MONOTONIC, s.
            trial: How the source tries the device if it is asked to.
            is_held: Its process is there already and holds the device; it joins.

        """
        open_by = now + START_ALLOWANCE + device.open_timeout
        source = Source(name, device, open_by)
        self.sources[name] = source
        source.specification = SourceSpec(
            device=name,
            driver=device.driver,
            options=device.options,
            streams={
                stream: SourceStream(
                    options=settings.options,
                    endpoint=endpoints[stream],
                    key=keys[stream],
                    ring_seconds=settings.ring.time,
                    ring_bytes=settings.ring.size,
                )
                for stream, settings in device.streams.items()
            },
            trial=trial,
            control=self._processes.endpoint,
            parent=os.getpid(),
        )
        if not is_held:
            self._start(source, source.specification)
        elif not self._processes.give_last_line(
            source.name, source.specification.model_dump_json()
        ):
            source.error = "it was held ready, and does not take part: try again"

    def start_writer(
        self,
        name: str,
        stream: StreamRecord,
        *,
        path: str,
        endpoint: str,
        now: float,
        patience: float = 0.0,
        sync: SyncLine | None = None,
    ) -> None:
        """Start the writer of a stream; it opens the file and says `Ready`.

        On a full disk it waits for room for `patience` seconds; `sync` says where the
        stream has sync pulses, if it does.
        """
        writer = Writer(
            name, stream.device, stream.stream_format.rate, ready_by=now + READY_LIMIT
        )
        if self.sources[stream.device].foreign:
            writer.rungs = FOREIGN_WRITER_RUNGS
            writer.ladder = Ladder(writer.rungs)
            text = f"`{name}`: a sender may connect to {endpoint}"
            self._audience.say("info", text, name)
        self.writers[name] = writer
        writer.specification = WriterSpec(
            stream=name,
            path=path,
            endpoint=endpoint,
            key=stream.key,
            format=stream.format,
            nwb_type=stream.nwb_type,
            chunk=stream.chunk,
            compression=stream.compression,
            patience_seconds=patience,
            sync=sync,
            control=self._processes.endpoint,
            parent=os.getpid(),
        )
        self._start(writer, writer.specification)

    def _start(self, one: Source | Writer, spec: SourceSpec | WriterSpec) -> None:
        kind, _, name = one.name.partition(":")
        self._processes.start(
            one.name,
            f"rigd.streams.{kind}",
            name,  # for whoever reads the list of processes
            first_line=spec.model_dump_json(),
        )

    def start_recording(self) -> None:
        """Let all devices sample. From now on the end of a process is told."""
        self._is_recording = True
        for source in self.sources.values():
            self._processes.send(source.name, Command(command="start"))

    def dismiss(self) -> None:
        """Start nothing again from now on, and do not tell of ends."""
        self._is_recording = False

    # --- starting again -----------------------------------------------------------

    def _start_again(self, now: float) -> None:
        """Start what has died and is due; end what does not come up in time."""
        for participant in self._everyone():
            life = participant.life
            if life.start_at is not None and now >= life.start_at:
                if isinstance(participant, Writer):
                    self._start_writer_again(participant, now)
                else:
                    self._start_source_again(participant, now)
            elif life.up_by is not None and now > life.up_by:
                participant.error = "did not come up in time"
                life.up_by = now + START_ALLOWANCE
                self._processes.kill(participant.name)

    def _end_the_silent(self, now: float) -> None:
        """Kill who has said nothing for too long; its end is then that of a death.

        While nobody listened (the whole machine stood still, say) nobody was silent.
        """
        nobody_listened = now - self._looked > LISTENING
        self._looked = now
        for participant in self._everyone():
            if nobody_listened or not self._must_speak(participant):
                participant.heard_at = now
            silent = now - participant.heard_at
            if self._policy.is_dead(silent, allowed=participant.may_be_silent):
                participant.error = f"it said nothing for {silent:.0f} s and was killed"
                participant.heard_at = now
                self._tell_incident(participant, "fell silent", participant.error)
                self._processes.kill(participant.name)

    def _must_speak(self, participant: Source | Writer) -> bool:
        """Whether it should be at its work; who is to end has limits of its own."""
        return (
            self._is_recording
            and participant.over_since is None
            and not participant.finished
            and participant.life.is_up
            and participant.ladder.begun is None
        )

    def _tell_incident(
        self, participant: Source | Writer, what: What, cause: str = ""
    ) -> None:
        self._audience.tell(
            Incident(
                process=participant.name,
                what=what,
                cause=cause,
                streams=participant.streams,
            )
        )

    def _start_writer_again(self, writer: Writer, now: float) -> None:
        """Its journal tells it where it was; the source hears where that is."""
        writer.begin_again(up_by=now + READY_LIMIT)
        self.sources[writer.device].ladder.moved = now
        if writer.specification is not None:
            self._start(writer, writer.specification)

    def _start_source_again(self, source: Source, now: float) -> None:
        """Begin anew with the streams that still have a writer."""
        source.begin_again(up_by=now + START_ALLOWANCE + source.device.open_timeout)
        spec = source.specification
        if spec is not None:
            update = {
                "streams": {s: spec.streams[s] for s in self._live_streams(source)},
                "first_epoch": len(source.life.deaths) * EPOCHS_OF_A_RUN,
            }
            self._start(source, spec.model_copy(update=update))

    def _live_streams(self, source: Source) -> list[str]:
        return [
            name
            for name in source.device.streams
            for writer in (self.writers.get(name),)
            if writer and writer.over_since is None and not writer.finished
        ]

    def _may_start_again(self, participant: Source | Writer) -> bool:
        """Whether there is anything left for it to do.

        A source that dies when its session ends takes what it held with it: another
        would find nothing to send.
        """
        if participant.finished or participant.life.is_dismissed:
            return False
        if isinstance(participant, Writer):
            return True
        return participant.ladder.begun is None and bool(
            self._live_streams(participant)
        )

    # --- asking -------------------------------------------------------------------

    def source_faults(self) -> list[str]:
        """Say why sources can't take part; none: all devices are open."""
        faults = (s.fault(self._cause(s)) for s in self.sources.values())
        return [fault for fault in faults if fault is not None]

    def writer_faults(self) -> list[str]:
        """Say why files are not open; none: all are."""
        faults = (w.fault(self._cause(w)) for w in self.writers.values())
        return [fault for fault in faults if fault is not None]

    def _cause(self, participant: Source | Writer) -> str:
        end = self._ends.get(participant.name)
        return end.cause if end else "still running"

    def _how(self, participant: Source | Writer) -> str:
        end = self._ends.get(participant.name)
        return participant.error or (end.how if end else "still running")

    @property
    def has_live_stream(self) -> bool:
        """Whether anything can still be recorded."""
        return has_live_stream(self.sources, self.writers)

    @property
    def live_streams(self) -> list[str]:
        """Streams whose writer has not come to its end."""
        return [w.stream for w in self.writers.values() if w.over_since is None]

    @property
    def is_over(self) -> bool:
        """Whether all processes have ended."""
        return all(p.over_since is not None for p in self._everyone())

    @property
    def last_started(self) -> float | None:
        """CLOCK_MONOTONIC (s) at which the last device began; None: none has."""
        started = [s.started_ns / 1e9 for s in self.sources.values() if s.started_ns]
        return max(started, default=None)

    def _everyone(self) -> list[Source | Writer]:
        return [*self.sources.values(), *self.writers.values()]

    # --- ordering -----------------------------------------------------------------

    def stop(self, now: float) -> None:
        """Let everyone come to an orderly end; `look_after` sees to it."""
        for source in self.sources.values():
            source.ladder.begin(now)
            if not source.life.is_up:
                self._leave_down(source, now)
            if source.foreign:
                self._begin_to_end_writers(source, now)

    def _leave_down(self, source: Source, now: float) -> None:
        """Let a source that is being started again be: it has nothing to give."""
        source.error = f"{self._how(source)}; it was not back when the session ended"
        source.life.is_dismissed = True
        if source.life.start_at is not None:
            source.life.start_at, source.over_since = None, now
        else:
            self._processes.kill(source.name)

    def stop_streams(self, streams: Sequence[str], reason: str, now: float) -> None:
        """Let some streams come to an orderly end; their devices go on for others."""
        for stream in streams:
            writer = self.writers[stream]
            writer.stop_reason = reason
            writer.rungs = FOREIGN_WRITER_RUNGS
            writer.ladder = Ladder(writer.rungs)
            writer.ladder.begin(now)

    def look_after(self, now: float) -> None:
        """Start again what has died; give the orders that are due to all who end."""
        self._start_again(now)
        self._end_the_silent(now)
        for source in self.sources.values():
            if source.over_since is not None and not source.foreign:
                self._begin_to_end_writers(source, now)
            elif self._nobody_listens_to(source):
                source.ladder.hurry(Order.QUIT)
        for participant in self._everyone():
            if participant.over_since is None and participant.life.is_up:
                order = participant.ladder.due(now)
                if order is not None:
                    self._carry_out(order, participant)

    def _begin_to_end_writers(self, source: Source, now: float) -> None:
        for stream in source.device.streams:
            if stream in self.writers:
                self.writers[stream].ladder.begin(now)

    def _nobody_listens_to(self, source: Source) -> bool:
        """Whether a source that is to end waits for writers that are gone."""
        return source.ladder.begun is not None and all(
            self.writers[stream].over_since is not None
            for stream in source.device.streams
            if stream in self.writers
        )

    def _carry_out(self, order: Order, participant: Source | Writer) -> None:
        name = participant.name
        if order is Order.STOP:
            reason = participant.stop_reason if isinstance(participant, Writer) else ""
            self._processes.send(name, Command(command="stop", reason=reason))
        elif order is Order.QUIT:
            reason = self._reason_to_quit(participant)
            self._processes.send(name, Command(command="quit", reason=reason))
        elif order is Order.TERMINATE:
            participant.life.is_dismissed = True
            self._audience.say(
                "error", f"{participant.title} does not end and is terminated"
            )
            self._tell_incident(participant, "was terminated", "it did not end")
            self._processes.terminate(name)
        else:
            self._processes.kill(name)

    def _reason_to_quit(self, participant: Source | Writer) -> str:
        if isinstance(participant, Writer):
            if participant.stop_reason:
                return participant.stop_reason
            source = self.sources[participant.device]
            if source.over_since is not None:
                return f"{source.title} has died: {self._how(source)}"
            return "its sender did not stop in time"
        if not self._nobody_listens_to(participant):
            text = f"{participant.title} did not stop in time and is told to leave"
            self._audience.say("warning", text)
        return "did not stop in time"

    # --- hearing ------------------------------------------------------------------

    def take_word(self, said: Said, now: float) -> None:
        """Note what a process said of itself."""
        kind, _, name = said.child.partition(":")
        if kind == "source" and name in self.sources:
            self.sources[name].heard_at = now
            self._take_word_of_source(self.sources[name], said)
        elif kind == "writer" and name in self.writers:
            self.writers[name].heard_at = now
            self._take_word_of_writer(self.writers[name], said, now)

    def _take_word_of_source(self, source: Source, said: Said) -> None:
        event = said.event
        if isinstance(event, Opened):
            self._take_opened(source, event)
        elif isinstance(event, Started):
            self._take_started(source, event)
        elif isinstance(event, SourceStatus) and event.stream in self.writers:
            self.writers[event.stream].sent = event
        elif isinstance(event, Notice):
            self._pass_on(event, source.title)
        elif isinstance(event, Failed):
            source.error = event.error
        elif isinstance(event, Finished):
            source.finished = True

    def _take_opened(self, source: Source, event: Opened) -> None:
        """Note the streams of a device; let it sample if it was opened again."""
        formats = {
            name: StreamFormat.from_json(form) for name, form in event.formats.items()
        }
        source.foreign = event.foreign
        if source.life.up_by is None:
            source.formats = formats
            return
        source.error = source.changes(formats)
        if source.error is None:
            self._processes.send(source.name, Command(command="start"))
        else:
            source.life.is_dismissed = True
            self._processes.kill(source.name)

    def _take_started(self, source: Source, event: Started) -> None:
        if source.started_ns is None:
            source.started_ns = event.host_ns
        if source.life.up_by is not None:
            source.life.up_by = None
            self._audience.say("info", f"{source.title} samples again")
            self._tell_incident(source, "is back")

    def _take_word_of_writer(self, writer: Writer, said: Said, now: float) -> None:
        event = said.event
        if isinstance(event, Ready):
            self._take_ready(writer, now)
        elif isinstance(event, WriterStatus):
            self._take_status(writer, event, now)
        elif isinstance(event, Notice):
            self._pass_on(event, writer.title)
        elif isinstance(event, Failed):
            writer.error = event.error
        elif isinstance(event, Finished):
            writer.finished = True
            if event.reason:
                text = f"`{writer.stream}` ended early: {event.reason}"
                self._audience.say("warning", text, writer.stream)

    def _take_ready(self, writer: Writer, now: float) -> None:
        writer.ready = True
        if writer.life.up_by is None:
            return
        writer.life.up_by, writer.life.failed_starts = None, 0
        self._audience.say("info", f"{writer.title} goes on", writer.stream)
        self._tell_incident(writer, "is back")
        source = self.sources[writer.device]
        is_to_end = source.foreign and source.ladder.begun is not None
        if is_to_end or writer.stop_reason:
            writer.ladder.begin(now)

    def _take_status(self, writer: Writer, status: WriterStatus, now: float) -> None:
        """A writer that gets on gives itself and its source more time to end."""
        before, writer.written, writer.written_at = writer.written, status, now
        self._tell_losses(writer, status)
        if before is None or status.acknowledged_rows > before.acknowledged_rows:
            writer.ladder.moved = self.sources[writer.device].ladder.moved = now

    def _tell_losses(self, writer: Writer, status: WriterStatus) -> None:
        lost = [lost_span(n, self.start_ns, writer.rate) for n in status.newly_lost]
        writer.losses.extend(lost)
        if lost:
            self._audience.tell(
                Losses(
                    stream=writer.stream,
                    intervals=lost,
                    interval_count=status.newly_lost_count,
                )
            )

    def _pass_on(self, notice: Notice, title: str) -> None:
        text = f"{title}: {notice.text}"
        self._audience.tell(notice.model_copy(update={"text": text}))

    def take_end(self, end: Exited, now: float) -> None:
        """Note the end of a process; the others go on."""
        for participant in self._everyone():
            if participant.name == end.child:
                self._take_end_of(participant, end, now)

    def _take_end_of(
        self, participant: Source | Writer, end: Exited, now: float
    ) -> None:
        """Decide what an end means: nothing, another start, or the end for good."""
        self._ends[end.child] = end
        regular = participant.finished and end.code == 0
        if regular or not self._is_recording:
            participant.over_since = now
            return
        why = participant.error or end.cause
        life = participant.life
        life.deaths.append(now)
        life.failed_starts += life.up_by is not None
        life.up_by = None
        if not self._may_start_again(participant):
            participant.over_since = now
            self._audience.say("error", f"{participant.title} has died: {why}")
            self._tell_incident(participant, "given up", f"it has died: {why}")
            return
        failed = life.failed_starts if isinstance(participant, Writer) else 0
        if not self._policy.is_hopeless(failed):
            life.start_at = self._policy.next_start(life.deaths)
        if life.start_at is None:
            participant.over_since = now
            participant.error = self._policy.why_given_up(failed)
            text = f"{participant.title}: {participant.error}; the last time: {why}"
            self._audience.say("error", text)
            cause = f"{participant.error}; the last time: {why}"
            self._tell_incident(participant, "given up", cause)
        else:
            text = f"{participant.title} has died and is started again: {why}"
            self._audience.say("warning", text)
            self._tell_incident(participant, "died", why)

    def say_what_is_missing(self, seconds: float) -> None:
        """Name streams that deliver nothing `seconds` after the start, once each."""
        for writer in self.writers.values():
            missing = writer.missing(seconds)
            if missing is not None and writer.over_since is None:
                writer.was_missed = True
                level: Level = "info" if writer.rate is None else "warning"
                self._audience.say(level, f"`{writer.stream}` {missing}", writer.stream)
        self._say_which_lines_are_silent(seconds)

    def _say_which_lines_are_silent(self, seconds: float) -> None:
        """Name sync lines without pulses, once for each silence."""
        counts = {w.stream: w.pulses or 0 for w in self.writers.values()}
        for writer in self.writers.values():
            others = [n for name, n in counts.items() if name != writer.stream]
            silent = writer.silent_line(seconds, max(others, default=0))
            if silent is None or writer.over_since is not None:
                writer.has_silent_line = False
            elif not writer.has_silent_line:
                writer.has_silent_line = True
                text = f"`{writer.stream}` {silent}"
                self._audience.say("warning", text, writer.stream)
