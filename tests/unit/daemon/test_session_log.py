import json
from pathlib import Path

from rigd.daemon.event_log import MOST_LINES
from rigd.daemon.session_events import Output, Progress, StateChanged
from rigd.daemon.session_log import SessionLog
from rigd.daemon.session_state import State
from rigd.streams.messages import Notice


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_entry_says_when_how_grave_and_what(tmp_path: Path) -> None:
    log = SessionLog(tmp_path / "log.jsonl")
    log.observe(StateChanged(state=State.ARMING))
    log.observe(Notice(level="warning", text="ring full", stream="a"))
    log.observe(Notice(level="error", text="writer:a has died"))
    log.close()
    found = entries(tmp_path / "log.jsonl")
    assert [list(entry)[:4] for entry in found] == [
        ["time", "monotonic_ns", "level", "event"]
    ] * 3
    assert [entry["level"] for entry in found] == ["info", "warning", "error"]
    assert found[0]["state"] == "arming"
    assert found[1]["text"] == "ring full"
    assert found[1]["stream"] == "a"


def test_a_second_log_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    for state in (State.ARMING, State.RECORDING):
        log = SessionLog(tmp_path / "log.jsonl")
        log.observe(StateChanged(state=state))
        log.close()
    states = [entry["state"] for entry in entries(tmp_path / "log.jsonl")]
    assert states == ["arming", "recording"]


def test_entries_are_on_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    log = SessionLog(tmp_path / "log.jsonl")
    log.observe(StateChanged(state=State.ARMING))
    assert len(entries(tmp_path / "log.jsonl")) == 1
    log.close()


def test_progress_is_logged_once_a_minute(tmp_path: Path) -> None:
    log = SessionLog(tmp_path / "log.jsonl")
    for tick in range(20):
        log.observe(
            Progress(
                seconds=tick / 2, duration=None, streams=[], free_bytes=1,
                seconds_left=None,
            )
        )  # fmt: skip
    log.close()
    assert len(entries(tmp_path / "log.jsonl")) == 1


def test_the_output_of_a_process_is_bounded_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    log = SessionLog(tmp_path / "log.jsonl")
    for number in range(MOST_LINES + 70):
        log.observe(Output(process="source:box", line=str(number)))
    log.observe(Output(process="source:other", line="quiet one"))
    log.close()
    found = entries(tmp_path / "log.jsonl")
    assert len(found) == MOST_LINES + 3
    assert found[MOST_LINES]["line"] == "(more is not logged)"
    assert found[-2]["line"] == "quiet one"
    assert found[-1]["lines"] == 70


def test_a_full_disk_does_not_stop_the_session() -> None:
    log = SessionLog(Path("/dev/full"))
    log.observe(StateChanged(state=State.ARMING))
    log.close()
