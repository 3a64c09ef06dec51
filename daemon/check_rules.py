"""What a check makes of what it has measured. Rules only, no I/O."""

from collections.abc import Iterator, Sequence

from rigd.config.check import Check, Limits
from rigd.config.clocks import SyncLine
from rigd.config.rig import Device
from rigd.config.stream import Stream
from rigd.daemon.check_report import Finding, Outcome
from rigd.daemon.disk import StreamNeed, needed_bytes
from rigd.daemon.host_state import ClockDiscipline, HostLimits, WriteSpeed
from rigd.daemon.quantities import count_text, rate_text, size_text, time_text
from rigd.streams.stream_layout import StreamLayout, stream_layout
from rigd.streams.sync_lines import sync_kind
from rigd.streams.trial_report import StreamTrial, TrialReport

FILES_OF_DAEMON = 64
FILES_OF_PROCESS = 8
"""Files that the daemon has open, and those more for each source or writer."""

SPARE_SPEED = 2.0
"""The disk should be so many times faster than the streams."""

LARGE_CLOCK_ERROR = 0.1
"""Seconds of error of the wall clock from which on it is worth a look."""

COUNTED_WRONG = 2
"""Rows by which a slow stream may be off what is due; one at each end."""

PASS, WARN, FAIL = Outcome


# --- devices and streams --------------------------------------------------------------


def device_findings(
    name: str, device: Device, report: TrialReport, check: Check
) -> Iterator[Finding]:
    """Judge one device and its streams by its trial."""
    subject = f"device {name}"
    if report.error is not None:
        remedy = "see to the device; is it connected, switched on, used by another?"
        yield Finding(subject=subject, outcome=FAIL, found=report.error, remedy=remedy)
    elif report.foreign:
        yield Finding(
            subject=subject,
            outcome=WARN,
            found="its sender is a program of its own and was not tried",
            remedy="start it, and watch its first seconds",
        )
    else:
        found = f"driver {device.driver} opens and starts"
        yield Finding(subject=subject, outcome=PASS, found=found)
    for stream, settings in device.streams.items():
        if stream in report.streams:
            yield _stream_finding(stream, settings, report, check)
        elif report.streams:
            yield Finding(
                subject=f"stream {stream}",
                outcome=FAIL,
                found=f"device {name} does not offer it",
                remedy=f"it offers {', '.join(report.streams)}: rename or remove it",
            )


def layout_of(name: str, settings: Stream, tried: StreamTrial) -> StreamLayout:
    """Lay out the file of a stream as its settings and its device want it.

    Raises:
        ValueError: They do not fit each other.

    """
    return stream_layout(
        name,
        tried.stream_format,
        nwb_type=settings.nwb.type,
        chunk=settings.storage.chunk,
        compression=settings.storage.compression,
    )


def _stream_finding(
    name: str, settings: Stream, report: TrialReport, check: Check
) -> Finding:
    stream = report.streams[name]
    subject = f"stream {name}"
    for outcome, judged in (
        (FAIL, _settings_fault(name, settings, stream)),
        (FAIL, None if report.foreign else _fault(stream, report.error)),
        (WARN, _doubt(stream)),
    ):
        if judged is not None:
            found, remedy = judged
            return Finding(subject=subject, outcome=outcome, found=found, remedy=remedy)
    if report.foreign:
        found = f"declared as {_form_text(stream)}, not tried"
        return Finding(subject=subject, outcome=PASS, found=found)
    if stream.stream_format.rate is None or report.paced_by_consumer:
        return Finding(subject=subject, outcome=PASS, found=_without_rate(stream))
    return _rate_finding(subject, stream, stream.stream_format.rate, check)


Judged = tuple[str, str]
"""What was found, and what to do."""


def _settings_fault(name: str, settings: Stream, tried: StreamTrial) -> Judged | None:
    try:
        layout_of(name, settings, tried)
    except ValueError as error:
        return str(error), "mend the settings of the stream"
    return None


