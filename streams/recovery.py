"""Makes a whole stream file again out of a journal and the parts that it names.

What the journal's last checkpoint says is on the disk comes out bit for bit, whatever
became of HDF5's own index: rows are taken from the raw chunks, each compared with its
checksum, and from the journal itself. What can't be had goes into the ledger as lost.

    build a new pair in `.recovering/` -> keep what was found in `crashed/<n>/`
    -> file, then journal take the old names -> remove parts that are not needed

Each step is on the disk before the next one begins. It can be cut off at any moment and
done again with the same result; what was found is only read until the new pair is
whole.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rigd.streams.block import StreamFormat
from rigd.streams.durable_stream import (
    HDF5_ERRORS,
    DurableStream,
    PartFailedError,
    described,
    journal_path,
    part_path,
)
from rigd.streams.file_lock import holder, process_text
from rigd.streams.journal import Recovered
from rigd.streams.journal_file import (
    JournalError,
    beginning_path,
    sync_folder,
    write_new,
)
from rigd.streams.journal_state import JournalState, read_state
from rigd.streams.journaled_rows import Cut, JournaledRows, Rows
from rigd.streams.ledger import ENDED_WITH_REASON, LostInterval
from rigd.streams.room import StreamRoom
from rigd.streams.skeleton import find_change
from rigd.streams.standing import Standing
from rigd.streams.stream_layout import StreamLayout

CUT_OFF = "the writer did not come to its end; recovered from the journal"
"""Reason that a recovered stream gives for its end."""

UNSURE = "the journal is damaged after its last whole checkpoint; recovered up to it"
"""The same where an end is known, but perhaps not all rows before it."""

NOT_ENDED = "its writer did not come to its end"
SPREAD = "its rows were spread over several files"
MISSING = "its file is missing"

CRASHED = "crashed"
"""Folder beside the stream files for what a recovery found; it is the user's."""

RECOVERING = ".recovering"
"""Folder beside the stream files in which new ones are built."""


class RecoveryError(Exception):
    """The stream can't be recovered without making it worse: which, and why."""


# --- what there is to recover ---------------------------------------------------------


def recovered_path(stream_file: Path) -> Path:
    """Return where the new stream file is built, its journal beside it."""
    return stream_file.parent / RECOVERING / stream_file.name


def crashed_folder(stream_file: Path, number: int) -> Path:
    """Return where the stream's recovery `number` (from 1) keeps what it found."""
    return stream_file.parent / CRASHED / str(number)


def is_begun(stream_file: Path) -> bool:
    """Whether a recovery was cut off that has a journal of its own already."""
    return journal_path(recovered_path(stream_file)).exists()


def is_whole(stream_file: Path) -> bool:
    """Say whether the stream came to its end and stands in one file.

    Raises:
        JournalError: The journal can't be read.
        OSError: There is none.

    """
    if _is_built(recovered_path(stream_file)):
        return False
    end = read_state(journal_path(stream_file)).end
    return end is not None and end.whole and stream_file.exists()


def why_recover(stream_file: Path, layout: StreamLayout) -> str:
    """Say why a stream has to be recovered; empty: it is whole as it stands.

    Raises:
        JournalError: The journal can't be read.
        RecoveryError: Another process has the file open.
        OSError: There is no journal.

    """
    ready = recovered_path(stream_file)
    if _is_built(ready):
        return read_state(journal_path(ready)).recoveries[-1].reason
    state = read_state(journal_path(stream_file))
    if state.end is None:
        return NOT_ENDED
    if not state.end.whole:
        return SPREAD
    return _fault(stream_file, layout, state)


def _fault(stream_file: Path, layout: StreamLayout, state: JournalState) -> str:
    """Say in which way the file is not what the journal says; empty: it is."""
    if not stream_file.exists():
        return MISSING
    changed = find_change(stream_file, state.skeleton, layout.state)
    if changed:
        return f"its file is damaged ({changed})"
    try:
        with h5py.File(stream_file, "r") as file:
            found = [len(file[dataset.path]) for dataset in layout.datasets]
    except HDF5_ERRORS as error:
        if "unable to lock" in str(error):
            who = f"{stream_file.name} is open in another process"
            raise RecoveryError(f"{who}; close it there first") from error
        return f"its file can't be read as HDF5: {' '.join(str(error).split())}"
    if any(there < known for there, known in zip(found, state.rows, strict=True)):
        return "its file has fewer rows than its journal"
    return ""


# --- recovering -----------------------------------------------------------------------


