"""From the clocks of streams to clock domains, and back to a map for each stream.

    streams of a device -> domains -> evidence -> alignment -> map of each stream

Streams of one device tick together. Where their clocks plainly differ (outlets of two
computers in one `lsl` device), those that do become domains of their own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rigd.config.clocks import HOST, Clocks, DeviceClock
from rigd.streams.alignment import Alignment, align
from rigd.streams.clock_evidence import (
    Anchors,
    ClockEvidence,
    ClockSettings,
    Edges,
    RoundTrips,
    WallClock,
    thinned,
)
from rigd.streams.clock_map import Axis, ClockMap, Integers, Mode, arrival_map
from rigd.streams.sample_counter import SampleCounter, through_counter

SAME_CLOCK = 0.25
"""Streams of a device whose clocks are further apart than this, s, do not share one:
differences of the ways to the host and late blocks are smaller."""

TAI_OFFSET_NS = 37 * 10**9
"""TAI minus UTC since 2017."""


@dataclass(frozen=True, slots=True)
class StreamClock:
    """What one stream tells of its device's clock.

    Attributes:
        anchors: Device time (ns) and host time of its blocks, thinned.
        counter: Where its samples lie on the device's time; None: its rows have device
            times of their own.
        has_device_times: The device gave times; else the axis is the nominal rate.
        rate: Nominal rows per second; None for events.
        transfer: Usual time of the samples of one block, s.
        blocks: Number of its blocks.
        edges: Pulses that it recorded; None: it has no sync line.
        round_trips: Two-way offsets; None without any.

    """

    anchors: Anchors
    counter: SampleCounter | None
    has_device_times: bool
    rate: float | None
    transfer: float
    blocks: int
    edges: Edges | None = None
    round_trips: RoundTrips | None = None

    @property
    def is_timed(self) -> bool:
        """Whether there is anything that times can be made from."""
        return len(self.anchors) > 0


@dataclass(frozen=True, slots=True)
class Domain:
    """Streams that tick together.

    Attributes:
        name: The device, or `<device>.<stream>` of a stream that ticks otherwise.
        device: Their device.
        streams: Their names, the one that tells most of the clock first.
        pulses: Edges that were seen on its sync line; None: it has none.

    """

    name: str
    device: str
    streams: tuple[str, ...]
    pulses: int | None = None


@dataclass(frozen=True, slots=True)
class SessionClocks:
    """The clocks of a session, aligned.

    Attributes:
        domains: All clock domains.
        alignments: How each is aligned, by name of the domain.
        maps: From the axis of each stream to session seconds, by name of the stream.
        settings: What was asked for.
        tolerance: Largest error that counts as aligned, s, where nothing else is said.

    """

    domains: tuple[Domain, ...]
    alignments: Mapping[str, Alignment]
    maps: Mapping[str, ClockMap]
    settings: Clocks
    tolerance: float

    def domain_of(self, stream: str) -> Domain | None:
        """The domain of a stream; None for one whose rows have host times alone."""
        return next((d for d in self.domains if stream in d.streams), None)

    def tolerance_of(self, device: str) -> float:
        """Largest error of the times of a device that counts as aligned, s."""
        return self.settings.of_device(device).tolerance or self.tolerance


def align_streams(
    clocks: Mapping[str, StreamClock],
    devices: Mapping[str, str],
    settings: Clocks,
    *,
    tolerance: float,
    start_ns: int,
    wall: WallClock | None = None,
    tai_offset_ns: int = TAI_OFFSET_NS,
) -> SessionClocks:
    """Align all streams of a session.

    Args:
        clocks: What was read of each stream, by name.
        devices: Name of the device of each stream.
        settings: What is asked for.
        tolerance: Largest error that counts as aligned, s.
        start_ns: CLOCK_MONOTONIC at time 0 of the session.
        wall: The computer's wall clock, for devices that keep UTC.
        tai_offset_ns: TAI minus UTC.

    """
    domains = find_domains(clocks, devices)
    first = {d.device: d.name for d in reversed(domains)}
    evidence = [
        _evidence(
            domain,
            clocks,
            _clock_settings(
                settings.of_device(domain.device), first, tolerance, tai_offset_ns
            ),
        )
        for domain in domains
    ]
    reference = settings.reference
    found = align(
        evidence,
        start_ns=start_ns,
        reference=next((d.name for d in domains if reference in d.streams), None),
        wall=wall,
    )
    found_of = {s: found[d.name].clock for d in domains for s in d.streams}
    maps = {
        name: stream_map(clock, found_of.get(name)).shifted(
            settings.of_stream(name).time_shift
        )
        for name, clock in clocks.items()
    }
    return SessionClocks(tuple(domains), found, maps, settings, tolerance)


def reference_fault(settings: Clocks, clocks: Mapping[str, StreamClock]) -> str | None:
    """Say why the reference can't be the session's clock; None if it is."""
    name = settings.reference
    if name == HOST or (name in clocks and clocks[name].is_timed):
        return None
    return (
        f"the reference `{name}` has no clock readings: the session's clock is the "
        "computer's instead"
    )


def stream_map(clock: StreamClock, domain: ClockMap | None) -> ClockMap:
    """Make the map of a stream of the map of its domain."""
    if not clock.is_timed or domain is None:
        if clock.blocks and clock.rate is None:
            return arrival_map(clock.blocks)
        return ClockMap(Axis.SAMPLE if clock.rate else Axis.DEVICE)
    if clock.counter is None:
        return domain
    return through_counter(domain, clock.counter)


def alignment_warnings(alignment: Alignment) -> tuple[str, ...]:
    """What is to be said of single segments, each once, beside the domain's own."""
    said = (text for part in alignment.clock.segments for text in part.fit.warnings)
    return tuple(text for text in dict.fromkeys(said) if text not in alignment.warnings)