def _fault(stream: StreamTrial, device_error: str | None) -> Judged | None:
    if stream.misfit is not None:
        return stream.misfit, "the driver is at fault: tell who wrote it"
    if device_error is not None and not stream.rows:
        return "delivered nothing: its device failed", "see to the device"
    if stream.ended:
        return f"ended by itself: {stream.ended}", "see to the device"
    if stream.stream_format.rate is not None and not stream.rows:
        return (
            f"silent: no row in {stream.seconds:.1f} s",
            "is the device running, is this output of it switched on?",
        )
    return None


def _doubt(stream: StreamTrial) -> Judged | None:
    if stream.lost:
        text = f"lost {count_text(stream.lost)} samples in {stream.seconds:.1f} s"
        return text, "look for what loads its line or this machine"
    if stream.notes:
        return "; ".join(stream.notes), "see to the device"
    return None


def _without_rate(stream: StreamTrial) -> str:
    noun = "events" if stream.stream_format.rate is None else "rows"
    return (
        f"{count_text(stream.rows)} {noun} in {stream.seconds:.1f} s; "
        f"{_form_text(stream)}"
    )


def _form_text(stream: StreamTrial) -> str:
    """`int16 x 384`, or the fields of an event."""
    form = stream.stream_format
    if form.dtype.names:
        return f"fields {', '.join(form.dtype.names)}"
    return " x ".join([str(form.dtype), *map(str, form.shape)])


def _rate_finding(
    subject: str, stream: StreamTrial, nominal: float, check: Check
) -> Finding:
    """Judge the rate; a stream of few rows by their number alone."""
    remedy = "set the rate that the device has, or mend its clock"
    if stream.rate is None or stream.ppm is None or stream.uncertainty_ppm is None:
        due = nominal * stream.seconds
        is_near = abs(stream.rows - due) <= COUNTED_WRONG + 0.1 * due
        found = (
            f"{_without_rate(stream)}; {due:.1f} are due, "
            "too few come to measure the rate"
        )
        return Finding(
            subject=subject,
            outcome=PASS if is_near else FAIL,
            found=found,
            remedy="" if is_near else remedy,
        )
    beyond = abs(stream.ppm) - stream.uncertainty_ppm
    outcome = PASS
    if beyond > check.rate_warn_ppm:
        outcome = FAIL if beyond > check.rate_fail_ppm else WARN
    found = (
        f"{rate_text(stream.rate)} rows/s, declared {rate_text(nominal)}: "
        f"{stream.ppm:+.0f} ± {stream.uncertainty_ppm:.0f} ppm; {_form_text(stream)}"
    )
    return Finding(
        subject=subject,
        outcome=outcome,
        found=found,
        remedy="" if outcome is PASS else remedy,
    )


def sync_finding(device: str, sync: SyncLine, tried: StreamTrial) -> Finding:
    """Judge whether the shared pulses reach a device."""
    subject = f"sync {device}"
    try:
        sync_kind(sync, tried.stream_format)
    except ValueError as error:
        remedy = f"mend `sync` of device `{device}` under `clocks`"
        return Finding(subject=subject, outcome=FAIL, found=str(error), remedy=remedy)
    count = tried.pulses or 0
    found = (
        f"{count} pulses in {tried.seconds:.1f} s on {_line_text(sync)} of stream "
        f"{sync.stream}"
    )
    if not count:
        remedy = "is the cable in, does the generator run, is this the right line?"
        return Finding(subject=subject, outcome=FAIL, found=found, remedy=remedy)
    due = tried.seconds / sync.period if sync.period else count
    if abs(count - due) > COUNTED_WRONG + 0.1 * due:
        remedy = "look for a loose cable, noise, or set the period that it has"
        found += f", {due:.0f} are due"
        return Finding(subject=subject, outcome=WARN, found=found, remedy=remedy)
    return Finding(subject=subject, outcome=PASS, found=found)


def _line_text(sync: SyncLine) -> str:
    if sync.line is not None:
        return f"line {sync.line}"
    return "any line" if sync.column is None else f"column {sync.column}"


# --- disk -----------------------------------------------------------------------------


