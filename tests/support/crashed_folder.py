"""Session folders as they stand after a crash, without a process that crashes.

The streams are written in one folder, and copied while they are still open: all that
the kernel holds is in the copy, as it is after kill -9.
"""

import shutil
import time
from pathlib import Path

from rigd.config.paths import SessionPaths
from rigd.streams.durable_stream import DurableStream
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.standing import Standing
from tests.support.nwb_session import FORMATS, session_paths
from tests.support.recorded_folder import (
    ALL,
    EVENT_RATE,
    Chunks,
    append_samples,
    open_stream,
    prepared_folder,
)

KEPT, MORE = 5.0, 0.5
"""Seconds that were on the disk, and seconds after that."""


def kept_rows(name: str) -> int:
    """Rows of a stream that a crashed folder promises."""
    return int(KEPT * (FORMATS[name].rate or EVENT_RATE))


def crashed_folder(folder: Path, chunks: Chunks = ALL) -> SessionPaths:
    """Make a session whose writers were all killed, some time after a checkpoint."""
    live, record = prepared_folder(folder.with_name("live"), chunks)
    files = []
    for name in chunks:
        file = open_stream(live.stream_file(name), record, name)
        files.append(file)
        keep(file, name, 0, kept_rows(name))
        append_samples(file, name, kept_rows(name), _more_rows(name))
        file.show()
    shutil.copytree(live.folder, folder)
    for file in files:
        file.close(Standing(), ENDED_REGULARLY, "")
    shutil.rmtree(live.folder)
    return session_paths(folder)


def spread_folder(folder: Path, chunks: Chunks = ALL) -> SessionPaths:
    """Make a session whose writers failed once, went on, and came to their end."""
    paths, record = prepared_folder(folder, chunks)
    for name in chunks:
        file = open_stream(paths.stream_file(name), record, name)
        keep(file, name, 0, kept_rows(name))
        append_samples(file, name, kept_rows(name), _more_rows(name))
        file.begin_part()
        append_samples(file, name, kept_rows(name), _more_rows(name))
        file.close(Standing(9, 1, _more_rows(name)), ENDED_REGULARLY, "")
    return paths


def keep(file: DurableStream, name: str, first: int, stop: int) -> None:
    """Append samples and bring them to the disk."""
    messages = append_samples(file, name, first, stop)
    file.note(Standing(messages, 1, stop))
    assert file.begin_sync()
    while not file.take_sync():
        time.sleep(0.001)


def _more_rows(name: str) -> int:
    return int((KEPT + MORE) * (FORMATS[name].rate or EVENT_RATE))
