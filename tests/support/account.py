"""The account of a recorded stream, held against every row and block in its file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rigd.config.paths import SessionPaths
from rigd.daemon.session_record import SessionRecord
from rigd.streams.drivers.simulated import SimulatedDriver
from rigd.streams.ledger import Ledger
from rigd.streams.stream_reader import StreamReader


@dataclass(frozen=True)
class Account:
    """What a stream file says of itself.

    Attributes:
        ledger: Its ledger.
        ends: For each epoch, one more than the last sample index that is known of.

    """

    ledger: Ledger
    ends: dict[int, int]


def simulated_driver(device: dict[str, Any]) -> SimulatedDriver:
    """Make the driver of a device of a session file, to ask what it sends."""
    return SimulatedDriver(
        "device",
        SimulatedDriver.Options.model_validate(device["options"]),  # type: ignore[arg-type]
        {
            name: SimulatedDriver.StreamOptions.model_validate(settings["options"])  # type: ignore[misc]
            for name, settings in device["streams"].items()
        },
    )


def account(paths: SessionPaths, stream: str, device: dict[str, Any]) -> Account:
    """Read a stream; prove that its account is exact and its values are right.

    Rows and lost intervals of each epoch follow each other without hole or overlap
    from index 0 on, each row is what the device sends, and received + lost = expected.
    """
    record = SessionRecord.load(paths.record).streams[stream]
    path = paths.stream_file(stream)
    with StreamReader(path, record.layout(stream)) as reader:
        assert reader.contradictions() == []
        assert reader.uneven_datasets() == []
        ledger = reader.ledger()
        blocks = np.concatenate([*reader.blocks(), np.empty(0, _blocks_dtype(path))])
    ends = _ends(blocks, ledger)
    assert ledger.received + ledger.lost == ledger.expected == sum(ends.values())
    _check_values(path, stream, blocks, simulated_driver(device))
    return Account(ledger, ends)


def _blocks_dtype(path: Path) -> Any:
    with h5py.File(path) as file:
        (container,) = file["acquisition"].values()
        return container["sync/blocks"].dtype


def _ends(blocks: Any, ledger: Ledger) -> dict[int, int]:
    spans = [
        (int(block["epoch"]), int(block["first_sample"]), int(block["rows"]))
        for block in blocks
    ]
    spans += [(i.epoch, i.first, i.count) for i in ledger.intervals if i.count]
    ends: dict[int, int] = {}
    for epoch, first, count in sorted(spans):
        assert first == ends.get(epoch, 0), f"epoch {epoch}: hole or overlap at {first}"
        ends[epoch] = first + count
    return ends


def _check_values(
    path: Path, stream: str, blocks: Any, driver: SimulatedDriver
) -> None:
    with h5py.File(path) as file:
        rows = file[f"acquisition/{stream}/data"][:]
    start = 0
    for block in blocks:
        count = int(block["rows"])
        sent = driver.expected_rows(
            stream, int(block["first_sample"]), count, epoch=int(block["epoch"]) % 2**16
        )
        np.testing.assert_array_equal(rows[start : start + count], sent)
        start += count
    assert start == len(rows)
