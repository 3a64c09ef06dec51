"""A short soak, and what its report would say of a service that grows."""

from dataclasses import replace

from tests.soak.soak import Measured, growth

GOOD = Measured("s1", "complete", 0, 20000, 25.0, 70.0, 20, 6, 0)


def test_nothing_has_grown() -> None:
    assert growth([replace(GOOD, memory=50.0), GOOD, GOOD, GOOD]) == []


def test_what_grows_is_named() -> None:
    later = replace(GOOD, memory=73.0, descriptors=21, threads=7, children=1)
    assert growth([GOOD, GOOD, GOOD, GOOD, later]) == [
        "descriptors have grown from 20 to 21",
        "threads have grown from 6 to 7",
        "children have grown from 0 to 1",
        "memory has grown by 3.00 MB",
    ]


def test_a_session_that_is_not_complete_is_named() -> None:
    assert growth([GOOD, GOOD, GOOD, replace(GOOD, verdict="degraded")]) == [
        "session s1 is degraded"
    ]
