"""Proves a rig before a session: tries its devices, the disk, the clock, the limits.

Each device, and the disk, is tried in a process of its own, all at the same time. What
is made of the measurements is in `rigd.daemon.check_rules`.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rigd.config.rig import Rig
from rigd.daemon.armed_device import RECENT
from rigd.daemon.armed_devices import Held
from rigd.daemon.check_report import CheckReport, Finding, Outcome
from rigd.daemon.check_rules import (
    clock_finding,
    device_findings,
    layout_of,
    limit_findings,
    space_finding,
    speed_finding,
    sync_finding,
)
from rigd.daemon.clock_discipline import read_clock_discipline
from rigd.daemon.disk import StreamNeed, need_of_layout
from rigd.daemon.host_limits import read_host_limits
from rigd.daemon.host_state import WriteSpeed
from rigd.daemon.marks import DRIVER as MARKS
from rigd.daemon.processes import Exited, Happening, Printed, Processes, Said
from rigd.daemon.quantities import time_text
from rigd.daemon.session_folder import DataRootError, check_data_root
from rigd.streams.messages import Command, TrialTerms, Tried
from rigd.streams.trial import LONGEST_WAIT, OPENED, TrialSpec
from rigd.streams.trial_report import TrialReport

START_ALLOWANCE = 5.0
"""Seconds for a process to come up, before its device has to answer."""

END_ALLOWANCE = 10.0
"""Seconds in which a device has to stop and close when its trial is over."""

DISK_LIMIT = 20.0
"""Seconds in which the disk has to take what a trial writes."""

TRIAL = "trial:"
"""How the names of processes begin that only try something."""

DISK = f"{TRIAL}_disk"
"""Name of the process that tries the disk; no device may be called so."""


@dataclass(slots=True)
class _Process:
    """A process that tries something: what it printed, how it ended."""

    answer_by: float
    seconds_after_opening: float = 0.0
    is_open: bool = False
    is_late: bool = False
    report: str = ""
    """What it printed last as JSON; empty if nothing."""
    ended: str | None = None
    """How it ended, in words; None: it runs."""

    def take(self, happening: Happening) -> None:
        """Note what it printed, or that it has ended."""
        if isinstance(happening, Exited):
            self.ended = happening.cause
        elif isinstance(happening, Printed) and happening.line == OPENED:
            self.is_open = True
            self.answer_by = time.monotonic() + self.seconds_after_opening
        elif isinstance(happening, Printed) and happening.line.startswith("{"):
            self.report = happening.line  # drivers print, too


class Preflight:
    """The proof of one rig: `start`, `take` what happens until `is_over`, `report`."""

    def __init__(
        self,
        rig: Rig,
        data_root: Path,
        duration: float | None,
        processes: Processes,
    ) -> None:
        """Plan it; nothing is touched.

        Args:
            rig: The checked settings. With a trial of 0 s neither devices nor disk
                are tried.
            data_root: Where the session folder would be made.
            duration: Planned length of the session in seconds, if any is planned.
            processes: Starts the trials; what they say is to be handed to `take`.

        """
        self._rig = rig
        self._data_root = data_root
        self._duration = duration
        self._processes = processes
        self._trials: dict[str, _Process] = {}
        self._children: dict[str, str] = {}
        """Process that tries each device."""
        self._known: dict[str, tuple[TrialReport, float]] = {}
        """What devices delivered when they were armed, and how long ago (s)."""

    def start(self, held: Mapping[str, Held] | None = None) -> None:
        """Begin to try the devices and the disk.

        Devices that are held ready are tried by the processes that have them, unless
        it is known already that all was well a short time ago.
        """
        if self._rig.check.trial:
            for name, device in self._rig.devices.items():
                if device.driver == MARKS:
                    continue  # a socket of ours: there is nothing to prove
                if held is None or name not in held:
                    self._start_device(name)
                elif not self._knows_enough(name, held[name]):
                    self._ask_source(name)
            self._trials[DISK] = _Process(time.monotonic() + DISK_LIMIT)
            self._processes.start(DISK, "rigd.daemon.write_trial", str(self._data_root))

    def terms(self, name: str) -> TrialTerms | None:
        """How a device is tried; None: it is not."""
        seconds = self._rig.check.trial
        if not seconds:
            return None
        sync = self._rig.clocks.of_device(name).sync
        return TrialTerms(seconds=seconds, sync=sync)

    def _knows_enough(self, name: str, held: Held) -> bool:
        """Take what a device delivered when it was armed, if recent and good."""
        age = time.monotonic() - held.tried_at
        if held.tried is None or age > RECENT or held.terms.trial != self.terms(name):
            return False
        findings = list(self._of_device(name, held.tried))
        if any(finding.outcome is not Outcome.PASS for finding in findings):
            return False
        self._known[name] = held.tried, age
        return True

    def _ask_source(self, name: str) -> None:
        """Let the process that has a device try it."""
        child = f"source:{name}"
        limit = self._rig.check.trial + LONGEST_WAIT + END_ALLOWANCE
        trial = _Process(time.monotonic() + limit, is_open=True)
        self._children[name] = child
        self._trials[child] = trial
        if not self._processes.send(child, Command(command="try")):
            trial.ended = "its process can't be reached"

    def _start_device(self, name: str) -> None:
        device, terms = self._rig.devices[name], self.terms(name)
        if terms is None:
            return
        child = self._children[name] = f"{TRIAL}{name}"
        spec = TrialSpec(
            device=name,
            driver=device.driver,
            options=device.options,
            streams={n: stream.options for n, stream in device.streams.items()},
            terms=terms,
            parent=os.getpid(),
        )
        self._trials[child] = _Process(
            time.monotonic() + START_ALLOWANCE + device.open_timeout,
            terms.seconds + LONGEST_WAIT + END_ALLOWANCE,
        )
        self._processes.start(
            child,
            "rigd.streams.trial",
            name,  # for whoever reads the list of processes
            first_line=spec.model_dump_json(),
        )

    def take(self, happening: Happening) -> bool:
        """Take what is about a trial; False: it is about something else, too."""
        trial = self._trials.get(happening.child)
        if trial is None:
            return False
        if isinstance(happening, Said) and isinstance(happening.event, Tried):
            trial.report, trial.ended = happening.event.report.model_dump_json(), ""
            return True
        if not isinstance(happening, Printed | Exited):
            return False
        trial.take(happening)
        return happening.child.startswith(TRIAL)

    @property
    def is_over(self) -> bool:
        """Whether all trials have ended; those that hang are ended here."""
        now = time.monotonic()
        for child, trial in self._trials.items():
            if trial.ended is None and now > trial.answer_by and not trial.is_late:
                trial.is_late = True
                self._processes.kill(child)
        return all(trial.ended is not None for trial in self._trials.values())

    # --- what was found -----------------------------------------------------------

    def report(self) -> CheckReport:
        """Judge what was found."""
        reports = {
            name: self._report_of(name)
            for name in self._rig.devices
            if name in self._children or name in self._known
        }
        return CheckReport(
            findings=(
                *self._of_devices(reports),
                *self._of_disk(list(self._needs(reports))),
                self._of_clock(),
                *limit_findings(
                    read_host_limits(),
                    self._rig.limits,
                    len(self._rig.devices) + len(self._rig.streams),
                ),
            )
        )

    def _report_of(self, name: str) -> TrialReport:
        """What the trial of a device said, or why it did not."""
        if name in self._known:
            return self._known[name][0]
        trial = self._trials[self._children[name]]
        if trial.is_late and not trial.is_open:
            limit = self._rig.devices[name].open_timeout
            error = f"did not answer within its open_timeout of {limit:g} s"
        elif trial.is_late:
            error = f"hangs: it did not stop within {END_ALLOWANCE:g} s"
        else:
            try:
                return TrialReport.model_validate_json(trial.report)
            except ValidationError:
                error = f"died while it was tried: {trial.ended}"
        return TrialReport(device=name, error=error)

    def _of_devices(self, reports: dict[str, TrialReport]) -> Iterator[Finding]:
        for name, report in reports.items():
            for finding in self._of_device(name, report):
                yield _dated(
                    finding, self._known[name][1] if name in self._known else 0
                )

    def _of_device(self, name: str, report: TrialReport) -> Iterator[Finding]:
        device = self._rig.devices[name]
        yield from device_findings(name, device, report, self._rig.check)
        sync = self._rig.clocks.of_device(name).sync
        if sync is not None and sync.stream in report.streams:
            yield sync_finding(name, sync, report.streams[sync.stream])

    def _needs(self, reports: dict[str, TrialReport]) -> Iterator[StreamNeed]:
        """What the streams that have said their format take of the disk."""
        for device, report in reports.items():
            for name, tried in report.streams.items():
                settings = self._rig.devices[device].streams[name]
                try:
                    layout = layout_of(name, settings, tried)
                except ValueError:
                    continue  # that is a finding already
                yield need_of_layout(name, layout, tried.stream_format)

    def _of_disk(self, needs: list[StreamNeed]) -> Iterator[Finding]:
        try:
            check_data_root(self._data_root)
            free = shutil.disk_usage(self._data_root).free
        except (DataRootError, OSError) as error:
            yield Finding(
                subject="data root",
                outcome=Outcome.FAIL,
                found=str(error),
                remedy="see `data_root` of the rig file",
            )
            return
        if DISK in self._trials:
            reserve = self._rig.disk.reserve
            yield space_finding(needs, free, reserve, self._duration)
            yield self._of_speed(sum(need.per_second for need in needs))

    def _of_speed(self, needed: float) -> Finding:
        trial = self._trials[DISK]
        try:
            return speed_finding(WriteSpeed.model_validate_json(trial.report), needed)
        except ValidationError:
            why = f"it hangs for {DISK_LIMIT:g} s" if trial.is_late else trial.ended
            return Finding(
                subject="disk speed",
                outcome=Outcome.FAIL,
                found=f"a file in {self._data_root} can't be written: {why}",
                remedy="see to the disk",
            )

    def _of_clock(self) -> Finding:
        try:
            return clock_finding(read_clock_discipline())
        except OSError as error:
            return clock_finding(None, error.strerror or str(error))


def _dated(finding: Finding, age: float) -> Finding:
    """Say how old a finding is, if it is not of now."""
    if not age:
        return finding
    text = f"{finding.found} ({time_text(age)} ago, when it was armed)"
    return finding.model_copy(update={"found": text})
