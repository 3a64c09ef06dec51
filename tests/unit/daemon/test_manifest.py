"""The manifest is written whole, read-only, and read back the same."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rigd.daemon.manifest import (
    INTERVALS_LISTED,
    AlignmentEntry,
    FileEntry,
    LedgerEntry,
    Manifest,
    ManifestError,
    StreamManifest,
)
from rigd.daemon.stream_entry import LostTime
from rigd.daemon.verdict import Verdict
from rigd.streams.clock_map import Axis, Fit, Mode
from rigd.streams.ledger import ENDED_WITH_REASON, Ledger, LostInterval


def make_manifest(verdict: Verdict = Verdict.DEGRADED) -> Manifest:
    lost = LostInterval(5, 3, 5, 0, "device")
    times = [LostTime(lost, 0.2, 0.3)]
    ledger = Ledger(97, 3, 1, 2, (lost,), ENDED_WITH_REASON, "cable")
    fit = Fit(Mode.NOMINAL, 1, None, 0.0, 0.0, None)
    return Manifest(
        identifier="8e4f0c1e",
        session="one",
        subject="m1",
        start_utc=datetime(2026, 11, 25, 12, tzinfo=UTC),
        verdict=verdict,
        reasons=["stream `ap`: lost 3 of 100 samples"],
        streams={
            "ap": StreamManifest(
                device="probe",
                file="streams/ap.nwb",
                verdict=verdict,
                reasons=["lost 3 of 100 samples"],
                rate=30000.0,
                rows=97,
                first_time=1.0,
                last_time=None,
                ledger=LedgerEntry.of(ledger, times, 30000.0),
                axis=Axis.SAMPLE,
                alignment=[AlignmentEntry.of(0, fit)],
            ),
            "gone": StreamManifest(
                device="probe", file=None, verdict=Verdict.FAILED, reasons=["why"]
            ),
        },
        files=[
            FileEntry(
                path="streams/ap.nwb", size=1, sha256="ab", mode="0444", stream="ap"
            )
        ],
        software={"rigd": "0.1.0"},
        finalized_by={"rigd": "0.1.0"},
        host={"name": "bench"},
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    manifest = make_manifest()
    manifest.save(path)
    assert Manifest.load(path) == manifest
    assert path.stat().st_mode & 0o777 == 0o444
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


def test_a_later_manifest_replaces_the_earlier(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    make_manifest().save(path)
    make_manifest(Verdict.COMPLETE).save(path)
    assert Manifest.load(path).verdict is Verdict.COMPLETE


def test_the_account_adds_up_and_says_why() -> None:
    ledger = make_manifest().streams["ap"].ledger
    assert ledger is not None
    assert ledger.expected == ledger.received + ledger.lost == 100
    assert ledger.lost_by_cause == {"device": 3}
    (lost,) = ledger.intervals
    assert (lost.first, lost.count, lost.start, lost.stop) == (5, 3, 0.2, 0.3)
    assert (ledger.ended, ledger.reason) == ("early", "cable")


def test_very_many_intervals_are_counted_but_not_all_listed() -> None:
    many = tuple(LostInterval(i, 1, i, 0, "device") for i in range(1500))
    times = [LostTime(one, None, None) for one in many]
    entry = LedgerEntry.of(Ledger(0, 1500, 0, 0, many, 0, ""), times, None)
    assert entry.interval_count == 1500
    assert len(entry.intervals) == INTERVALS_LISTED


def test_the_file_of_a_stream() -> None:
    manifest = make_manifest()
    assert manifest.file_of("ap") == manifest.files[0]
    assert manifest.file_of("gone") is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "was not finalized"),
        ("{", "no manifest of version 1"),
        ('{"version": 2}', "no manifest of version 1"),
    ],
)
def test_what_is_no_manifest_is_refused(
    tmp_path: Path, text: str | None, what: str
) -> None:
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ManifestError, match=what):
        Manifest.load(path)