def recover(
    stream_file: Path,
    layout: StreamLayout,
    stream_format: StreamFormat,
    reason: str = "",
) -> Recovered:
    """Make one whole stream file of what stands beside the journal.

    `reason` is why; without it, it is found out. What was found stays in the folder
    `crashed/` unless all of it is in the new file.

    Raises:
        JournalError: The journal has no whole head, or is of a later version.
        RecoveryError: Another process writes the stream; the journal is not of this
            stream; a file is missing without which rows would be lost; or the disk
            refuses the new one.
        OSError: What stands there can't be read or renamed.

    """
    ready = recovered_path(stream_file)
    if not _is_built(ready):
        _refuse_if_written(stream_file)
        _build(stream_file, layout, stream_format, reason)
    state = read_state(journal_path(ready))
    if ready.exists():
        if not _is_mere_merge(state):
            _keep(stream_file, crashed_folder(stream_file, len(state.recoveries)))
        _move(ready, stream_file)
    _move(journal_path(ready), journal_path(stream_file))
    tidy(stream_file)
    return state.recoveries[-1]


def _refuse_if_written(stream_file: Path) -> None:
    journal = journal_path(stream_file)
    pid = holder(journal)
    if pid is not None:
        raise RecoveryError(f"{journal.name} is being written by {process_text(pid)}")


def _is_built(ready: Path) -> bool:
    """Whether an earlier recovery was cut off only after the new journal's end."""
    if not journal_path(ready).exists():
        return False
    with suppress(JournalError):
        return read_state(journal_path(ready)).end is not None
    return False


def _is_mere_merge(state: JournalState) -> bool:
    """Whether all that was found is in the new file, so that it need not be kept."""
    last = state.recoveries[-1]
    return last.reason == SPREAD and not (
        last.missing or last.bad_chunks or last.damage
    )


# --- taking the place -----------------------------------------------------------------


def _keep(stream_file: Path, folder: Path) -> None:
    """Let what was found stand under a second name in `folder`; the journal last."""
    folder.mkdir(parents=True, exist_ok=True)
    sync_folder(folder.parent.parent)
    sync_folder(folder.parent)
    found = (stream_file, *_parts(stream_file), journal_path(stream_file))
    for path in found:
        if path.exists():
            _link(path, folder / path.name)
    sync_folder(folder)


def _link(path: Path, other: Path) -> None:
    if other.exists():
        return
    try:
        other.hardlink_to(path)
    except OSError:  # a file system without hard links
        path.rename(other)


def _move(path: Path, place: Path) -> None:
    path.replace(place)
    sync_folder(place.parent)
    sync_folder(path.parent)


def tidy(stream_file: Path) -> None:
    """Remove what a whole stream does not need: parts, and what was being built."""
    ready = recovered_path(stream_file)
    for path in (*_parts(stream_file), beginning_path(journal_path(stream_file))):
        path.unlink(missing_ok=True)
    tidy_up(ready)
    with suppress(OSError):  # other streams have something there, or it is not there
        ready.parent.rmdir()


def _parts(stream_file: Path) -> Iterator[Path]:
    """The files of further parts."""
    start = part_path(stream_file, 1).name.removesuffix("1.nwb")
    for path in sorted(stream_file.parent.iterdir()):
        number = path.name.removeprefix(start).removesuffix(".nwb")
        if path.name == f"{start}{number}.nwb" and number.isdecimal():
            yield path


# --- building -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What the new file will hold: rows of each dataset, standing, what is lost."""

    limits: Rows
    standing: Standing
    lost: LostInterval | None


def _build(
    stream_file: Path, layout: StreamLayout, stream_format: StreamFormat, reason: str
) -> None:
    state = read_state(journal_path(stream_file))
    _refuse_other_layout(stream_file, layout, state)
    reason = reason or why_recover(stream_file, layout) or "it was asked for"
    with JournaledRows(stream_file, layout, state) as source:
        found = source.count(state.rows)
        plan = _plan(source, layout, state, found)
        recovered = Recovered(
            rows=plan.limits[0],
            missing=state.rows[0] - plan.limits[0],
            bad_chunks=source.bad_chunks,
            damage=sum(damage.stop - damage.start for damage in state.damage),
            parts=max(1, len(state.parts)),
            reason=reason,
        )
        if recovered.missing:
            _refuse_missing_files(stream_file, source, recovered.missing)
        most = _most_bytes(layout, state, plan.limits)
        _refuse_without_room(stream_file, most)
        ready = recovered_path(stream_file)
        try:
            _write(ready, layout, stream_format, state, source, plan, recovered)
        except (OSError, JournalError, PartFailedError) as error:
            tidy_up(ready)
            raise RecoveryError(
                f"{stream_file.name} can't be built again in {ready.parent}: {error}"
            ) from error


def _refuse_other_layout(
    stream_file: Path, layout: StreamLayout, state: JournalState
) -> None:
    wanted = json.loads(json.dumps(described(layout)))
    if state.head.datasets != wanted or state.head.compression != layout.compression:
        raise RecoveryError(
            f"{journal_path(stream_file).name} is of another stream: it speaks of "
            f"{state.head.stream} with other datasets"
        )


