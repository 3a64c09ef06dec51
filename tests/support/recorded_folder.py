"""A session folder as it stands when recording is over and finalizing is to begin."""

from collections.abc import Mapping
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
    file = open_stream(path, record, name)
    cuts = append_samples(file, name, 0, samples, gap)
    lost = gap[1] if gap else 0
    standing = Standing(cuts, sender=1, next=samples, lost=lost)
    file.close(standing, ended, reason)


def open_stream(path: Path, record: SessionRecord, name: str) -> DurableStream:
    """Open a prepared stream file, or one that was cut off, as its writer does."""
    layout, key = record.streams[name].layout(name), record.streams[name].key
    return DurableStream(path, layout, FORMATS[name], key, durable=False)


def append_samples(
    file: DurableStream,
    name: str,
    first: int,
    stop: int,
    gap: tuple[int, int] | None = None,
) -> int:
    """Append the samples [first, stop) of a stream; return the number of messages."""
    stream = FORMATS[name]
    rng = np.random.default_rng(len(name))
    rows = sample_rows(stream, stop)
    step = max(1, int((stream.rate or EVENT_RATE) * 0.05))
    lost = range(gap[0], gap[0] + gap[1]) if gap else range(0)
    ends = {*range(first, stop, step), stop, *((lost.start, lost.stop) if gap else ())}
    cuts = sorted(ends)
    for number, (start, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
        if start in lost:
            file.append_lost(
                LostInterval(start, end - start, file.rows, 0, "ring full")
            )
            continue
        index = np.arange(start, end)
        late = rng.exponential(LATE_NS)
        host_ns = START_NS + int(true_times(name, index[-1:])[0] * 1e9 + late)
        body = rows[start:end].tobytes()
        device_ns = NO_TIME
        if stream.row_times:
            row_ns = DEVICE_NS + (index * (1e9 / EVENT_RATE)).astype(np.int64)
            body += row_ns.tobytes()
            device_ns = int(row_ns[0])
        entry = RECORD.pack(
            number, start, device_ns, host_ns, end - start, 0, number, 0
        )
        file.append([entry], [body], [end - start])
    return len(cuts)


Chunks = Mapping[str, tuple[int, ...] | None]
"""Streams that are recorded, and their chunks; None: as usual."""

ALL = dict.fromkeys(FORMATS)


def prepared_folder(
    folder: Path, chunks: Chunks = ALL
) -> tuple[SessionPaths, SessionRecord]:
    """Make a session folder with empty stream files, of every NWB type if not said."""
    folder.mkdir()
    paths, session = session_paths(folder), make_session()
    paths.settings.write_text(dump_session(session))
    record = make_record(paths, session, {name: FORMATS[name] for name in chunks})
    for name, chunk in chunks.items():
        changed = record.streams[name].model_copy(update={"chunk": chunk})
        record.streams[name] = changed
    record.save(paths.record)
    paths.streams.mkdir(exist_ok=True)
    prepare(paths, session, record)
    return paths, record


def recorded_folder(
    folder: Path, seconds: float = 6.0, chunks: Chunks = ALL
) -> SessionPaths:
    """Make a session folder in which every stream was recorded from start to end."""
    paths, record = prepared_folder(folder, chunks)
    for name in chunks:
        samples = int(seconds * (FORMATS[name].rate or EVENT_RATE))
        record_stream(paths.stream_file(name), record, name, samples=samples)
    return paths
