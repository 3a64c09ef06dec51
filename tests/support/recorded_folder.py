"""A session folder as it stands when recording is over and finalizing is to begin."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rigd.config.dump import dump_session
from rigd.config.paths import SessionPaths
from rigd.daemon.prepare import prepare
from rigd.daemon.session_record import SessionRecord
from rigd.streams.block import NO_TIME
from rigd.streams.durable_stream import DurableStream
from rigd.streams.ledger import ENDED_REGULARLY, LostInterval
from rigd.streams.standing import Standing
from rigd.streams.wire import RECORD
from tests.support.nwb_session import (
    FORMATS,
    START_NS,
    make_record,
    make_session,
    sample_rows,
    session_paths,
)

DRIFT = 2e-5
"""All devices are so much too fast."""

BEGIN = 2.0
"""Session seconds of the first row."""

DEVICE_NS = 10**15
"""The device's clock at the first row."""

EVENT_RATE = 20.0
"""Rows per second of the event-like streams."""

LATE_NS = 100_000
"""Mean time that samples take to the host, ns; exponential."""


def true_times(name: str, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Session seconds of samples."""
    rate = FORMATS[name].rate or EVENT_RATE
    times: npt.NDArray[np.float64] = BEGIN + samples / (rate * (1 + DRIFT))
    return times


def record_stream(
    path: Path,
    record: SessionRecord,
    name: str,
    *,
    samples: int,
    gap: tuple[int, int] | None = None,
    ended: int = ENDED_REGULARLY,
    reason: str = "",
) -> None:
    """Write so many samples of a stream, in blocks of 50 ms, and its journal.

    Args:
        path: The stream file, which is prepared.
        record: The record of the session.
        name: Name of the stream.
        samples: How many samples the device gives.
        gap: First sample and number of samples that the device lost.
        ended: How the stream ends.
        reason: Why.

    """
    stream = FORMATS[name]
    rng = np.random.default_rng(len(name))
    layout, key = record.streams[name].layout(name), record.streams[name].key
    file = DurableStream(path, layout, stream, key, durable=False)
    rows = sample_rows(stream, samples)
    step = max(1, int((stream.rate or EVENT_RATE) * 0.05))
    lost = range(gap[0], gap[0] + gap[1]) if gap else range(0)
    cuts = sorted(
        {*range(0, samples, step), samples, *((lost.start, lost.stop) if gap else ())}
    )
    for number, (first, stop) in enumerate(zip(cuts, cuts[1:], strict=False)):
        if first in lost:
            file.append_lost(
                LostInterval(first, stop - first, file.rows, 0, "ring full")
            )
            continue
        index = np.arange(first, stop)
        late = rng.exponential(LATE_NS)
        host_ns = START_NS + int(true_times(name, index[-1:])[0] * 1e9 + late)
        body = rows[first:stop].tobytes()
        device_ns = NO_TIME
        if stream.row_times:
            row_ns = DEVICE_NS + (index * (1e9 / EVENT_RATE)).astype(np.int64)
            body += row_ns.tobytes()
            device_ns = int(row_ns[0])
        entry = RECORD.pack(
            number, first, device_ns, host_ns, stop - first, 0, number, 0
        )
        file.append([entry], [body], [stop - first])
    standing = Standing(len(cuts), sender=1, next=samples, lost=len(lost))
    file.close(standing, ended, reason)


def prepared_folder(folder: Path) -> tuple[SessionPaths, SessionRecord]:
    """Make a session folder with empty stream files of every NWB type."""
    folder.mkdir()
    paths, session = session_paths(folder), make_session()
    paths.settings.write_text(dump_session(session))
    record = make_record(paths, session)
    record.save(paths.record)
    paths.streams.mkdir(exist_ok=True)
    prepare(paths, session, record)
    return paths, record


def recorded_folder(folder: Path, seconds: float = 6.0) -> SessionPaths:
    """Make a session folder in which every stream was recorded from start to end."""
    paths, record = prepared_folder(folder)
    for name, stream in FORMATS.items():
        samples = int(seconds * (stream.rate or EVENT_RATE))
        record_stream(paths.stream_file(name), record, name, samples=samples)
    return paths
