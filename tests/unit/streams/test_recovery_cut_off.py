"""A recovery that is cut off before any of its steps ends the same when done again.

Each change of a name, each sync and each new file is a step. What the killed process
would leave is exact: everything up to the step, and nothing after it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rigd.streams.block import StreamFormat
from rigd.streams.durable_stream import DurableStream, journal_path
from rigd.streams.journal import Recovered
from rigd.streams.journal_file import Journal, sync_folder, write_new
from rigd.streams.journal_state import read_state
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.recovery import is_whole, recover, tidy, why_recover
from rigd.streams.standing import Standing
from rigd.streams.stream_layout import StreamLayout, stream_layout
from rigd.streams.wire import RECORD
from tests.support.stream_files import make_stream_file

FORMAT = StreamFormat(np.dtype("<i4"), (2,), 1000.0)
LAYOUT = stream_layout("s", FORMAT, chunk=(8,))
ROWS = 53


class KilledError(BaseException):
    """Ends a recovery at once, as a kill does: nobody handles it."""


class Steps:
    """Counts steps and ends the process, so to speak, before one of them."""

    def __init__(self, last: int) -> None:
        self.left = last

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **keywords: Any) -> Any:
            if self.left == 0:
                raise KilledError
            self.left -= 1
            return call(*arguments, **keywords)

        return guarded


@pytest.fixture
def killed_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Steps]]:
    """Let the steps of a recovery end before step `n`."""

    def arrange(last: int) -> Steps:
        steps = Steps(last)
        with_path = ("replace", "rename", "hardlink_to", "unlink", "mkdir", "rmdir")
        for name in with_path:
            monkeypatch.setattr(Path, name, steps.guard(getattr(Path, name)))
        for name in ("write", "write_now", "sync"):
            monkeypatch.setattr(Journal, name, steps.guard(getattr(Journal, name)))
        for module in ("recovery", "durable_stream"):
            written = steps.guard(write_new)
            monkeypatch.setattr(f"rigd.streams.{module}.write_new", written)
        monkeypatch.setattr(
            "rigd.streams.recovery.sync_folder", steps.guard(sync_folder)
        )
        return steps

    yield arrange
    monkeypatch.undo()


def crashed(folder: Path, *, parts: int, ended: bool) -> Path:
    """Make a stream in several parts; one that did not end, if not `ended`."""
    live = folder / "live"
    live.mkdir(parents=True)
    path = live / "s.nwb"
    make_stream_file(path, LAYOUT)
    stream = DurableStream(path, LAYOUT, FORMAT, 7, durable=False)
    for part in range(1, parts + 1):
        _keep(stream, stream.synced.standing.next, ROWS * part // parts)
        if part < parts:
            _append(stream, stream.synced.standing.next, 3)  # is not kept
            stream.begin_part()
    if ended:
        stream.close(Standing(9, 1, ROWS), ENDED_REGULARLY, "")
    shutil.copytree(live, folder / "streams")
    if not ended:
        stream.close(Standing(), ENDED_REGULARLY, "")
    shutil.rmtree(live)
    return folder / "streams" / "s.nwb"


def _append(stream: DurableStream, first: int, rows: int) -> None:
    values = np.arange(2 * first, 2 * (first + rows), dtype="<i4")
    stream.append(
        [RECORD.pack(0, first, 0, 0, rows, 0, 0, 0)], [values.tobytes()], [rows]
    )


def _keep(stream: DurableStream, first: int, stop: int) -> None:
    _append(stream, first, stop - first)
    stream.note(Standing(1, 1, stop))
    assert stream.begin_sync()
    while not stream.take_sync():
        pass


def check(path: Path, found: Recovered) -> None:
    assert (found.rows, found.missing, found.bad_chunks) == (ROWS, 0, 0)
    assert is_whole(path)
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(
            file["acquisition/s/data"][()].ravel(), np.arange(2 * ROWS)
        )
        assert file["acquisition/s/sync/state"]["rows"] == ROWS


def finish(path: Path, layout: StreamLayout = LAYOUT) -> None:
    """Do what is left to do, as the finalizer does."""
    reason = why_recover(path, layout)
    if reason:
        recover(path, layout, FORMAT, reason)
    else:
        tidy(path)


def names(path: Path) -> set[str]:
    folder = path.parent
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


KEPT = {"crashed/1/s.nwb", "crashed/1/s.journal"}
CASES = [
    (1, False, {"s.nwb", "s.journal", *KEPT}),
    (3, True, {"s.nwb", "s.journal"}),
    (2, False, {"s.nwb", "s.journal", *KEPT, "crashed/1/s.part1.nwb"}),
]


@pytest.mark.parametrize(("parts", "ended", "left"), CASES)
def test_cut_off_before_any_step_and_done_again(
    tmp_path: Path,
    killed_before: Callable[[int], Steps],
    monkeypatch: pytest.MonkeyPatch,
    parts: int,
    ended: bool,
    left: set[str],
) -> None:
    original = crashed(tmp_path / "original", parts=parts, ended=ended)
    sizes = {path.name: path.stat().st_size for path in original.parent.iterdir()}
    wanted: Recovered | None = None
    for step in range(1000):
        path = tmp_path / str(step) / "s.nwb"
        shutil.copytree(original.parent, path.parent)
        steps = killed_before(step)
        try:
            wanted = recover(path, LAYOUT, FORMAT)
            is_over = True
        except KilledError:
            is_over = False
        monkeypatch.undo()
        if not is_over:
            finish(path)
        check_result(path, left)
        check_kept(path, sizes)
        shutil.rmtree(path.parent)
        if is_over:
            break
    assert steps.left >= 0
    assert step > 20
    assert wanted is not None


def check_result(path: Path, left: set[str]) -> None:
    state = read_state(journal_path(path))
    (found,) = state.recoveries
    check(path, found)
    assert names(path) == left


def check_kept(path: Path, sizes: dict[str, int]) -> None:
    """What was found is kept as it was found."""
    for one in (path.parent / "crashed").rglob("*.*"):
        assert one.stat().st_size == sizes[one.name]


def test_where_there_are_no_hard_links_what_was_found_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, other: Path) -> None:
        raise PermissionError

    path = crashed(tmp_path, parts=2, ended=False)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    check(path, recover(path, LAYOUT, FORMAT))
    assert names(path) == CASES[2][2]


def test_a_second_recovery_keeps_what_it_found_beside_the_first(tmp_path: Path) -> None:
    path = crashed(tmp_path, parts=1, ended=False)
    recover(path, LAYOUT, FORMAT)
    os.truncate(path, path.stat().st_size // 2)
    damaged = path.read_bytes()
    finish(path)
    first, second = read_state(journal_path(path)).recoveries
    assert first.missing == 0
    assert second.rows + second.missing == ROWS
    assert (path.parent / "crashed/2/s.nwb").read_bytes() == damaged
    assert names(path) >= {"crashed/1/s.nwb", "crashed/1/s.journal"}


def test_a_part_of_another_stream_is_left_alone(tmp_path: Path) -> None:
    path = crashed(tmp_path, parts=2, ended=True)
    others = {"s.partly.nwb", "s.part.nwb", "t.part1.nwb", "s_2.nwb"}
    for name in others:
        (path.parent / name).touch()
    recover(path, LAYOUT, FORMAT)
    assert names(path) == {"s.nwb", "s.journal", *others}