def space_finding(
    needs: Sequence[StreamNeed], free: int, reserve: int, duration: float | None
) -> Finding:
    """Judge the free space for the planned duration with its reserve."""
    needed = needed_bytes(needs, reserve, duration)
    speed = sum(need.per_second for need in needs)
    left = f", enough for {time_text((free - reserve) / speed)}" if speed else ""
    planned = "no planned duration" if duration is None else time_text(duration)
    found = (
        f"{size_text(free)} free{left if free > reserve else ''}; "
        f"{size_text(needed)} needed for {planned} and a reserve of "
        f"{size_text(reserve)}"
    )
    if needed > free:
        remedy = f"free {size_text(needed - free)}, or plan a shorter session"
        return Finding(subject="disk space", outcome=FAIL, found=found, remedy=remedy)
    return Finding(subject="disk space", outcome=PASS, found=found)


def speed_finding(speed: WriteSpeed, needed: float) -> Finding:
    """Judge the speed of the disk for streams of `needed` bytes per second."""
    found = (
        f"{size_text(speed.bytes_per_second)}/s written to the disk, "
        f"{size_text(needed)}/s needed"
    )
    outcome = PASS
    if speed.bytes_per_second < needed * SPARE_SPEED:
        outcome = FAIL if speed.bytes_per_second < needed else WARN
    remedy = "take a faster disk, or record less; is another program writing?"
    return Finding(
        subject="disk speed",
        outcome=outcome,
        found=found,
        remedy="" if outcome is PASS else remedy,
    )


# --- host -----------------------------------------------------------------------------


def clock_finding(clock: ClockDiscipline | None, why_not: str = "") -> Finding:
    """Judge the wall clock; None: the kernel did not say, and `why_not`."""
    subject = "wall clock"
    remedy = "start chrony or systemd-timesyncd (timedatectl set-ntp true)"
    if clock is None:
        found = f"its state can't be read: {why_not}"
        return Finding(subject=subject, outcome=WARN, found=found, remedy=remedy)
    if not clock.synchronized:
        found = "is not held to a time server; session start times may be wrong"
        return Finding(subject=subject, outcome=WARN, found=found, remedy=remedy)
    error = clock.maximum_error_seconds
    is_large = error > LARGE_CLOCK_ERROR
    return Finding(
        subject=subject,
        outcome=WARN if is_large else PASS,
        found=f"held to a time server, error below {error * 1e3:.3g} ms, "
        f"speed corrected by {clock.frequency_ppm:+.1f} ppm",
        remedy="look at the time service: chronyc tracking" if is_large else "",
    )


def limit_findings(
    host: HostLimits, asked: Limits, processes: int
) -> Iterator[Finding]:
    """Judge what `processes` sources and writers are allowed to use."""
    least = FILES_OF_DAEMON + FILES_OF_PROCESS * processes
    yield _limit(
        "open files", host.open_files, asked.open_files or least, "LimitNOFILE"
    )
    if asked.locked_memory is not None:
        yield _limit(
            "locked memory", host.locked_memory, asked.locked_memory, "LimitMEMLOCK"
        )
    if asked.realtime_priority is not None:
        yield _limit(
            "real-time priority",
            host.realtime_priority,
            asked.realtime_priority,
            "LimitRTPRIO",
        )
    if asked.nice is not None:
        is_good = host.nice <= asked.nice
        yield Finding(
            subject="nice",
            outcome=PASS if is_good else FAIL,
            found=f"{host.nice}, asked for {asked.nice}",
            remedy="" if is_good else _how_to_raise("Nice", asked.nice),
        )


def _limit(subject: str, given: int | None, least: int, setting: str) -> Finding:
    is_good = given is None or given >= least
    has = "unlimited" if given is None else count_text(given)
    return Finding(
        subject=subject,
        outcome=PASS if is_good else FAIL,
        found=f"{has}, {count_text(least)} needed",
        remedy="" if is_good else _how_to_raise(setting, least),
    )


def _how_to_raise(setting: str, value: int) -> str:
    return (
        f"set {setting}={value} in the unit (systemctl edit rigd); systemd passes over "
        "what it may not raise"
    )
