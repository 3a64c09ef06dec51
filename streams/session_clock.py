"""The clock on which the times of a session are: the host's, or a device's."""

from dataclasses import dataclass

import numpy as np

from rigd.streams.clock_map import Floats, interpolated
from rigd.streams.domain_clock import DomainClock

NEVER_TOGETHER = 1e-6
"""Two stretches of one device are apart by this at least, s."""


@dataclass(frozen=True, slots=True)
class SessionClock:
    """Host seconds since the session's start to session seconds.

    Attributes:
        host: Knots, host s, strictly increasing; none: both are the same.
        session: Knots, session s, strictly increasing.
        reference: Domain whose clock it is; None: the host's.
        error: Bound of the error with which the host is laid onto it, s.

    """

    host: Floats
    session: Floats
    reference: str | None = None
    error: float = 0.0

    def times(self, host: Floats) -> Floats:
        """Session seconds at host seconds."""
        if self.reference is None:
            return np.asarray(host, np.float64)
        return interpolated(np.asarray(host, np.float64), self.host, self.session)


HOST = SessionClock(np.empty(0), np.empty(0))
"""The host's clock."""


def reference_clock(domain: DomainClock) -> SessionClock:
    """Make the clock of a domain that of the session.

    It runs at the domain's speed, and is 0 where the host's is: at the session's start.
    From one stretch of the domain to the next the host tells how long it was.
    """
    host: list[Floats] = []
    session: list[Floats] = []
    for part in domain.parts:
        knots = part.host.x
        at = part.host_times(knots)
        if not host:
            start = float(at[0]) * float(
                (knots[-1] - knots[0]) / max(at[-1] - at[0], 1e-12)
            )
        else:
            speed = (session[-1][-1] - session[-1][0]) / (host[-1][-1] - host[-1][0])
            apart = max(float(at[0] - host[-1][-1]), NEVER_TOGETHER)
            at = at + max(0.0, float(host[-1][-1] + apart - at[0]))
            start = float(session[-1][-1] + apart * speed)
        host.append(at)
        session.append(start + knots - knots[0])
    error = max(part.host.error for part in domain.parts)
    return SessionClock(
        np.concatenate(host), np.concatenate(session), domain.evidence.name, error
    )
