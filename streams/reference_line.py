"""The line whose pulses all other lines are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_evidence import Edges
from rigd.streams.clock_map import ClockMap, Floats, Integers
from rigd.streams.domain_clock import DomainClock
from rigd.streams.edge_matching import LEAST_PAIRS, Pairs, match_edges


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """Pulses as the reference saw them.

    Attributes:
        name: Domain that saw them.
        host: Host times of the edges, s since the session's start, ascending.
        session: Session times of the same edges.
        piece: Segment of the reference in which each lies.
        resolution: Resolution of its line, s.
        host_error: Bound of the error of its times by host stamps, s.
        host_wander: The same apart from a constant, s.
        error: Bound of the error of its times on the session clock, s.
        latency_known: Whether its latency is declared.

    """

    name: str
    host: Floats
    session: Floats
    piece: Integers
    resolution: float
    host_error: float
    host_wander: float
    error: float
    latency_known: bool


def edge_times(domain: DomainClock) -> tuple[Floats, Edges] | None:
    """Host times of a domain's edges in ascending order, and these edges.

    Edges outside all stretches are left out. None if fewer than `LEAST_PAIRS` stay.
    """
    edges = domain.evidence.edges
    if edges is None or not domain.parts:
        return None
    x = edges.x - round(edges.delay * 1e9)
    host = domain.host_times(x, edges.epoch)
    order = np.argsort(host, kind="stable")[: int(np.isfinite(host).sum())]
    if len(order) < LEAST_PAIRS:
        return None
    kept = Edges(edges.epoch[order], x[order], edges.resolution)
    return host[order], kept


def line_of(domain: DomainClock, clock: ClockMap, error: float) -> ReferenceLine | None:
    """Make a domain's line the reference; None if it has too few edges.

    Args:
        domain: The domain.
        clock: From its device time to session seconds.
        error: Bound of the error of this map, s.

    """
    found = edge_times(domain)
    if found is None:
        return None
    host, edges = found
    return ReferenceLine(
        domain.evidence.name,
        host,
        clock.times(edges.x, edges.epoch),
        domain.part_of(edges.x, edges.epoch),
        edges.resolution,
        max(part.host.error for part in domain.parts),
        max(part.host.wander for part in domain.parts),
        error,
        domain.evidence.settings.latency is not None,
    )


def choose_reference_line(domains: Mapping[str, DomainClock]) -> str | None:
    """Choose the domain whose line fits most others; of these, that resolves best."""
    lines = {name: edge_times(domain) for name, domain in domains.items()}
    known = {name: line for name, line in lines.items() if line is not None}
    best, best_score = None, (0, 0.0, 0)
    for name, (host, edges) in known.items():
        others = [line for other, line in known.items() if other != name]
        fitting = sum(_fits(host, edges, *other) for other in others)
        score = (fitting, -edges.resolution, len(edges))
        if others and (best is None or score > best_score):
            best, best_score = name, score
    return best


def _fits(host: Floats, edges: Edges, other_host: Floats, other: Edges) -> bool:
    pairs: Pairs = match_edges(
        other_host, host, max(edges.resolution, other.resolution)
    )
    return pairs.vote_ratio >= 3 and len(pairs) >= 0.5 * min(len(edges), len(other))
