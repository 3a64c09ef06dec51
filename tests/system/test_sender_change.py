"""Another sender takes over a stream: the outage is in the ledger, nothing is mixed."""

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from rigd.streams.block import Block, Ended, Lost, StreamFormat
from rigd.streams.continuity import EPOCHS_OF_A_RUN
from rigd.streams.ledger import ENDED_REGULARLY, Ledger, LostInterval
from rigd.streams.recovery import recover
from rigd.streams.sender import RefusedError, Sender
from rigd.streams.stream_reader import StreamReader
from tests.support.writer_process import WriterProcess, deliver, running_writer

FORMAT = StreamFormat(np.dtype("<i4"), (), 1000.0)
EPOCH = EPOCHS_OF_A_RUN


def block(first: int, rows: int = 10, epoch: int = 0) -> Block:
    data = np.arange(first, first + rows, dtype="<i4")
    return Block("s", first, data, time.monotonic_ns(), epoch=epoch)


def send(writer: WriterProcess, number: int, *items: Block | Lost | Ended) -> None:
    """Send all items with a sender of its own; wait until they are kept."""
    sender = writer.sender(sender_id=number)
    for item in items:
        if isinstance(item, Block):
            assert sender.offer(item)
        elif isinstance(item, Lost):
            sender.lose(item)
        else:
            sender.end(item)
    sender.announce_missing()
    deliver(sender)
    sender.close()


def ledger(writer: WriterProcess) -> Ledger:
    with StreamReader(writer.path, writer.layout) as reader:
        assert reader.contradictions() == []
        assert reader.uneven_datasets() == []
        return reader.ledger()


def outage(first: int, row: int, epoch: int = 0) -> LostInterval:
    return LostInterval(first, 0, row, epoch, "source down")


def test_a_new_epoch_after_an_outage(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        send(writer, 5, block(0), block(10))
        send(writer, 6, block(0, epoch=EPOCH), Lost("s", 10, 5, "device", EPOCH))
        send(writer, 7, block(0, epoch=2 * EPOCH), Ended("s"))
        assert writer.wait_for_end().reason == ""
    found = ledger(writer)
    assert (found.received, found.lost, found.repeated) == (40, 5, 0)
    assert found.intervals == (
        outage(20, 20),
        LostInterval(10, 5, 30, EPOCH, "device"),
        outage(15, 30, EPOCH),
    )
    assert found.outages == (found.intervals[0], found.intervals[2])
    assert found.by_cause == {"device": 5}


def test_a_sender_that_counts_on_tells_what_is_missing(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        send(writer, 5, block(0))
        send(writer, 6, block(25), Ended("s"))
        writer.wait_for_end()
    found = ledger(writer)
    assert (found.received, found.lost, found.expected) == (20, 15, 35)
    assert found.intervals[1] == LostInterval(10, 15, 10, 0, "source down")


def test_a_sender_that_begins_the_old_epoch_again_is_late(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        send(writer, 5, block(0), block(10, epoch=0))
        send(writer, 6, block(0), block(8, rows=4), block(12), block(22), Ended("s"))
        writer.wait_for_end()
    found = ledger(writer)
    assert (found.received, found.repeated) == (30, 0)
    assert found.by_cause == {"late": 22, "rejected": 2}
    assert found.expected == 20 + 34


def test_an_epoch_that_is_over_is_late(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        send(writer, 5, block(0), block(0, epoch=1), block(10), Ended("s"))
        writer.wait_for_end()
    found = ledger(writer)
    assert (found.received, found.lost, found.expected) == (20, 10, 30)
    assert found.intervals == (LostInterval(10, 10, 20, 0, "late"),)


def test_repeated_rows_are_dropped_and_what_is_new_among_them_is_lost(
    tmp_path: Path,
) -> None:
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        send(writer, 5, block(0), block(5), block(3, rows=4), Ended("s"))
        writer.wait_for_end()
    found = ledger(writer)
    assert (found.received, found.lost, found.repeated) == (10, 5, 2)
    assert found.intervals == (LostInterval(10, 5, 10, 0, "rejected"),)


def test_an_outage_outlives_the_writer(tmp_path: Path) -> None:
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        send(writer, 5, block(0))
        writer.kill_and_restart()
        sender = writer.sender(sender_id=6)
        sender.offer(block(0, epoch=EPOCH))
        deliver(sender)
        writer.kill_and_restart()
        sender.end(Ended("s"))
        deliver(sender)
        writer.wait_for_end()
        sender.close()
    recovery = recover(writer.path, writer.layout, FORMAT)
    assert (recovery.rows, recovery.missing) == (20, 0)
    found = ledger(writer)
    assert (found.received, found.lost, found.ended) == (20, 0, ENDED_REGULARLY)
    assert found.intervals == (outage(10, 10),)
    with h5py.File(writer.path) as file:
        rows = file["acquisition/s/data"][:]
    np.testing.assert_array_equal(rows, np.tile(np.arange(10), 2))


def test_a_writer_killed_after_the_end_acknowledges_it_when_it_is_back(
    tmp_path: Path,
) -> None:
    with running_writer(tmp_path, FORMAT) as writer:
        sender = writer.sender()
        sender.offer(block(0))
        sender.end(Ended("s"))
        while writer.process.poll() is None:
            sender.pump()  # until END is sent; the last acknowledgement is not heard
            if sender.welcome and sender.ring.unsent() is None:
                break
        writer.wait_for_end()
        assert not sender.finished
        writer.kill_and_restart()
        deliver(sender)
        assert writer.wait_for_end().reason == ""
        assert sender.finished
        sender.close()
    assert recover(writer.path, writer.layout, FORMAT).rows == 10
    assert ledger(writer).ended == ENDED_REGULARLY


def test_a_replaced_sender_does_not_come_back(tmp_path: Path) -> None:
    """As a HELLO would that its dead sender has left in a queue."""
    with running_writer(tmp_path, FORMAT, sync_seconds=0.1) as writer:
        first, second = writer.sender(sender_id=5), writer.sender(sender_id=6)
        assert first.offer(block(0))
        deliver(first)
        assert second.offer(block(0, epoch=EPOCH))
        deliver(second)
        assert first.offer(block(10))
        with pytest.raises(RefusedError, match="another sender has taken over"):
            deliver(first)
        first.close()
        late = writer.sender(sender_id=5)
        with pytest.raises(RefusedError, match="another sender has taken over"):
            deliver_greeting(late)
        late.close()
        assert second.offer(block(10, epoch=EPOCH))
        second.end(Ended("s"))
        deliver(second)
        second.close()
        writer.wait_for_end()
    found = ledger(writer)
    assert (found.received, found.lost, found.repeated) == (30, 0, 0)
    assert found.intervals == (outage(10, 10),)
    assert found.rejected >= 2


def deliver_greeting(sender: Sender) -> None:
    """Pump until the writer answers."""
    end = time.monotonic() + 10
    while not sender.welcome and time.monotonic() < end:
        sender.pump()
        time.sleep(0.001)
