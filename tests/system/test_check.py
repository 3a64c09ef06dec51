"""`rigd check`, and the check before a start, on rigs with all kinds of faults."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rigd.daemon.exit_codes import BAD_CONFIGURATION
from tests.support.laboratory import Laboratory, Run
from tests.support.small_disk import small_disk

BAD_RIG: dict[str, Any] = {
    "good": {
        "driver": "simulated",
        "options": {"clock": {"drift_ppm": 20, "jitter": "0.2 ms"}},
        "streams": {
            "voltage": {"options": {"signal": "noise", "dtype": "int16", "channels": 8}}
        },
    },
    "silent": {
        "driver": "simulated",
        "streams": {"mute": {"options": {"signal": "sine", "never_delivers": True}}},
    },
    "fast": {
        "driver": "simulated",
        "options": {"clock": {"drift_ppm": 20_000}},
        "streams": {"analog": {"options": {"signal": "sine", "rate": "1 kHz"}}},
    },
    "synced": {
        "driver": "simulated",
        "streams": {
            "ttl": {"options": {"signal": "digital", "sync": {"line": 2}}},
        },
    },
    "unplugged": {
        "driver": "simulated",
        "streams": {
            "inputs": {"options": {"signal": "digital", "lines": 1, "rate": "1 kHz"}}
        },
    },
    "dying": {
        "driver": "simulated",
        "options": {"faults": [{"at": "0.5 s", "die": True}]},
        "streams": {"weight": {"options": {"signal": "sine", "rate": "100 Hz"}}},
    },
    "hanging": {
        "driver": "simulated",
        "open_timeout": "1 s",
        "options": {"hang_on_open": True},
        "streams": {"wheel": {"options": {"signal": "encoder"}}},
    },
}

GOOD = {"good": BAD_RIG["good"]}
FAST = {"fast": BAD_RIG["fast"]}
TRIAL = {"check": {"trial": 1}}


def check(laboratory: Laboratory, *arguments: str | Path) -> tuple[int, Run]:
    run = laboratory.start("check", *arguments)
    code, errors = run.finish()
    assert not errors
    return code, run


def outcomes(run: Run) -> dict[str, str]:
    (report,) = (e for e in run.events() if e["event"] == "check")
    return {f["subject"]: f["outcome"] for f in report["findings"]}


def found(run: Run, subject: str) -> str:
    (report,) = (e for e in run.events() if e["event"] == "check")
    (text,) = (f["found"] for f in report["findings"] if f["subject"] == subject)
    return str(text)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 24 * 2**20) as disk:
        yield disk


def test_a_rig_with_many_faults(laboratory: Laboratory, tiny: Path) -> None:
    clocks = {
        "synced": {"sync": {"stream": "ttl", "line": 2}},
        "unplugged": {"sync": {"stream": "inputs", "line": 5}},
    }
    session = laboratory.write_session(
        BAD_RIG,
        {
            "check": {"trial": 2},
            "disk": {"reserve": "4 MiB"},
            "clocks": {"devices": clocks},
        },
    )
    code, run = check(
        laboratory, session, "--json", "--duration", "1 h", "--data-root", tiny
    )
    assert code == 1
    assert (
        outcomes(run).items()
        >= {
            "device good": "pass",
            "stream voltage": "pass",
            "device silent": "pass",
            "stream mute": "fail",
            "device fast": "pass",
            "stream analog": "fail",
            "device hanging": "fail",
            "device dying": "fail",
            "stream ttl": "pass",
            "sync synced": "pass",
            "stream inputs": "pass",
            "sync unplugged": "fail",
            "disk space": "fail",
            "open files": "pass",
        }.items()
    )
    assert "open_timeout of 1 s" in found(run, "device hanging")
    assert "silent" in found(run, "stream mute")
    assert "is gone" in found(run, "device dying")
    measured = re.search(r"([+-]\d+) ± (\d+) ppm", found(run, "stream analog"))
    assert measured is not None
    ppm, doubt = map(int, measured.groups())
    assert abs(ppm - 20_000) <= doubt < 15_000
    assert list(tiny.iterdir()) == []


def test_a_good_rig_passes_and_people_get_a_table(laboratory: Laboratory) -> None:
    rig = {"data_root": str(laboratory.data), "devices": GOOD, **TRIAL}
    file = laboratory.folder / "rig.yaml"
    file.write_text(json.dumps(rig))
    code, run = check(laboratory, "--rig", file)
    assert code == 0
    out = "".join(run.lines)
    assert re.search(r"pass +stream voltage +\d+\.\d+ rows/s, declared 1000\.0", out)
    assert re.search(r"\d+ passed, \d+ warnings?, 0 failed", out)


def test_check_says_what_is_wrong_with_the_file(laboratory: Laboratory) -> None:
    session = laboratory.write_session(GOOD, {"check": {"trial": "3 parsecs"}})
    code, errors = laboratory.start("check", session).finish()
    assert code == BAD_CONFIGURATION
    assert "parsecs" in errors
    code, errors = laboratory.start("check").finish()
    assert (code, "--rig" in errors) == (2, True)


def test_a_failed_check_hinders_the_start(laboratory: Laboratory) -> None:
    session = laboratory.write_session(FAST, TRIAL, duration=1)
    code, errors = laboratory.start("record", session, "--plain").finish()
    assert code == 1
    assert "stream analog" in errors
    assert "--force" in errors
    assert list(laboratory.data.iterdir()) == []


def test_force_starts_and_the_verdict_remembers(laboratory: Laboratory) -> None:
    session = laboratory.write_session(FAST, TRIAL, duration=1)
    run = laboratory.start("record", session, "--json", "--force")
    code, _ = run.finish()
    assert code == 1
    assert outcomes(run)["stream analog"] == "fail"
    summary = run.events()[-1]
    assert (summary["event"], summary["verdict"]) == ("summary", "degraded")
    assert any("by force" in reason for reason in summary["reasons"])
    record = json.loads((laboratory.data / "s1" / "record.json").read_text())
    assert "stream analog" in record["overridden"][0]


def test_a_good_check_stands_in_the_log(laboratory: Laboratory) -> None:
    session = laboratory.write_session(GOOD, TRIAL, duration=1)
    run = laboratory.start("record", session, "--json")
    assert run.finish()[0] == 0
    log = (laboratory.data / "s1" / "log.jsonl").read_text().splitlines()
    (entry,) = (e for e in map(json.loads, log) if e["event"] == "check")
    assert entry["outcome"] in ("pass", "warn")
    assert run.events()[-1]["verdict"] == "complete"