def _refuse_missing_files(
    stream_file: Path, source: JournaledRows, missing: int
) -> None:
    files = ", ".join(path.name for path in source.missing_files())
    if files:
        raise RecoveryError(
            f"{files} is missing, and {missing} rows with it: put it back into "
            f"{stream_file.parent} and recover again"
        )


def _most_bytes(layout: StreamLayout, state: JournalState, limits: Rows) -> int:
    """Bound the size of the new pair, if compression saves nothing."""
    room = StreamRoom(layout)
    rows, blocks = limits[0], limits[layout.datasets.index(layout.blocks)]
    beside = room.extents(rows) + room.journal_end + room.data_end
    return room.data(rows, blocks) + beside + 3 * len(state.skeleton)


def _refuse_without_room(stream_file: Path, most: int) -> None:
    """Fill no disk with half a file; the new pair is no larger than what was found."""
    found = (stream_file, *_parts(stream_file), journal_path(stream_file))
    needed = min(most, sum(path.stat().st_size for path in found if path.exists()))
    free = shutil.disk_usage(stream_file.parent).free
    if needed > free:
        raise RecoveryError(
            f"there is no room to build {stream_file.name} again beside what was "
            f"found: {needed} bytes are needed, {free} are free in "
            f"{stream_file.parent}; make room and recover again, nothing was changed"
        )


def _write(
    ready: Path,
    layout: StreamLayout,
    stream_format: StreamFormat,
    state: JournalState,
    source: JournaledRows,
    plan: Plan,
    recovered: Recovered,
) -> None:
    """Write the new pair; it is on the disk, and its journal has its end, at last."""
    ready.parent.mkdir(exist_ok=True)
    sync_folder(ready.parent.parent)
    tidy_up(ready)
    write_new(ready, state.skeleton)
    new = DurableStream(ready, layout, stream_format, state.head.key)
    for dataset, rows in source.rows(plan.limits):
        new.append_raw(dataset, rows)
    if plan.lost is not None:
        new.append_lost(plan.lost)
    for one in (*state.recoveries, recovered):
        new.note_recovery(one)
    new.close(plan.standing, *_end_of(state))


def tidy_up(ready: Path) -> None:
    """Remove a new pair that was not finished; the journal last."""
    journal = journal_path(ready)
    for path in (ready, beginning_path(journal), journal):
        path.unlink(missing_ok=True)


def _end_of(state: JournalState) -> tuple[int, str]:
    if state.end is None:
        return ENDED_WITH_REASON, UNSURE if state.is_torn else CUT_OFF
    if state.is_torn or not state.is_sure:
        return ENDED_WITH_REASON, UNSURE
    return state.end.ended, state.end.reason


def _plan(
    source: JournaledRows, layout: StreamLayout, state: JournalState, found: Rows
) -> Plan:
    """Cut all datasets to what they have in common; account for what is cut off.

    What was expected stays what it was: received + lost at the last checkpoint. What
    had been lost after the cut is part of the one interval that the cut leaves.
    """
    standing = state.checkpoint.standing if state.checkpoint else Standing()
    if found == state.rows:
        return Plan(found, standing, None)
    numbers = {dataset.path: n for n, dataset in enumerate(layout.datasets)}
    clock, lost, blocks = (
        numbers[part.path] for part in (layout.clock, layout.lost, layout.blocks)
    )
    by_row = [n for n in numbers.values() if n not in (clock, lost, blocks)]
    known = source.known_lost(lost, found[lost])
    rows = min(found[n] for n in by_row)
    cut = source.last_cut(blocks, found[blocks], rows, known)
    limits = list(found)
    for number in by_row:
        limits[number] = cut.rows
    limits[blocks] = cut.blocks
    sure = state.sound.rows[lost] if state.sound else 0
    kept, following = lost_before(cut, known, state.rows[0], sure)
    limits[lost] = len(kept)
    told = int(kept["count"].sum(dtype=np.uint64))
    missing = state.rows[0] + standing.lost - cut.rows - told
    interval = LostInterval(following, missing, cut.rows, cut.epoch, "disk")
    return Plan(
        tuple(limits),
        replace(standing, lost=told + missing),
        interval if missing else None,
    )


def lost_before(
    cut: Cut, known: npt.NDArray[Any], expected_rows: int, sure: int
) -> tuple[npt.NDArray[Any], int]:
    """Return the lost intervals that belong before a cut, and the sample after it.

    Right at the cut stand those that are acknowledged (the first `sure`), those that go
    on where the rows end, and all of them if no row is cut off. What was lost later is
    part of the one interval that the cut leaves.
    """
    following, kept = cut.following, 0
    for number, interval in enumerate(known):
        first, count, row, epoch = interval.item()[:4]
        goes_on = (first, epoch) == (following, cut.epoch)
        stays = number < sure or goes_on or cut.rows == expected_rows
        if row > cut.rows or (row == cut.rows and not stays):
            break
        kept += 1
        if row == cut.rows and epoch == cut.epoch:
            following = max(following, first + count)
    return known[:kept], following
