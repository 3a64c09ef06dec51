"""One probe for ten minutes: nothing may be lost, and the ring must stay nearly empty.

384 channels of int16 at 30 kHz in blocks of 10 ms through the real writer, synced each
second. The ring has the default size of such a stream: ten seconds.
"""

from benchmarks.bench import Bench
from benchmarks.report import Row, at_most
from benchmarks.steady import record
from benchmarks.workload import lasting

TITLE = "soak, 23 MB/s"
SECONDS = 600


def measure(bench: Bench) -> list[Row]:
    """Record once; a round more would tell no more."""
    workload = lasting(384, 30_000.0, 300, bench.seconds(SECONDS))
    with bench.place() as place:
        run = record(place, workload)
        journal = (place / "stream.journal").stat().st_size
    minutes = workload.blocks * workload.period / 60
    report = run.report
    return [
        Row(TITLE, "length", "min", [minutes]),
        Row(TITLE, "rows lost", "", [float(report.lost)], at_most(0)),
        Row(TITLE, "writer, synced", "% of a core", [run.share], at_most(10)),
        Row(TITLE, "fullest ring", "%", [100 * report.ring_fill], at_most(25)),
        Row(TITLE, "longest wait for the disk", "s", [report.longest_wait]),
        Row(
            TITLE,
            "journal's share of the bytes",
            "%",
            [100 * journal / workload.size],
            at_most(0.1),
        ),
    ]
