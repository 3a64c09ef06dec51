"""Where a stream goes on after an HDF5 file has failed."""

import shutil
from pathlib import Path

import pytest

from rigd.streams.durable_stream import DurableStream, journal_path, part_path
from rigd.streams.journal_state import read_state
from rigd.streams.ledger import ENDED_REGULARLY
from rigd.streams.recovery import RecoveryError, recover
from tests.support.durable_model import KEY, KINDS, Item, Source
from tests.support.small_disk import small_disk


@pytest.mark.parametrize("is_restarted", [True, False])
def test_a_part_that_the_journal_does_not_name_stays(
    tmp_path: Path, is_restarted: bool
) -> None:
    """Its name may stand in a damaged place of the journal."""
    kind = KINDS["channels"]
    path = tmp_path / "s.nwb"
    path.write_bytes(kind.skeleton)
    source = Source(kind)
    source.items = [Item("block", 20, 1), Item("block", 20, 2)]
    stream = DurableStream(path, kind.layout, kind.format, KEY, durable=False)
    unnamed = part_path(path, 1)
    unnamed.write_bytes(b"rows that somebody may need")
    if is_restarted:
        stream.give_up("the writer dies")
        stream = DurableStream(path, kind.layout, kind.format, KEY, durable=False)
    else:
        stream.begin_part()
    assert unnamed.read_bytes() == b"rows that somebody may need"
    assert [part.number for part in read_state(journal_path(path)).parts] == [0, 2]
    for sequence in range(2):
        source.apply(stream, sequence)
    stream.close(source.standing(2), ENDED_REGULARLY, "")
    assert recover(path, kind.layout, kind.format).rows == 40


def test_parts_are_put_together_only_where_there_is_room(tmp_path: Path) -> None:
    """Else half a file would fill the disk, and hinder all others."""
    kind = KINDS["channels"]
    with small_disk(tmp_path, 2**20) as disk:
        path = disk / "s.nwb"
        path.write_bytes(kind.skeleton)
        source = Source(kind)
        source.items = [Item("block", 20, 1), Item("block", 20, 2)]
        stream = DurableStream(path, kind.layout, kind.format, KEY)
        stream.begin_part()
        for sequence in range(2):
            source.apply(stream, sequence)
        stream.close(source.standing(2), ENDED_REGULARLY, "")
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - 8192))
        before = {file: file.read_bytes() for file in disk.iterdir()}
        with pytest.raises(RecoveryError, match="no room to build s.nwb again"):
            recover(path, kind.layout, kind.format)
        assert {file: file.read_bytes() for file in disk.iterdir()} == before
        filler.unlink()
        assert recover(path, kind.layout, kind.format).rows == 40
