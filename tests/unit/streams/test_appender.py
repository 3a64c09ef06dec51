"""What a sender says is made fit for people and for files."""

import pytest

from rigd.streams.appender import printable


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"", ""),
        ("Gerät weg".encode(), "Gerät weg"),
        (b"two\nlines\tof text", "two lines of text"),
        (b"no\0end", "no\N{REPLACEMENT CHARACTER}end"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_reason_is_one_line_that_can_be_shown(said: bytes, shown: str) -> None:
    assert printable(said) == shown
