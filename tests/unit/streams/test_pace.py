"""Slow streams rest, fast ones do not."""

from rigd.streams.pace import FAST, Pace


class FakeClock:
    """A clock that goes on when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def run(rate: float, seconds: float) -> FakeClock:
    clock = FakeClock()
    pace = Pace(0.03, clock=clock, sleep=clock.sleep)
    before = 0.0
    while clock.now < seconds:
        clock.now += 0.001
        waiting, before = (clock.now - before) * rate, clock.now
        pace.rest(int(waiting))
    return clock


def test_a_slow_stream_rests_nearly_all_the_time() -> None:
    assert run(1e6, 10).slept > 9.5


def test_a_fast_stream_stops_resting() -> None:
    assert run(4 * FAST, 10).slept < 0.2
