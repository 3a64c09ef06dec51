"""The laboratory of the system tests: no process and no socket may be left behind."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.laboratory import Laboratory


def is_left_behind(path: Path) -> bool:
    """Whether it is more than the empty runtime directory of a service."""
    return path.name != "rigd" or not path.is_dir()


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    """A laboratory that nothing outlives: no process and no socket."""
    runtime = Path(tempfile.mkdtemp(prefix="rigd-test-"))
    place = Laboratory(tmp_path, runtime)
    try:
        yield place
        left_processes = place.end_all()
        left_sockets = [path for path in runtime.rglob("*") if is_left_behind(path)]
    finally:
        place.end_all()
        shutil.rmtree(runtime)
    assert not left_processes, "processes are left behind"
    if not place.was_killed:
        assert not left_sockets, "sockets are left behind"
