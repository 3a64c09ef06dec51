"""Runs sessions one after another through one service, and measures it after each."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.laboratory import Laboratory
from tests.support.served import BOX, Served, write_session

SETTLE = 1.0
"""Seconds after a session before the service is measured."""

WARM_UP = 3
"""First sessions, which load what all others use too; the third still takes 1 MB."""

MOST_GROWTH = 2.0
"""MB that the memory may grow over all sessions after the warm-up."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The service after one session."""

    session: str
    verdict: str
    lost: int
    rows: int
    seconds: float
    """From the request to the verdict."""
    memory: float
    """Resident memory, MB."""
    descriptors: int
    threads: int
    children: int

    def __str__(self) -> str:
        return (
            f"{self.session:8} {self.verdict:10} {self.rows:8} {self.lost:6} "
            f"{self.seconds:8.1f} {self.memory:9.2f} {self.descriptors:5} "
            f"{self.threads:8} {self.children:9}"
        )


HEAD = (
    "session  verdict        rows   lost  seconds  memory/MB   fds  threads  children"
)


def soak(laboratory: Laboratory, *, seconds: float, total: float) -> Iterator[Measured]:
    """Run sessions of `seconds` until `total` seconds are over, at least three."""
    served = Served.start(laboratory, {"box": BOX})
    end = time.monotonic() + total
    number = 0
    while number < WARM_UP + 1 or time.monotonic() < end:
        number += 1
        yield _one(laboratory, served, f"s{number:05d}", seconds)
    if served.end() != 0:
        raise RuntimeError("the service did not end in good order")


def _one(laboratory: Laboratory, served: Served, name: str, seconds: float) -> Measured:
    write_session(laboratory, name)
    began = time.monotonic()
    with served.client() as client:
        client.start(name)
        for second in range(round(seconds)):
            if second % 5 == 0:
                client.mark(f"second {second}")
            time.sleep(1)
        summary = client.stop().summary
    if summary is None:
        raise RuntimeError(f"session {name} was not finalized")
    took = time.monotonic() - began
    time.sleep(SETTLE)
    process = served.process
    return Measured(
        session=name,
        verdict=summary.verdict,
        lost=sum(stream.lost or 0 for stream in summary.streams),
        rows=sum(stream.rows or 0 for stream in summary.streams),
        seconds=took,
        memory=process.memory_info().rss / 1e6,
        descriptors=process.num_fds(),
        threads=process.num_threads(),
        children=len(process.children()),
    )


def growth(measured: list[Measured]) -> list[str]:
    """Say what has grown after the warm-up, or went wrong; none: all is well."""
    warm = measured[WARM_UP - 1 :]
    first, last = warm[0], warm[-1]
    faults = [
        f"{name} have grown from {before} to {after}"
        for name, before, after in (
            ("descriptors", first.descriptors, last.descriptors),
            ("threads", first.threads, last.threads),
            ("children", first.children, last.children),
        )
        if after > before
    ]
    if last.memory - first.memory > MOST_GROWTH:
        faults.append(f"memory has grown by {last.memory - first.memory:.2f} MB")
    faults += [
        f"session {one.session} is {one.verdict}"
        for one in measured
        if one.verdict != "complete"
    ]
    return faults
