"""Each stream file is compared with its journal: changed rows are named."""

import random
import shutil
from pathlib import Path

import pytest

from rigd.config.paths import SessionPaths
from rigd.daemon.content import journaled_chunks
from rigd.daemon.finalizer import finalize
from rigd.daemon.manifest import Manifest
from rigd.daemon.verdict import Verdict
from rigd.daemon.verify import RUNS_NAMED, Problem, verify
from rigd.streams.durable_stream import journal_path
from rigd.streams.journal import Extent
from tests.support.nwb_session import session_paths
from tests.support.recorded_folder import recorded_folder
from tests.unit.daemon.test_rescue import flip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "session"
    recorded_folder(folder, seconds=5.0)
    return folder


@pytest.fixture(scope="module")
def digested(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finalized(original, tmp_path_factory.mktemp("digested"), sha256=True)


@pytest.fixture(scope="module")
def quick(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finalized(original, tmp_path_factory.mktemp("quick"), sha256=False)


def finalized(original: Path, folder: Path, *, sha256: bool) -> Path:
    shutil.copytree(original, folder / "session")
    finalize(folder / "session", sha256=sha256)
    return folder / "session"


def copied(folder: Path, tmp_path: Path) -> SessionPaths:
    shutil.copytree(folder, tmp_path / "session")
    return session_paths(tmp_path / "session")


def data_chunks(paths: SessionPaths, name: str) -> list[Extent]:
    chunks = journaled_chunks(journal_path(paths.stream_file(name)))
    return [chunk for chunk in chunks if chunk.dataset == 0]


def whats(problems: list[Problem], path: Path) -> list[str]:
    return [problem.what for problem in problems if problem.file.endswith(path.name)]


def test_the_changed_rows_are_named(digested: Path, tmp_path: Path) -> None:
    paths = copied(digested, tmp_path)
    file = paths.stream_file("ap")
    chunk = data_chunks(paths, "ap")[1]
    flip(file, chunk.offset + chunk.size - 1)
    digest, rows = whats(verify(paths.folder), file)
    assert digest.startswith("content changed: its SHA-256 is ")
    assert rows == (
        f"rows {chunk.row} to {chunk.row + chunk.rows - 1} of /acquisition/ap/data are "
        f"not what was recorded (from byte {chunk.offset} on)"
    )


def test_chunks_that_follow_each_other_are_named_together(
    digested: Path, tmp_path: Path
) -> None:
    paths = copied(digested, tmp_path)
    chunks = data_chunks(paths, "ap")
    for chunk in chunks:
        flip(paths.stream_file("ap"), chunk.offset)
    last = chunks[-1].row + chunks[-1].rows - 1
    (rows,) = whats(verify(paths.folder), paths.stream_file("ap"))[1:]
    assert rows.startswith(f"rows 0 to {last} of /acquisition/ap/data are not")
    assert len(chunks) < RUNS_NAMED


@pytest.mark.parametrize("name", ["ap", "analog", "ttl"])
def test_without_sha256_a_changed_byte_anywhere_is_found_too(
    quick: Path, tmp_path: Path, name: str
) -> None:
    paths = copied(quick, tmp_path)
    file = paths.stream_file(name)
    entry = Manifest.load(paths.manifest).file_of(name)
    assert entry is not None
    assert (entry.sha256, entry.is_sealed) == (None, True)
    assert verify(paths.folder) == []
    chance = random.Random(1)
    for _ in range(15):
        place = chance.randrange(file.stat().st_size)
        flip(file, place)
        assert whats(verify(paths.folder), file), place
        flip(file, place)
    assert verify(paths.folder) == []


def test_a_changed_byte_outside_of_the_rows_is_told_as_that(
    quick: Path, tmp_path: Path
) -> None:
    paths = copied(quick, tmp_path)
    file = paths.stream_file("analog")
    content = file.read_bytes()
    place = content.index(b"newton")  # the unit, in an attribute
    flip(file, place)
    (what,) = whats(verify(paths.folder), file)
    assert what.startswith("content changed outside of the samples")


@pytest.mark.parametrize("first", [True, False])
def test_how_it_was_sealed_first_is_how_it_stays(
    original: Path, tmp_path: Path, first: bool
) -> None:
    paths = copied(original, tmp_path)
    sealed = finalize(paths.folder, sha256=first)
    again = finalize(paths.folder, sha256=not first)
    assert again.verdict is Verdict.COMPLETE
    assert sealed.file_of("ap") == again.file_of("ap")
    assert verify(paths.folder) == []


def test_a_changed_journal_is_found(digested: Path, tmp_path: Path) -> None:
    paths = copied(digested, tmp_path)
    journal = journal_path(paths.stream_file("camera"))
    flip(journal, journal.stat().st_size - 3)
    (problem,) = verify(paths.folder)
    assert (problem.file, problem.stream) == (f"streams/{journal.name}", "camera")


def test_rows_that_changed_before_sealing_degrade_the_stream(
    original: Path, tmp_path: Path
) -> None:
    paths = copied(original, tmp_path)
    flip(paths.stream_file("ap"), data_chunks(paths, "ap")[0].offset)
    manifest = finalize(paths.folder)
    assert manifest.verdict is Verdict.DEGRADED
    assert manifest.reasons == ["stream `ap`: 1 chunks are not what was recorded"]
    (rows,) = whats(verify(paths.folder), paths.stream_file("ap"))
    assert rows.startswith("rows 0 to ")


def test_what_a_recovery_has_kept_is_mentioned_and_no_problem(
    digested: Path, tmp_path: Path
) -> None:
    paths = copied(digested, tmp_path)
    kept = paths.streams / "crashed" / "1"
    kept.mkdir(parents=True)
    (kept / "old.nwb").write_bytes(bytes(100))
    (problem,) = verify(paths.folder)
    assert (problem.level, problem.file) == ("note", "streams/crashed")
    assert "holds what a recovery found, 100 bytes" in problem.what
