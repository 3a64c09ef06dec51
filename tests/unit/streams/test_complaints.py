"""Complaints come at most once a second, and the last one comes in any case."""

import pytest

from rigd.streams.messages import Event, Notice
from rigd.streams.process import Complaints


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def complain(told: list[str]) -> Complaints:
    def send(event: Event) -> None:
        assert isinstance(event, Notice)
        told.append(event.text)

    return Complaints(send, None)


def test_the_first_is_told_at_once(complain: Complaints, told: list[str]) -> None:
    complain("too hot")
    assert told == ["too hot"]


def test_what_follows_gathers(complain: Complaints, told: list[str]) -> None:
    for _ in range(3):
        complain("too hot")
    complain.tell()
    assert told == ["too hot"]


def test_the_last_word_is_not_kept_back(complain: Complaints, told: list[str]) -> None:
    complain("ring full")
    complain("ring full")
    complain("the device is gone")
    complain.finish()
    complain.finish()
    assert told == ["ring full", "the device is gone (2 times)"]
