"""Recovers a damaged session folder and looks at all that it gives out.

A process of its own: the folder is named in a line on standard input, and the answer
is what is wrong.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from pynwb import NWBHDF5IO, NWBFile

from rigd.config.paths import SessionPaths
from rigd.daemon.finalizer import FinalizeError
from rigd.daemon.manifest import Manifest, StreamManifest
from rigd.daemon.recovering import RefusedError, recover_session
from rigd.daemon.session_lock import SessionBusyError
from rigd.daemon.verdict import Verdict
from rigd.daemon.verify import Problem, verify
from tests.faults.sabotage import apply
from tests.support.nwb_session import FORMATS, sample_rows, session_paths
from tests.support.recorded_folder import true_times

TIME_TOLERANCE = 0.002
"""Seconds by which times may differ from the true ones: the hosts' delay is 0.1 ms."""

UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py and pynwb raise when a file is damaged."""

DOUBTS = (
    "are not what was recorded",
    "is not as it was when it was sealed",
    "tells of",
    "can't be",
    "can't tell",
    "no journal",
    "nothing proves",
)
"""What a manifest says of a stream whose rows are not to be relied on."""


@dataclass(frozen=True)
class Outcome:
    """What became of a folder.

    Attributes:
        refused: Why nothing was done; empty: something was.
        wrong: Wrong values that were given out without a word, and the like.
        reported: Wrong values that were given out, and reported.
        rows: Rows that were given out and are right.

    """

    refused: str = ""
    wrong: tuple[str, ...] = ()
    reported: int = 0
    rows: int = 0


def judge(folder: Path, promised: dict[str, int]) -> Outcome:
    """Recover the folder; say what is wrong with what comes out."""
    before = contents(folder)
    try:
        recover_session(folder, lambda step, stream: None)
    except (RefusedError, FinalizeError, SessionBusyError, OSError) as error:
        if contents(folder) == before:
            return Outcome(refused=str(error))
        return Outcome(str(error), wrong=(f"refused, and changed: {error}",))
    problems = verify(folder)
    paths = session_paths(folder)
    if any(problem.file == "manifest.json" for problem in problems):
        return Outcome(refused="the manifest can't be read, verify says")
    manifest = Manifest.load(paths.manifest)
    given_out = {
        name: stream
        for name, stream in manifest.streams.items()
        if name in promised and stream.rows is not None
    }
    wrong: list[str] = []
    reported = rows = 0
    faults = faults_of(paths, given_out, promised)
    for name, stream in given_out.items():
        fault = faults[name]
        if not fault:
            rows += stream.rows or 0
        elif is_reported(name, stream, problems):
            reported += 1
        else:
            wrong.append(f"{name}: {fault}")
    return Outcome("", tuple(wrong), reported, rows)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def is_reported(name: str, stream: StreamManifest, problems: list[Problem]) -> bool:
    """Whether it was said that the rows of a stream are not to be relied on."""
    if any(p.level == "error" and p.stream in (name, None) for p in problems):
        return True
    said = [*stream.reasons, *stream.notes]
    return any(doubt in text for text in said for doubt in DOUBTS)


def faults_of(
    paths: SessionPaths, streams: dict[str, StreamManifest], promised: dict[str, int]
) -> dict[str, str]:
    """Say what of each stream is not as it was sent; empty: nothing.

    The session file is read once, by the schema at hand: reading the copy in the file
    takes longer than all else.
    """
    try:
        with (
            h5py.File(paths.session_file) as file,
            NWBHDF5IO(file=file, load_namespaces=False) as io,
        ):
            session = io.read()
            return {
                name: fault_of(session, name, stream, promised[name])
                for name, stream in streams.items()
            }
    except UNREADABLE as error:
        return dict.fromkeys(streams, unreadable(error))


def fault_of(session: NWBFile, name: str, stream: StreamManifest, promised: int) -> str:
    """Say what of a stream is not as it was sent; empty: nothing."""
    assert stream.rows is not None
    if stream.rows < promised and stream.verdict is Verdict.COMPLETE:
        return f"{stream.rows} of {promised} rows, said to be complete"
    try:
        return "; ".join(differences(session, name, stream.rows))
    except UNREADABLE as error:
        return unreadable(error)


def unreadable(error: Exception) -> str:
    """Say that something can't be read."""
    return f"unreadable: {type(error).__name__}: {error}"


def differences(session: NWBFile, name: str, rows: int) -> Iterator[str]:
    """Compare what pynwb gives for a stream with what was sent."""
    sent = sample_rows(FORMATS[name], rows)
    if name in session.acquisition:
        series = session.acquisition[name]
        given, times = {"": series.data[:]}, series.timestamps[:]
        yield from wrong_scale(name, series)
    else:
        table = session.events[name]
        columns = FORMATS[name].dtype.names or ()
        given = {column: table[column].data[:] for column in columns}
        times = table["timestamp"].data[:]
    for column, values in given.items():
        wanted = sent[column] if column else sent
        if not equal(values, wanted):
            yield f"{column or 'data'} differs"
    if len(times) != rows:
        yield f"{len(times)} times for {rows} rows"
    elif rows and np.abs(times - true_times(name, np.arange(rows))).max() > (
        TIME_TOLERANCE
    ):
        yield "times differ"


def equal(given: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> bool:
    """Whether two arrays are the same, byte by byte; text is given as `str`."""
    if given.dtype.hasobject:
        return [text.encode() for text in given] == list(wanted)
    return len(given) == len(wanted) and given.tobytes() == wanted.tobytes()


def wrong_scale(name: str, series: Any) -> Iterator[str]:
    """Compare unit, conversion and offset with what the device said."""
    form = FORMATS[name]
    told = (series.unit, series.conversion, series.offset)
    if told != (form.unit, form.conversion, form.offset):
        yield f"unit, conversion and offset are {told}"


def main() -> None:
    """Judge a folder a line, until standard input ends."""
    apply(os.environ.get("RIGD_SABOTAGE", ""))
    for line in sys.stdin:
        folder, promised = json.loads(line)
        try:
            outcome = judge(Path(folder), promised)
        except Exception as error:  # noqa: BLE001 - the edge of this process
            outcome = Outcome(wrong=(f"{type(error).__name__}: {error}",))
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
