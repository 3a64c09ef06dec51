from datetime import UTC, datetime
from hashlib import blake2b

from rigd.daemon.session_start import (
    TRIES,
    read_clocks,
    software_versions,
    stream_key,
)


class Readings:
    """A clock whose readings are known."""

    def __init__(self, *values: int) -> None:
        self._values = list(values)

    def __call__(self) -> int:
        return self._values.pop(0)


def test_the_narrowest_pair_of_readings_counts() -> None:
    widths = [5000] * TRIES
    widths[17] = 40
    monotonic = [t for n in range(TRIES) for t in (n * 10**6, n * 10**6 + widths[n])]
    wall = [1_700_000_000_000_000_000 + n * 10**6 for n in range(TRIES)]
    pair = read_clocks(Readings(*monotonic), Readings(*wall))
    assert pair.utc == datetime(2023, 11, 14, 22, 13, 20, 17_000, tzinfo=UTC)
    assert pair.monotonic_ns == 17 * 10**6 + 20


def test_both_clocks_go_back_to_a_whole_microsecond_together() -> None:
    pair = read_clocks(lambda: 5000, lambda: 1_700_000_000_000_000_789)
    assert pair.utc == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert pair.monotonic_ns == 5000 - 789


def test_the_real_clocks_agree_with_themselves() -> None:
    first, second = read_clocks(), read_clocks()
    passed = (second.utc - first.utc).total_seconds()
    assert abs(passed - (second.monotonic_ns - first.monotonic_ns) / 1e9) < 1e-3


def test_keys_differ_by_stream_and_session_and_follow_the_stated_rule() -> None:
    keys = {stream_key(i, s) for i in ("one", "two") for s in ("a", "b")}
    assert len(keys) == 4
    digest = blake2b(b"onea").digest()
    assert stream_key("one", "a") == int.from_bytes(digest[:8], "little")


def test_versions_name_what_wrote_the_file() -> None:
    versions = software_versions()
    assert {"rigd", "python", "h5py", "pynwb", "hdmf", "zmq"} <= versions.keys()
    assert all(versions.values())
