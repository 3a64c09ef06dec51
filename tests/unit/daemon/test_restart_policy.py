"""How fast and how often a process that dies is started again."""

import pytest

from rigd.daemon.restart_policy import RestartPolicy

POLICY = RestartPolicy(delays=(0.0, 0.5, 2.0), most=4, window=60.0)


@pytest.mark.parametrize(
    ("deaths", "start"),
    [
        ([100.0], 100.0),
        ([100.0, 101.0], 101.5),
        ([100.0, 101.0, 102.0], 104.0),
        ([100.0, 101.0, 102.0, 103.0], 105.0),
        ([100.0, 101.0, 102.0, 103.0, 104.0], None),
        ([100.0, 160.0], 160.0),
        ([100.0, 159.9], 160.4),
        ([100.0, 101.0, 102.0, 103.0, 162.5], 163.0),
        ([100.0, 101.0, 102.0, 103.0, 160.5], 162.5),
    ],
    ids=str,
)
def test_when_it_is_started_again(deaths: list[float], start: float | None) -> None:
    assert POLICY.next_start(deaths) == start


def test_a_process_that_dies_once_a_minute_is_started_for_ever() -> None:
    deaths: list[float] = []
    for minute in range(1000):
        deaths.append(60.0 * minute)
        assert POLICY.next_start(deaths) == deaths[-1]


def test_the_default_waits_less_than_half_a_ring() -> None:
    policy = RestartPolicy()
    assert policy.next_start([0.0]) == 0.0
    assert max(policy.delays) < 5.0
    assert policy.next_start([0.0] * policy.most) is not None
    assert policy.next_start([0.0] * (policy.most + 1)) is None
    assert "more than 10 times within 60 s" in policy.why_given_up()


def test_a_writer_that_never_comes_up_is_given_up_soon() -> None:
    policy = RestartPolicy()
    assert not policy.is_hopeless(policy.most_failed_starts - 1)
    assert policy.is_hopeless(policy.most_failed_starts)
    assert "could not be started 3 times" in policy.why_given_up(3)


def test_silence() -> None:
    assert not POLICY.is_dead(POLICY.silence)
    assert POLICY.is_dead(POLICY.silence + 0.1)
    assert not POLICY.is_dead(POLICY.silence + 0.1, allowed=20.0)
    assert POLICY.is_dead(20.1, allowed=20.0)
