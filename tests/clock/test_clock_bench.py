"""A small share of the clock bench: `make clock-bench` runs many more."""

from dataclasses import replace

import numpy as np
import pytest

from rigd.streams.clock_map import Grade
from tests.clock.adversaries import TRICKS, run
from tests.clock.cells import CELLS, Cell
from tests.clock.published import RULES, worst_error
from tests.clock.simulated_devices import Path
from tests.clock.tables import LOSSES, adversary_table, cell_line, cell_run, lost_once

SHORT_CELLS = [cell for cell in CELLS if cell.minutes <= 10]
SEED = 300


@pytest.mark.parametrize("cell", SHORT_CELLS, ids=lambda c: f"{c.name}, {c.trouble}")
def test_errors_keep_to_their_limits_and_to_the_stated_bound(cell: Cell) -> None:
    judged = cell.run(SEED)
    assert judged.worst < cell.always_below
    assert judged.usual_worst <= judged.bound
    assert judged.alignment.grade <= Grade.D


def test_short_stretches_of_a_camera_have_one_latency() -> None:
    """Each alone has 50 pulses, known to a frame of 33 ms: some 0.5 ms, up to 1.4."""
    cell = next(c for c in CELLS if "camera" in c.name and c.trouble == "faults")
    worst = [replace(cell, minutes=3).run(SEED + n).worst for n in range(12)]
    assert np.median(worst) < 250e-6
    assert max(worst) < 700e-6


@pytest.mark.parametrize("trick", TRICKS)
def test_misleading_evidence_does_not_look_right(trick: str) -> None:
    assert not run(trick, SEED).deceives


@pytest.mark.parametrize(("name", "path", "lasts"), LOSSES)
def test_a_silent_loss_is_found_where_it_was(
    name: str, path: Path, lasts: float
) -> None:
    assert lost_once(path, lasts, SEED)


def test_published_rules_are_worse_on_the_same_anchors() -> None:
    judged = SHORT_CELLS[1].run(SEED)
    assert all(worst_error(rule, judged) > judged.worst for rule in RULES.values())


def test_runs_in_step_with_samples_are_told_apart_and_judged_alike() -> None:
    cell = next(c for c in SHORT_CELLS if "regular" in c.name and c.trouble == "clean")
    good = replace(cell_run(cell, SEED), in_step=False)
    bad = replace(good, worst=1.01 * cell.always_below, in_step=True)
    line, is_kept = cell_line(cell, [good, good, bad])
    assert "in step n 1" in line
    assert not is_kept


def test_tables_tell_whether_limits_were_kept() -> None:
    cell = SHORT_CELLS[0]
    line, is_kept = cell_line(cell, [cell_run(cell, SEED)])
    assert cell.name in line
    assert is_kept == ("NOT KEPT" not in line)
    table, is_kept = adversary_table({})
    assert is_kept
    assert "deceived 0" in table
