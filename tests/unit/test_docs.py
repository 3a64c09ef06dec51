"""The documentation says what is so: links lead somewhere, tables match the code."""

import re
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import typer

from rigd.config.rig import Device, Rig
from rigd.config.session import Session
from rigd.config.stream import NwbType, Stream
from rigd.daemon.cli import app
from rigd.streams.ledger import CAUSES, LOST_DTYPE, STATE_DTYPE
from rigd.streams.wire import CLOCK_DTYPE, RECORD_DTYPE

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

TYPES = {"u64": "<u8", "u32": "<u4", "u8": "|u1", "i64": "<i8"}


def section(page: str, title: str) -> list[str]:
    """The lines below a heading, up to the next one."""
    lines = (ROOT / page).read_text().splitlines()
    begun = next(n for n, line in enumerate(lines) if re.match(f"#+ {title}$", line))
    return list(takewhile(lambda line: not line.startswith("#"), lines[begun + 1 :]))


def table(page: str, title: str) -> list[list[str]]:
    """The cells of the tables in a section that begin with a name in backticks."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in section(page, title)
        if line.startswith("| `")
    ]
    assert rows, f"{page} has no table under {title}"
    return rows


def names(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall("`([^`]+)`", cell)


def dtype_of(rows: list[list[str]]) -> np.dtype[np.void]:
    return np.dtype(
        [
            (names(name)[0], TYPES.get(kind) or f"S{kind.split()[0]}")
            for name, kind, _ in rows
        ]
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        waiting += [page.parent / target for target in targets]
    assert [page for page in PAGES if page not in reached] == []


@pytest.mark.parametrize(
    ("title", "dtype"),
    [
        ("`sync/blocks`", RECORD_DTYPE),
        ("`sync/clock`", CLOCK_DTYPE),
        ("`sync/lost`", LOST_DTYPE),
        ("`sync/state`", STATE_DTYPE),
    ],
)
def test_the_fields_of_the_stream_file(title: str, dtype: np.dtype[np.void]) -> None:
    assert dtype_of(table("docs/stream-file.md", title)) == dtype


def test_the_causes_of_losses() -> None:
    in_file = "\n".join(section("docs/stream-file.md", "`sync/lost`"))
    assert [cause for cause in CAUSES if f"`{cause}`" not in in_file] == []


def test_the_causes_that_a_sender_may_name() -> None:
    text = "\n".join(section("docs/wire-protocol.md", "4. Rows"))
    named = text[text.index("one of these words") : text.index("starts anew")]
    assert {word for word in names(named) if word != "epoch"} <= set(CAUSES)


@pytest.mark.parametrize(
    ("title", "model"),
    [("Session", Session), ("Rig", Rig), ("Device", Device), ("Stream", Stream)],
)
def test_the_keys_of_the_yaml_files(
    title: str, model: type[Session] | type[Rig] | type[Device] | type[Stream]
) -> None:
    listed = {key for row in table("docs/yaml.md", title) for key in names(row[0])}
    assert listed == set(model.model_fields)


def test_the_nwb_types_of_the_yaml_files() -> None:
    (union, _) = get_args(NwbType)
    types = {
        get_args(kind.model_fields["type"].annotation)[0]: set(kind.model_fields)
        for kind in get_args(union)
    }
    listed = {
        names(name)[0]: {"type", *names(keys)}
        for name, _, keys in table("docs/yaml.md", "NWB types")
    }
    assert listed == types


def test_the_drivers_of_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {names(row[0])[0] for row in table("README.md", "Drivers")}
    assert listed == set(project["entry-points"]["rigd.drivers"])


def test_the_commands_of_the_readme() -> None:
    listed = {
        names(row[0])[0].split()[1] for row in table("README.md", "The command line")
    }
    assert listed == set(typer.main.get_group(app).commands)
