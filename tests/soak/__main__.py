"""`python -m tests.soak 8h`: sessions of 20 s through one service, and a report."""

import shutil
import sys
import tempfile
from pathlib import Path

from pydantic import TypeAdapter

from rigd.config.units import Seconds
from tests.soak.soak import HEAD, Measured, growth, soak
from tests.support.laboratory import Laboratory

SESSION = 20.0
"""Seconds of each session."""


def main(arguments: list[str]) -> int:
    """Soak for the time given; 1 if anything grows or is lost."""
    total = TypeAdapter[float](Seconds).validate_python((arguments or ["5 min"])[0])
    place = Path(tempfile.mkdtemp(prefix="rigd-soak-"))
    laboratory = Laboratory(place, place / "run")
    measured: list[Measured] = []
    print(HEAD)
    try:
        for one in soak(laboratory, seconds=SESSION, total=total):
            measured.append(one)
            print(one, flush=True)
            shutil.rmtree(laboratory.data / one.session)
    finally:
        laboratory.end_all()
        shutil.rmtree(place)
    faults = growth(measured)
    print("\n".join(faults) or f"{len(measured)} sessions: nothing has grown")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
