"""The laboratory of the system tests: no process and no socket may be left behind."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.laboratory import Laboratory


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    """A laboratory that nothing outlives: no process and no socket."""
    runtime = Path(tempfile.mkdtemp(prefix="rigd-test-"))
    place = Laboratory(tmp_path, runtime)
    try:
        yield place
        left_processes = place.end_all()
        left_sockets = list(runtime.rglob("*"))
    finally:
        place.end_all()
        shutil.rmtree(runtime)
    assert not left_processes, "processes are left behind"
    if not place.was_killed:
        assert not left_sockets, "sockets are left behind"
