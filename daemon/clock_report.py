"""How the clocks of a finalized session were aligned, for a person at a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rigd.daemon.manifest import DomainEntry, Manifest

Floats = npt.NDArray[np.float64]

BARS = "▁▂▃▄▅▆▇█"
LINE_WIDTH = 48
"""Characters of a plot in one line."""

STYLES = {"A": "green", "B": "green", "C": "", "D": "yellow", "F": "bold red"}
"""Colours of the grades."""


@dataclass(frozen=True, slots=True)
class ClockEvidence:
    """What the session file holds of one clock.

    Attributes:
        name: Name of the clock.
        entry: What the manifest says of it.
        session_s: Session seconds of the readings that were used, shape (n,).
        residual_s: These readings minus the map, s, shape (n,).
        source: What each reading is: host, pulse, round trip or utc, shape (n,).
        drift_s: Session seconds of the drift, shape (m,).
        drift_ppm: The drift, ppm, shape (m,).

    """

    name: str
    entry: DomainEntry
    session_s: Floats
    residual_s: Floats
    source: npt.NDArray[np.object_]
    drift_s: Floats
    drift_ppm: Floats

    @property
    def residual_us(self) -> Floats:
        """The residuals to look at, to whole ns, as the readings are, shape (n,)."""
        return np.round(self.residual_s * 1e6, 3) + 0.0  # no -0.0


def read_evidence(session_file: Path, manifest: Manifest) -> list[ClockEvidence]:
    """Read what the session file holds of all clocks.

    Raises:
        OSError: The file can't be read.

    """
    with h5py.File(session_file, "r") as file:
        module = file.get("processing/clocks")
        return [
            _evidence(module, name, entry) for name, entry in manifest.clocks.items()
        ]


def _evidence(
    module: h5py.Group | None, name: str, entry: DomainEntry
) -> ClockEvidence:
    anchors = f"{name}_anchors"
    drift = f"{name}_drift"
    return ClockEvidence(
        name,
        entry,
        _column(module, f"{anchors}/session_s"),
        _column(module, f"{anchors}/residual_s"),
        np.array([_text(s) for s in _raw(module, f"{anchors}/source")], object),
        _column(module, f"{drift}/timestamps"),
        _column(module, f"{drift}/data"),
    )


def _raw(module: h5py.Group | None, path: str) -> npt.NDArray[np.object_]:
    found = None if module is None else module.get(path)
    return np.empty(0, object) if found is None else np.asarray(found[()])


def _column(module: h5py.Group | None, path: str) -> Floats:
    return _raw(module, path).astype(np.float64)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# --- words ----------------------------------------------------------------------------


def seconds_text(seconds: float | None) -> str:
    """`12.3 us`, `1.2 ms`, `3 s`; `-` where it is not known."""
    if seconds is None or np.isnan(seconds):
        return "-"
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if abs(seconds) * factor < 999.5:
            return f"{round(seconds * factor, 3):.3g} {unit}"
    return f"{seconds:.3g} s"


def clock_report(
    manifest: Manifest, evidence: Sequence[ClockEvidence]
) -> RenderableType:
    """Table, plots in a line, and all that is to be said; fits 80 columns."""
    said = [
        text for name, entry in manifest.clocks.items() for text in _said(name, entry)
    ]
    return Group(
        _table(manifest),
        *(Text(line) for one in evidence for line in _plots(one)),
        *(Text(line, "yellow") for line in said),
    )


def _table(manifest: Manifest) -> Table:
    table = Table(title=f"clocks of {manifest.session}, revision {manifest.revision}")
    table.add_column("clock", overflow="fold")
    table.add_column("mode", no_wrap=True)
    table.add_column("", no_wrap=True)
    for head in ("error", "asked", "ppm", "residual", "pulses"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, entry in manifest.clocks.items():
        table.add_row(*_row(name, entry))
    return table


def _row(name: str, entry: DomainEntry) -> list[Text]:
    segments = entry.segments
    drifts = [s.drift_ppm for s in segments if s.drift_ppm is not None]
    residuals = [s.residual_median for s in segments if s.residual_median is not None]
    return [
        Text(name),
        Text(entry.mode),
        Text(entry.grade, STYLES[entry.grade]),
        Text(seconds_text(entry.error)),
        Text(seconds_text(entry.tolerance)),
        Text(f"{np.mean(drifts):.2f}" if drifts else "-"),
        Text(seconds_text(max(residuals, default=None))),
        Text(pulses_text(entry)),
    ]


def pulses_text(entry: DomainEntry) -> str:
    """`598/600`: matched pulses of those on the other line; `-` without a sync line.

    One number: pulses that were seen, and not compared with others.
    """
    found = [segment.pulses for segment in entry.segments if segment.pulses]
    if not found:
        return "-" if entry.pulses is None else str(entry.pulses)
    return f"{sum(p.matched for p in found)}/{sum(p.expected for p in found)}"


def _said(name: str, entry: DomainEntry) -> list[str]:
    warnings = [w for segment in entry.segments for w in segment.warnings]
    told = ("start", "silent loss")
    jumps = [s for s in entry.segments if s.begins_with not in told]
    losses = [
        f"{name}: silent loss of {seconds_text(stop - start)} at {start:.3f} s"
        for start, stop, _ in entry.silent_losses
    ]
    return [
        *(f"{name}: {text}" for text in dict.fromkeys((*entry.warnings, *warnings))),
        *(f"{name}: {s.begins_with} at {s.begin:.3f} s" for s in jumps),
        *losses,
    ]


# --- plots in one line ----------------------------------------------------------------


def _plots(one: ClockEvidence) -> list[str]:
    lines = []
    if len(one.residual_s):
        lines.append(_plot(one.name, "residual", one.residual_us, "us"))
    if len(one.drift_ppm):
        lines.append(_plot(one.name, "drift", one.drift_ppm, "ppm"))
    return lines


def _plot(name: str, what: str, values: Floats, unit: str) -> str:
    """`probe0 residual ▁▂▃ -3 to 5 us`; the largest of what one bar stands for."""
    low, high = float(np.min(values)), float(np.max(values))
    return f"{name} {what} {bars(values)} {low:.3g} to {high:.3g} {unit}"


def bars(values: Floats, width: int = LINE_WIDTH) -> str:
    """Draw values in one line, from the least (▁) to the largest (█)."""
    parts = np.array_split(values, min(width, len(values)))
    means = np.array([np.mean(part) for part in parts])
    low, high = float(np.min(means)), float(np.max(means))
    if high == low:
        return BARS[0] * len(means)
    steps = np.rint((means - low) / (high - low) * (len(BARS) - 1)).astype(int)
    return "".join(BARS[step] for step in steps)
