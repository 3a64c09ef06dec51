"""Damages session folders in any way, recovers them, and looks at what comes out."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from rigd.daemon.finalizer import finalize
from tests.faults.damage import damage
from tests.faults.helper import Helper, TroubleError
from tests.faults.power_bench import temporary_folder
from tests.faults.report import Row
from tests.support.crashed_folder import (
    KEPT,
    crashed_folder,
    kept_rows,
    spread_folder,
)
from tests.support.recorded_folder import Chunks, recorded_folder

STREAMS: tuple[Chunks, ...] = (
    {"ap": (4000, 4), "ttl": None},
    {"analog": (500, 2), "wheel": (16,)},
    {"camera": (7, 6, 8), "ttl": (16,)},
)
"""Pairs of streams, so that a folder takes little time; with chunks that get full."""


def whole(folder: Path, chunks: Chunks) -> None:
    """Make a session that is not finalized yet."""
    recorded_folder(folder, KEPT, chunks)


def finished(folder: Path, chunks: Chunks) -> None:
    """Make a session that is sealed."""
    recorded_folder(folder, KEPT, chunks)
    finalize(folder)


def crashed(folder: Path, chunks: Chunks) -> None:
    """Make a session whose writers were killed."""
    crashed_folder(folder, chunks)


def spread(folder: Path, chunks: Chunks) -> None:
    """Make a session whose streams are spread over several files."""
    spread_folder(folder, chunks)


State = Callable[[Path, Chunks], None]
"""Makes a session folder."""

STATES: tuple[State, ...] = (
    crashed,
    crashed,
    spread,
    whole,
    finished,
)


Harm = Callable[[Path, random.Random], list[str]]
"""Damages a session folder; returns what was done."""


class Originals:
    """Folders of each state and pair of streams, made when one is wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy(self, state: State, number: int, place: Path) -> None:
        """Put a copy of one at `place`."""
        path = self._folder / f"{state.__name__}{number}"
        if not path.exists():
            state(path, STREAMS[number])
        shutil.copytree(path, place)


def bench(
    *,
    folders: int,
    seed: int,
    sabotage: str = "",
    harm: Harm = damage,
    states: tuple[State, ...] = STATES,
) -> Row:
    """Make so many folders, of these states, harm and recover them."""
    row = Row("damaged folders", "0 wrong values given out without being reported")
    with (
        temporary_folder() as place,
        Helper("tests.faults.folder_judge", sabotage) as helper,
    ):
        originals = Originals(place)
        for trial in range(seed, seed + folders):
            chance = random.Random(f"folder {trial}")
            state, number = chance.choice(states), chance.randrange(len(STREAMS))
            folder = place / "session"
            originals.copy(state, number, folder)
            done = harm(folder, chance)
            promised = {name: kept_rows(name) for name in STREAMS[number]}
            wrong = look(helper, folder, promised, row)
            shutil.rmtree(folder)
            row.take(f"{trial} ({state.__name__}: {'; '.join(done)})", wrong)
    return row


def look(helper: Helper, folder: Path, promised: dict[str, int], row: Row) -> str:
    """Let a folder be recovered; count how it came out; say what is wrong."""
    try:
        outcome = json.loads(helper.ask(json.dumps([str(folder), promised])))
    except TroubleError as error:
        return str(error)
    row.count("refused", bool(outcome["refused"]))
    row.count("with wrong values, reported", bool(outcome["reported"]))
    row.count("rows given out", outcome["rows"])
    return "; ".join(outcome["wrong"])