# --- domains --------------------------------------------------------------------------


def find_domains(
    clocks: Mapping[str, StreamClock], devices: Mapping[str, str]
) -> list[Domain]:
    """Group the streams that have a clock by what ticks together."""
    timed = {name: clock for name, clock in clocks.items() if clock.is_timed}
    found: list[Domain] = []
    for device in dict.fromkeys(devices[name] for name in timed):
        rest = [name for name in timed if devices[name] == device]
        rest.sort(key=lambda name: -len(timed[name].anchors))
        while rest:
            main = timed[rest[0]].anchors
            mine = [n for n in rest if tick_together(main, timed[n].anchors)]
            rest = [name for name in rest if name not in mine]
            is_first = all(domain.device != device for domain in found)
            name = device if is_first else f"{device}.{mine[0]}"
            seen = [len(edges) for n in mine if (edges := timed[n].edges) is not None]
            found.append(Domain(name, device, tuple(mine), seen[0] if seen else None))
    return found


def tick_together(main: Anchors, other: Anchors) -> bool:
    """Whether two streams are on one clock: their times came to the host alike.

    Both say by how much the host's clock is ahead of the device's; a stream of few
    blocks is compared with the other at the same moments. Streams without a common
    epoch are taken to be on one clock.
    """
    for epoch in np.intersect1d(main.epoch, other.epoch).tolist():
        mine, theirs = _ahead(main, epoch), _ahead(other, epoch)
        at = np.searchsorted(mine[0], theirs[0]).clip(0, len(mine[0]) - 1)
        apart = np.median(np.abs(theirs[1] - mine[1][at]))
        if apart > SAME_CLOCK * 1e9:
            return False
    return True


def _ahead(anchors: Anchors, epoch: int) -> tuple[Integers, Integers]:
    """Host times of an epoch's anchors, and how far they are ahead of the device's."""
    which = anchors.epoch == epoch
    host_ns = anchors.host_ns[which]
    return host_ns, host_ns - anchors.x[which]


# --- evidence -------------------------------------------------------------------------


def _evidence(
    domain: Domain, clocks: Mapping[str, StreamClock], settings: ClockSettings
) -> ClockEvidence:
    mine = [clocks[name] for name in domain.streams]
    rates = [clock.rate for clock in mine if clock.rate is not None]
    edges = [clock.edges for clock in mine if clock.edges is not None]
    return ClockEvidence(
        domain.name,
        _pooled(clock.anchors for clock in mine),
        sample_period=1 / max(rates) if rates else None,
        transfer=mine[0].transfer,
        edges=edges[0] if edges else None,
        round_trips=_most(clock.round_trips for clock in mine),
        settings=settings,
        counts=any(clock.counter is not None for clock in mine),
    )


def _pooled(pieces: Iterable[Anchors]) -> Anchors:
    anchors = list(pieces)
    ends = [(int(a.host_ns.min()), int(a.host_ns.max())) for a in anchors]
    span = min(begin for begin, _ in ends), max(end for _, end in ends)
    return thinned(anchors, span_ns=span)


def _most(readings: Iterable[RoundTrips | None]) -> RoundTrips | None:
    """The round trips of the stream that has most."""
    found = [one for one in readings if one is not None]
    return max(found, key=lambda one: len(one.x), default=None)


def _clock_settings(
    asked: DeviceClock,
    first: Mapping[str, str],
    tolerance: float,
    tai_offset_ns: int,
) -> ClockSettings:
    shared = None if asked.same_as is None else first.get(asked.same_as)
    mode = Mode(asked.mode)
    if mode is Mode.AUTO and shared is not None:
        mode = Mode.SHARED_CLOCK
    return ClockSettings(
        mode=mode,
        tolerance=asked.tolerance or tolerance,
        latency=asked.latency,
        max_drift_ppm=asked.max_drift_ppm,
        shares_clock_with=shared,
        utc_offset_ns=tai_offset_ns if asked.time_scale == "tai" else 0,
        utc_uncertainty=asked.utc_uncertainty,
    )
