"""Logs for the journal and for people."""

import json
import logging
import os
import subprocess
import sys

import pytest

SCRIPT = """
import logging, os, sys
from rigd.daemon.logs import JournalLog, configure_logs, print_fault
from rigd.daemon.session_events import FolderMade
from rigd.streams.messages import Notice

if sys.argv[1] == "journal":
    status = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
configure_logs(sys.stderr, os.environ)
log = JournalLog()
log.observe(FolderMade(folder="/d/s1", session="s1", subject="m7"))
log.observe(Notice(level="info", text="going on", stream="voltage"))
log.observe(Notice(level="error", text="the disk\\nis full"))
logging.getLogger("h5py").warning("old library")
logging.getLogger("h5py").info("nobody wants to know")
print_fault(ValueError("two\\nlines"))
"""


def run(reader: str) -> list[str]:
    environment = {n: v for n, v in os.environ.items() if n != "JOURNAL_STREAM"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, reader],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stderr.splitlines()


def test_the_journal_gets_priorities_and_fields() -> None:
    lines = run("journal")
    assert [line[:3] for line in lines] == ["<6>", "<6>", "<3>", "<4>", "<3>", "<3>"]
    made, notice, error, warning = (json.loads(line[3:]) for line in lines[:4])
    assert (made["event"], made["folder"]) == ("folder", "/d/s1")
    assert notice["session"] == error["session"] == "s1"
    assert notice["subject"] == "m7"
    assert (notice["stream"], notice["level"]) == ("voltage", "info")
    assert error["text"] == "the disk\nis full"
    assert warning["event"] == "old library"
    assert lines[4:] == ["<3>rigd: two", "<3>lines"]


def test_people_get_plain_lines() -> None:
    lines = run("person")
    assert "going on" in lines[1]
    assert not any("\x1b" in line or line.startswith("<") for line in lines)
    assert lines[-2:] == ["rigd: two", "lines"]


def test_the_levels_are_those_of_syslog() -> None:
    from rigd.daemon.logs import PRIORITIES

    by_severity = sorted(PRIORITIES, key=lambda name: PRIORITIES[name])
    numbers = [logging.getLevelName(name.upper()) for name in by_severity]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("value", ["", "1:2", "x", "1"])
def test_another_stream_is_no_journal(value: str) -> None:
    from rigd.daemon.logs import is_journal

    assert not is_journal(sys.stderr, {"JOURNAL_STREAM": value})
