"""Whole sessions on real small file systems that run full."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults_disk.disk_sessions import random_case, run_case
from tests.support.laboratory import Laboratory
from tests.support.small_disk import small_disk

MIB = 2**20


@pytest.mark.parametrize("seed", range(2))  # `make faults` has more
def test_sessions_of_random_streams_on_random_disks(
    laboratory: Laboratory, tmp_path: Path, seed: int
) -> None:
    outcome = run_case(random_case(seed), laboratory, tmp_path)
    assert not outcome.faults, f"seed {seed}: {outcome}"


def fast_device() -> dict[str, Any]:
    options = {"signal": "counter", "rate": "30 kHz", "channels": 64}
    return {"box": {"driver": "simulated", "streams": {"fast": {"options": options}}}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"duration": 3600.0}, "1 h 0 min"), ({}, "at least 1 min 0 s")],
)
def test_a_session_that_has_no_room_does_not_start(
    laboratory: Laboratory, tmp_path: Path, settings: dict[str, float], words: str
) -> None:
    with small_disk(tmp_path, 64 * MIB) as disk:
        (disk / "data").mkdir()
        run = laboratory.record(
            fast_device(), "--data-root", str(disk / "data"), **settings
        )
        code, errors = run.finish()
        assert code == 1
        assert f"needed for {words} and a reserve of 67.11 MB" in errors
        assert "most is for `fast`" in errors
        assert not list((disk / "data").iterdir()), "something was left behind"
