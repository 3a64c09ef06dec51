"""What the service knows as metrics of Prometheus. No I/O.

Names and labels are an interface: alert rules and dashboards stand on them
(`docs/metrics.md`).
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)

from rigd.daemon.armed_device import DeviceState
from rigd.daemon.control_protocol import SessionStatus, Status
from rigd.daemon.process_usage import Usage
from rigd.daemon.session_events import StreamProgress
from rigd.daemon.session_state import State
from rigd.daemon.verdict import Verdict

STREAM = ("session", "device", "stream")
SERVICE_STATES = ("starting", "ready", "stopping")

Value = float | None


def metrics(status: Status, usages: Iterable[Usage]) -> Iterator[Metric]:
    """Say where the service stands, and what its processes use."""
    yield from _of_service(status)
    yield _of_devices(status)
    yield from _of_sessions(status.sessions)
    yield from _of_streams(status.sessions)
    yield from _of_clocks(status.sessions)
    yield from _of_processes(usages)


def _of_service(status: Status) -> Iterator[Metric]:
    info = InfoMetricFamily("rigd", "Version of rigd, and its rig")
    info.add_metric((), {"version": status.rigd, "rig": status.rig})
    yield info
    state = StateSetMetricFamily("rigd_state", "Where the service stands")
    state.add_metric((), {one: one == status.state for one in SERVICE_STATES})
    yield state
    yield GaugeMetricFamily(
        "rigd_data_root_available",
        "1: the data root is there; 0: its disk is gone",
        value=float(status.data_root_is_there),
    )
    yield GaugeMetricFamily(
        "rigd_unfinished_sessions",
        "Sessions of earlier runs that are still to be recovered",
        value=len(status.unfinished),
    )
    ended = CounterMetricFamily(
        "rigd_sessions_ended",
        "Sessions that have ended since the service was started, by verdict; "
        "`none`: it did not start, or was not finalized",
        labels=("verdict",),
    )
    for verdict in (*(one.value for one in Verdict), NO_VERDICT):
        ended.add_metric((verdict,), status.verdicts.get(verdict, 0))
    yield ended


NO_VERDICT = "none"
"""Of a session that did not start or was not finalized."""


def _of_devices(status: Status) -> Metric:
    state = StateSetMetricFamily(
        "rigd_device_state",
        "Where each device of the rig stands",
        labels=("device",),
    )
    for device in status.devices:
        states = {str(one): one is device.state for one in DeviceState}
        state.add_metric((device.device,), states)
    return state


def _of_sessions(sessions: Iterable[SessionStatus]) -> Iterator[Metric]:
    recording = GaugeMetricFamily(
        "rigd_session_recording", "1: it records", labels=("session", "subject")
    )
    seconds = GaugeMetricFamily(
        "rigd_session_seconds", "Recorded so far", labels=("session",)
    )
    free = GaugeMetricFamily(
        "rigd_disk_free_bytes", "Free space for the session", labels=("session",)
    )
    left = GaugeMetricFamily(
        "rigd_disk_seconds_left",
        "How long the free space lasts, smoothed",
        labels=("session",),
    )
    for one in sessions:
        is_recording = float(one.state is State.RECORDING)
        recording.add_metric((one.session, one.subject), is_recording)
        if one.progress is not None:
            _add(seconds, (one.session,), one.progress.seconds)
            _add(free, (one.session,), one.progress.free_bytes)
            _add(left, (one.session,), one.progress.seconds_left)
    yield from (recording, seconds, free, left)


def _of_streams(sessions: Iterable[SessionStatus]) -> Iterator[Metric]:
    """All that is known of each stream, one sample each."""
    rows = CounterMetricFamily("rigd_stream_rows", "Rows in the file", labels=STREAM)
    safe = CounterMetricFamily(
        "rigd_stream_safe_rows",
        "Rows on the disk: a power cut does not take them",
        labels=STREAM,
    )
    size = CounterMetricFamily("rigd_stream_bytes", "Size of the rows", labels=STREAM)
    rate = GaugeMetricFamily(
        "rigd_stream_rate_hertz", "Rows per second of the last seconds", labels=STREAM
    )
    nominal = GaugeMetricFamily(
        "rigd_stream_nominal_rate_hertz",
        "Rows per second as declared; none of event-like streams",
        labels=STREAM,
    )
    ppm = GaugeMetricFamily(
        "rigd_stream_rate_deviation_ppm",
        "How much faster than declared rows came in the last ten minutes, ppm",
        labels=STREAM,
    )
    lag = GaugeMetricFamily(
        "rigd_stream_lag_seconds", "Age of the newest row", labels=STREAM
    )
    ring = GaugeMetricFamily(
        "rigd_stream_ring_fill_ratio", "Used part of the source's ring", labels=STREAM
    )
    lost = CounterMetricFamily(
        "rigd_stream_lost_samples", "Samples lost", labels=(*STREAM, "cause")
    )
    for session, stream in _streams(sessions):
        labels = (session, stream.device, stream.stream)
        _add(rows, labels, stream.rows)
        _add(safe, labels, stream.safe_rows)
        _add(size, labels, stream.bytes)
        _add(rate, labels, stream.rate)
        _add(nominal, labels, stream.nominal_rate)
        _add(ppm, labels, stream.rate_ppm)
        _add(lag, labels, stream.lag_seconds)
        _add(ring, labels, stream.ring_fill)
        for cause, count in lost_by_cause(stream).items():
            lost.add_metric((*labels, cause), count)
    yield from (rows, safe, size, rate, nominal, ppm, lag, ring, lost)


def _of_clocks(sessions: Iterable[SessionStatus]) -> Iterator[Metric]:
    """How the clock of each stream runs while it is recorded."""
    drift = GaugeMetricFamily(
        "rigd_clock_drift_ppm",
        "How much faster than nominal the clock of a stream runs against the host's",
        labels=STREAM,
    )
    error = GaugeMetricFamily(
        "rigd_clock_scatter_seconds",
        "Scatter of the least delayed readings of a stream's clock",
        labels=STREAM,
    )
    pulses = CounterMetricFamily(
        "rigd_sync_pulses", "Pulses that a sync line has seen", labels=STREAM
    )
    expected = CounterMetricFamily(
        "rigd_sync_pulses_expected",
        "Pulses that it should have seen by its period or by the other lines",
        labels=STREAM,
    )
    for session, stream in _streams(sessions):
        labels = (session, stream.device, stream.stream)
        if stream.clock is not None:
            _add(drift, labels, stream.clock.drift_ppm)
            _add(error, labels, stream.clock.error_seconds)
            _add(pulses, labels, stream.clock.pulses)
        _add(expected, labels, stream.pulses_expected)
    yield from (drift, error, pulses, expected)


UNTOLD = "not yet told"
"""Cause of losses that the source knows of and the writer has not heard of."""


def lost_by_cause(stream: StreamProgress) -> dict[str, int]:
    """Losses by cause; together they are all losses."""
    untold = stream.lost - sum(stream.lost_by_cause.values())
    return {**stream.lost_by_cause, UNTOLD: max(0, untold)}


def _streams(
    sessions: Iterable[SessionStatus],
) -> Iterator[tuple[str, StreamProgress]]:
    for session in sessions:
        for stream in session.progress.streams if session.progress else ():
            yield session.session, stream


def _of_processes(usages: Iterable[Usage]) -> Iterator[Metric]:
    labels = ("process",)
    cpu = CounterMetricFamily(
        "rigd_process_cpu_seconds", "Processor time", labels=labels
    )
    memory = GaugeMetricFamily(
        "rigd_process_resident_bytes", "Memory in use", labels=labels
    )
    files = GaugeMetricFamily("rigd_process_open_files", "Open files", labels=labels)
    for usage in usages:
        _add(cpu, (usage.name,), usage.cpu_seconds)
        _add(memory, (usage.name,), usage.resident_bytes)
        _add(files, (usage.name,), usage.open_files)
    yield from (cpu, memory, files)


def _add(
    family: GaugeMetricFamily | CounterMetricFamily,
    labels: tuple[str, ...],
    value: Value,
) -> None:
    """Add a sample, if the value is known."""
    if value is not None:
        family.add_metric(labels, value)
