"""Rows and bytes per second, measured over the last seconds."""

from collections import deque

WINDOW = 3.0
"""Seconds over which a rate is measured."""


class RateMeter:
    """The speed of a count that grows, from readings of it."""

    def __init__(self, window: float = WINDOW) -> None:
        """Measure over the last `window` seconds."""
        self._window = window
        self._readings: deque[tuple[float, int]] = deque()

    def read(self, when: float, count: int) -> None:
        """Note that the count was `count` at the time `when` (s); twice is once."""
        readings = self._readings
        if readings and when <= readings[-1][0]:
            return
        readings.append((when, count))
        while len(readings) > 2 and when - readings[1][0] >= self._window:
            readings.popleft()

    @property
    def seconds(self) -> float:
        """Time from the first to the last reading that count."""
        if not self._readings:
            return 0.0
        return self._readings[-1][0] - self._readings[0][0]

    @property
    def rate(self) -> float | None:
        """Counts per second; None before there are two readings."""
        if len(self._readings) < 2:
            return None
        (t0, n0), (t1, n1) = self._readings[0], self._readings[-1]
        return (n1 - n0) / (t1 - t0)
