"""Times of a long recording are made and written in little time and memory."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TENTH = 10_800_000


def test_a_tenth_of_an_hour_takes_a_tenth_of_the_limits() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.clock_sessions.many_times", str(TENTH)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    told = json.loads(run.stdout)
    assert told["rows"] == TENTH
    assert told["cpu_s"] < 1.0
    assert told["peak_mb"] < 200
    assert told["packing"] == ["gzip", True]
    assert told["bytes_per_row"] < 1
    assert told["from_line_ms"] > 0.001
