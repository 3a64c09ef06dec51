"""Gigabytes with sync: the disk should be the limit, not rigd.

All three write the same amount in the same round: rigd from sender to acknowledged end;
plain writes of 1 MiB with fdatasync each 64 MiB; plain writes of 4 MiB by O_DIRECT.
"""

from benchmarks.bench import Bench
from benchmarks.feed import Way
from benchmarks.machine import write_direct, write_synced
from benchmarks.pipeline import ratios, through_rigd
from benchmarks.report import Row, at_least
from benchmarks.workload import filling

TITLE = "disk, 2.5 GB"


def measure(bench: Bench) -> list[Row]:
    """Compare rigd, synced, with plain writes: synced as often, and O_DIRECT."""
    workload = filling(384, 30_000.0, 300, bench.size(2.5e9))
    rigd, synced, direct = [], [], []
    for _ in range(bench.rounds):
        bench.write_warm(workload.size)
        with bench.place() as place:
            synced.append(write_synced(place / "synced", workload.size).rate)
            direct.append(write_direct(place / "direct", workload.size).rate)
            passage = through_rigd(place, workload, Way.SENDER, durable=True)
            rigd.append(passage.receiving.rate)
    limits = [max(pair) for pair in zip(synced, direct, strict=True)]
    return [
        Row(
            TITLE, "rigd / plain writes, synced", "", ratios(rigd, synced), at_least(1)
        ),
        Row(
            TITLE, "rigd / the faster of both", "", ratios(rigd, limits), at_least(0.8)
        ),
        Row(TITLE, "rigd", "MB/s", rigd),
        Row(TITLE, "plain writes, fdatasync each 64 MiB", "MB/s", synced),
        Row(TITLE, "plain writes, O_DIRECT", "MB/s", direct),
    ]
