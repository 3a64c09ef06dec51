"""Draws how the clocks of a session were aligned: residuals, drift, pulses."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rigd.daemon.clock_report import ClockEvidence, Floats, seconds_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_HEIGHT, WIDTH = 2.6, 13.0
"""Inches of one clock's row, and of the whole."""

LEAST_DRIFT = 0.1
"""Half the height of a plot of a drift, ppm, at least."""

COLOURS = {"host": "0.6", "pulse": "C0", "round trip": "C2", "utc": "C4"}


class NoPlotsError(Exception):
    """The library that draws is not installed: what to do."""


def draw(evidence: Sequence[ClockEvidence], title: str, path: Path) -> None:
    """Draw one row for each clock into a PNG file.

    Raises:
        NoPlotsError: matplotlib is not installed.
        OSError: The file can't be written.

    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoPlotsError(
            'plots need matplotlib: pip install "rigd[plots]"'
        ) from error
    rows = max(1, len(evidence))
    figure = Figure(figsize=(WIDTH, 0.8 + ROW_HEIGHT * rows), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(rows, 3, squeeze=False)
    for row, one in zip(axes, evidence, strict=False):
        _draw_residuals(row[0], one)
        _draw_drift(row[1], one)
        _draw_pulses(row[2], one)
    for axis in axes[-1]:
        axis.set_xlabel("session time (s)")
    figure.savefig(path, dpi=110)


def _draw_residuals(axis: "Axes", one: ClockEvidence) -> None:
    entry = one.entry
    bound = f"error {seconds_text(entry.error)}, {seconds_text(entry.tolerance)} asked"
    axis.set_title(f"{one.name}: {entry.mode}, grade {entry.grade}, {bound}", size=8)
    for source in dict.fromkeys(one.source.tolist()):
        mine = one.source == source
        axis.plot(
            one.session_s[mine],
            one.residual_us[mine],
            ".",
            ms=3,
            color=COLOURS.get(source, "C1"),
            label=source,
        )
    axis.axhline(0, color="k", lw=0.5)
    for segment in entry.segments[1:]:
        axis.axvline(segment.begin, color="C3", lw=0.8, ls="--")
    axis.set_ylabel("reading - map (us)")
    if len(one.source):
        axis.legend(loc="upper right", fontsize=7)


def _draw_drift(axis: "Axes", one: ClockEvidence) -> None:
    axis.set_title(f"{one.name}: drift", size=8)
    axis.set_ylabel("ppm")
    if len(one.drift_ppm) == 0:
        _say(axis, "not measured")
        return
    axis.plot(one.drift_s, one.drift_ppm, "-" if len(one.drift_s) > 1 else "o")
    middle, half = _around(one.drift_ppm)
    axis.set_ylim(middle - half, middle + half)
    axis.ticklabel_format(axis="y", useOffset=False)


def _around(ppm: Floats) -> tuple[float, float]:
    """Middle and half the height of a drift's plot: a steady clock looks steady."""
    low, high = float(np.min(ppm)), float(np.max(ppm))
    return (low + high) / 2, max(LEAST_DRIFT, 0.55 * (high - low))


def _draw_pulses(axis: "Axes", one: ClockEvidence) -> None:
    """Intervals between matched pulses: a missing one makes a longer interval."""
    found = [segment.pulses for segment in one.entry.segments if segment.pulses]
    if not found:
        axis.set_title(f"{one.name}: pulses", size=8)
        seen = "no sync line"
        if one.entry.pulses is not None:
            seen = f"{one.entry.pulses} pulses, not compared with others"
        _say(axis, seen)
        return
    counts = {
        name: sum(getattr(pulses, name) for pulses in found)
        for name in ("matched", "expected", "missing", "extra")
    }
    axis.set_title(
        f"{one.name}: {counts['matched']} of {counts['expected']} pulses matched, "
        f"{counts['missing']} missing, {counts['extra']} extra",
        size=8,
    )
    times = np.sort(one.session_s[one.source == "pulse"])
    axis.plot(times[1:], np.diff(times), ".", ms=3)
    axis.set_ylabel("interval of pulses (s)")
    axis.set_ylim(bottom=0)


def _say(axis: "Axes", text: str) -> None:
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
