"""The writer process as the bench runs it: it marks each acknowledgement on the disk.

`python -m tests.faults.faulty_writer`, specification on standard input. The mark is
made before the acknowledgement leaves, so that a record of the disk's calls holds it in
its place. `RIGD_SABOTAGE` names a way in which the writer is broken on purpose.
"""

import os
from pathlib import Path

from rigd.streams import writer
from rigd.streams.receiver import Receiver
from tests.faults.power_cut import ACKNOWLEDGED
from tests.faults.sabotage import apply


def mark_acknowledgements(path: Path) -> None:
    """Write each acknowledged sequence number to `path` first."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    acknowledge = Receiver.acknowledge

    def mark_and_acknowledge(receiver: Receiver, sequence: int) -> None:
        os.write(descriptor, sequence.to_bytes(8, "little"))
        acknowledge(receiver, sequence)

    setattr(Receiver, "acknowledge", mark_and_acknowledge)  # noqa: B010


if __name__ == "__main__":
    mark_acknowledgements(Path(os.environ["RIGD_MARKS"], ACKNOWLEDGED))
    apply(os.environ.get("RIGD_SABOTAGE", ""))
    writer.main()
