"""The fault bench in small numbers, and proof that it catches what is broken.

`make faults` runs the large ones.
"""

from collections.abc import Callable

import pytest

from tests.faults import (
    error_bench,
    folder_bench,
    kill_bench,
    link_bench,
    message_bench,
    parser_bench,
    power_bench,
    real_cut_bench,
    session_bench,
)
from tests.faults.damage import spoil_a_chunk, spoil_a_record
from tests.faults.disk_record import has_compiler
from tests.faults.sabotage import (
    MESSAGES,
    POWER_CUT,
    checksum_ignored,
    journal_checksum_ignored,
    retries_the_sync,
)
from tests.support.small_disk import why_not

needs_a_compiler = pytest.mark.skipif(
    not has_compiler(), reason="no C compiler for the recorder of disk calls"
)


@pytest.mark.timeout(240)
def test_kills() -> None:
    row = kill_bench.bench(kills=12, seed=100)
    assert row.failures == []
    assert row.seen["acknowledged messages"] > 0


@pytest.mark.parametrize("target", ["daemon", "everything"])
@pytest.mark.timeout(240)
def test_a_kill_in_a_whole_session(target: session_bench.Target) -> None:
    assert session_bench.bench(target, kills=1, seed=7).failures == []


@needs_a_compiler
@pytest.mark.timeout(240)
def test_power_cuts() -> None:
    row = power_bench.bench(images=90, recordings=3, seed=200)
    assert row.failures == []
    assert row.seen["with acknowledged rows"] > 60


@pytest.mark.parametrize("file_system", ["ext4", "xfs"])
@pytest.mark.timeout(120)
def test_real_power_cuts(file_system: str) -> None:
    if reason := why_not(file_system):
        pytest.skip(f"no {file_system}: {reason}")
    row = real_cut_bench.bench(file_system, cuts=2, seed=400)
    assert row.failures == []


@needs_a_compiler
@pytest.mark.timeout(240)
def test_errors_of_the_disk() -> None:
    row = error_bench.bench(faults=6, seed=300)
    assert row.failures == []


@needs_a_compiler
@pytest.mark.parametrize("name", [broken.__name__ for broken in POWER_CUT])
@pytest.mark.timeout(120)
def test_a_broken_writer_is_caught(name: str) -> None:
    """Most show in the first image; the rarest in one of thirty."""
    row = power_bench.bench(
        images=1200, recordings=8, seed=11, sabotage=name, stop_at_first=True
    )
    assert row.failures


@pytest.mark.timeout(120)
def test_mutated_messages() -> None:
    row = message_bench.bench(messages=10_000, seed=400)
    assert row.failures == []
    assert min(row.seen.values()) > 0


@pytest.mark.parametrize("name", [broken.__name__ for broken in MESSAGES])
def test_a_writer_that_is_too_trustful_is_caught(name: str) -> None:
    row = message_bench.bench(messages=2000, seed=1, sabotage=name)
    assert row.failures


def test_cut_links() -> None:
    row = link_bench.bench(cuts=6, seed=504, kinds=("channels",))
    assert row.failures == []
    assert row.seen["blocks repeated"] > 0


@pytest.mark.timeout(240)
def test_damaged_folders() -> None:
    row = folder_bench.bench(folders=4, seed=601)
    assert row.failures == []
    assert row.seen["rows given out"] > 0


@pytest.mark.parametrize(
    ("broken", "harm"),
    [(checksum_ignored, spoil_a_chunk), (journal_checksum_ignored, spoil_a_record)],
)
def test_a_trustful_recovery_is_caught(
    broken: Callable[[], None], harm: folder_bench.Harm
) -> None:
    def run(sabotage: str) -> list[str]:
        states = (folder_bench.crashed,)
        return folder_bench.bench(
            folders=1, seed=1, sabotage=sabotage, harm=harm, states=states
        ).failures

    assert run("") == []
    assert "differs" in run(broken.__name__)[0]


@needs_a_compiler
def test_a_writer_that_syncs_again_is_caught() -> None:
    row = error_bench.bench(faults=1, seed=10, sabotage=retries_the_sync.__name__)
    assert "passed over without a word" in row.failures[0]


def test_odd_journals_and_settings() -> None:
    row = parser_bench.bench(journals_tried=240, files_tried=20, seed=700)
    assert row.failures == []
    assert row.seen["journals recovered from"] > 0
