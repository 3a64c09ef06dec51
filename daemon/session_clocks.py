"""Reads the clocks of all streams of a session folder, and aligns them."""

from pathlib import Path

from rigd.config.clocks import Clocks
from rigd.daemon.clock_domains import (
    TAI_OFFSET_NS,
    SessionClocks,
    StreamClock,
    align_streams,
)
from rigd.daemon.clock_reading import read_stream_clock
from rigd.daemon.host_clock import HostClockReading, tai_offset_ns, wall_clock
from rigd.daemon.session_record import SessionRecord
from rigd.daemon.stream_record import StreamRecord
from rigd.streams.durable_stream import HDF5_ERRORS
from rigd.streams.stream_reader import StreamFileError, StreamReader


def read_session_clocks(
    folder: Path,
    record: SessionRecord,
    settings: Clocks,
    tolerance: float,
    host: list[HostClockReading],
) -> SessionClocks:
    """Align all streams of the session in `folder` whose files can be read.

    Args:
        folder: The session folder.
        record: The start of the session, and its streams.
        settings: What is asked for.
        tolerance: Largest error of times that counts as aligned, s.
        host: The computer's clocks during the recording.

    """
    read = {
        name: _read(folder / stream.file, name, stream, settings)
        for name, stream in record.streams.items()
    }
    clocks = {name: clock for name, clock in read.items() if clock is not None}
    return align_streams(
        clocks,
        {name: stream.device for name, stream in record.streams.items()},
        settings,
        tolerance=tolerance,
        start_ns=record.start_monotonic_ns,
        wall=wall_clock(host),
        tai_offset_ns=tai_offset_ns(host) or TAI_OFFSET_NS,
    )


def _read(
    path: Path, name: str, stream: StreamRecord, settings: Clocks
) -> StreamClock | None:
    """Read one stream; None where its file can't be used, which others will say."""
    sync = settings.sync_of(name)
    try:
        with StreamReader(path, stream.layout(name)) as reader:
            return read_stream_clock(reader, stream, sync)
    except (StreamFileError, *HDF5_ERRORS):
        return None
