"""A link whose target is gone: pynwb warns and gives an empty array, the audit tells.

An analysis that does not look at warnings goes on with no data. Hence the audit.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hdmf.backends.warnings import BrokenLinkWarning
from pynwb import NWBHDF5IO

from rigd.config.paths import SessionPaths
from rigd.daemon.links import audit
from tests.support.nwb_session import linked_session


@pytest.fixture
def paths(tmp_path: Path) -> SessionPaths:
    made = linked_session(tmp_path, {"ap": 30})
    made.stream_file("ap").chmod(0o644)
    return made


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("renamed.nwb"))


def spoil(path: Path) -> None:
    path.write_bytes(b"spoiled" + path.read_bytes()[7:])


def lose_the_object(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.move("acquisition/ap", "acquisition/other")


BREAKS: list[tuple[Callable[[Path], None], str]] = [
    (remove, "the file is missing"),
    (rename, "the file is missing"),
    (spoil, "can't be read"),
    (lose_the_object, "the file has no /acquisition/ap/data"),
]


@pytest.mark.parametrize(("breaking", "what"), BREAKS)
def test_pynwb_warns_and_gives_nothing_where_the_audit_says_what_is_wrong(
    paths: SessionPaths, breaking: Callable[[Path], None], what: str
) -> None:
    breaking(paths.stream_file("ap"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with NWBHDF5IO(paths.session_file, "r") as reader:
            series = reader.read().acquisition["ap"]
            assert isinstance(series.data, np.ndarray)
            assert series.data.shape == (0,)
            assert len(series.timestamps) == 30
    broken = [str(w.message) for w in seen if w.category is BrokenLinkWarning]
    assert [text.rpartition(" ")[2] for text in broken] == [
        "/acquisition/ap/data",
        "/acquisition/ap/sync",
    ]
    data, sync = audit(paths.session_file)
    assert (data.object, sync.object) == (
        "/acquisition/ap/data",
        "/acquisition/ap/sync",
    )
    assert what in data.what
    assert data.target == "streams/sub-m1_ses-one_ap.nwb"


def test_a_target_that_is_still_written_is_stale_too(paths: SessionPaths) -> None:
    with h5py.File(paths.stream_file("ap"), "r+", libver="v110") as writer:
        writer.swmr_mode = True
        assert all("can't be read" in fault.what for fault in audit(paths.session_file))
    assert audit(paths.session_file) == []


def test_more_rows_than_times_are_seen_by_the_audit_alone(paths: SessionPaths) -> None:
    with h5py.File(paths.stream_file("ap"), "r+") as file:
        file["acquisition/ap/data"].resize(31, axis=0)
    assert pynwb.validate(path=paths.session_file) == []
    (fault,) = audit(paths.session_file)
    assert fault.what == "has 31 rows, but timestamps has 30"
