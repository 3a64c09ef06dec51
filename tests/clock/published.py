"""What others do with the same evidence: rules written anew from their descriptions.

All are given the anchors that we found, so they do not suffer from missing or extra
edges, restarts and lost packets, which mislead most of them; what is compared is how
they make a clock of good anchors.
"""

from collections.abc import Callable, Mapping

import numpy as np

from tests.clock.judged_alignment import Judged, is_certain, looked_at
from tests.clock.simulated_devices import Floats

Line = Callable[[Floats], Floats]
Rule = Callable[[Floats, Floats], Line]


def per_edge(x: Floats, t: Floats) -> Line:
    """Interpolate between anchors as they are (harp, NeuroConv, pyControl, IBL)."""
    ends = np.polyfit(x[[0, -1]], t[[0, -1]], 1)

    def times(at: Floats) -> Floats:
        inside = (at >= x[0]) & (at <= x[-1])
        return np.where(inside, np.interp(at, x, t), np.polyval(ends, at))

    return times


def two_points(x: Floats, t: Floats) -> Line:
    """Lay a line through the first and the last anchor (Open Ephys tools, Allen)."""
    slope = (t[-1] - t[0]) / (x[-1] - x[0])
    return lambda at: np.asarray(t[0] + slope * (at - x[0]))


def robust_line(x: Floats, t: Floats) -> Line:
    """Lay one line through all, far ones weighing less (Huber, as pyxdf does)."""
    rest = t - x
    weight = np.ones(len(x))
    slope, intercept = 0.0, float(np.median(rest))
    for _ in range(20):
        slope, intercept = np.polyfit(x - x[0], rest, 1, w=np.sqrt(weight))
        away = np.abs(rest - intercept - slope * (x - x[0]))
        scale = max(1.4826 * float(np.median(away)), 1e-7)
        weight = np.minimum(1.0, 1.345 * scale / np.maximum(away, 1e-12))
    return lambda at: np.asarray(at + intercept + slope * (at - x[0]))


RULES: Mapping[str, Rule] = {
    "per edge": per_edge,
    "two points": two_points,
    "robust line": robust_line,
}


def worst_error(rule: Rule, judged: Judged) -> float:
    """Largest error of a rule on the anchors of an alignment, s."""
    x, epoch, _ = looked_at(judged.device)
    kept = is_certain(judged.alignment, x, epoch)
    x, epoch = x[kept][judged.seen], epoch[kept][judged.seen]
    ours = judged.alignment.clock.times(x, epoch)
    true = ours - judged.errors
    theirs = np.full(len(x), np.nan)
    for segment, used in zip(
        judged.alignment.clock.segments, judged.alignment.used, strict=True
    ):
        mine = epoch == segment.epoch
        if segment.begin is not None:
            mine &= x >= segment.begin
        if len(used.x) >= 2:
            at = (used.x - segment.origin) / 1e9
            line = rule(at, used.session_s)
            theirs[mine] = line((x[mine] - segment.origin) / 1e9)
    return float(np.nanmax(np.abs(theirs - true)))
