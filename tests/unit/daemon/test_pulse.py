"""What a session does in words, and whether its data path is alive."""

from rigd.daemon.pulse import SILENT, SessionPulse, all_in_words
from rigd.daemon.session_events import (
    FolderMade,
    Progress,
    StateChanged,
    StreamProgress,
    Summary,
)
from rigd.daemon.session_state import State


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def progress(*rates: float | None, left: float | None = 11_400.0) -> Progress:
    return Progress(
        seconds=751.4,
        duration=None,
        streams=[
            StreamProgress(stream=f"s{n}", device="d", rate=rate, lost=n)
            for n, rate in enumerate(rates)
        ],
        free_bytes=1,
        seconds_left=left,
    )


def recording(clock: Clock) -> SessionPulse:
    pulse = SessionPulse(clock)
    pulse.observe(FolderMade(folder="/d/s1", session="s1", subject="m7"))
    pulse.observe(StateChanged(state=State.RECORDING))
    return pulse


def test_words() -> None:
    pulse = SessionPulse(Clock())
    pulse.observe(StateChanged(state=State.CHECKING))
    assert pulse.in_words == "checking"
    pulse = recording(Clock())
    assert pulse.in_words == "recording s1"
    pulse.observe(progress(1.0, 2.0, 3.0))
    assert pulse.in_words == (
        "recording s1, 3 streams, 00:12:31, 3 lost, 3 h 10 min of disk left"
    )
    pulse.observe(progress(1.0, left=None))
    assert pulse.in_words == "recording s1, 1 stream, 00:12:31, 0 lost"
    pulse.observe(StateChanged(state=State.FINALIZING))
    assert pulse.in_words == "finalizing s1"
    pulse.observe(Summary(folder="/d/s1", verdict="complete", reasons=[], streams=[]))
    pulse.observe(StateChanged(state=State.DONE))
    assert pulse.is_over
    assert pulse.in_words == "s1 is complete"
    assert all_in_words([]) == "ready"
    assert all_in_words([pulse, recording(Clock())]) == "s1 is complete; recording s1"


def test_writers_that_speak_keep_it_alive() -> None:
    clock = Clock()
    pulse = recording(clock)
    for _ in range(20):
        clock.now += SILENT / 2
        pulse.observe(progress(None, 0.0))
        assert pulse.is_alive


def test_silence_of_all_writers_is_death_while_recording_only() -> None:
    clock = Clock()
    pulse = recording(clock)
    clock.now += SILENT - 1
    pulse.observe(progress(None, None))
    assert pulse.is_alive
    clock.now += 2
    pulse.observe(progress(None, None))
    assert not pulse.is_alive
    pulse.observe(StateChanged(state=State.DRAINING))
    clock.now += 10 * SILENT
    assert pulse.is_alive
