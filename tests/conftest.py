"""What holds for every test: no process that it started may be left behind."""

import signal
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import settings

# How long an example takes says nothing on a busy computer.
settings.register_profile("rigd", settings(deadline=None))
settings.load_profile("rigd")

# A shell lets what it starts in the background ignore Ctrl-C, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST_FIRST = ("tests/system/", "tests/faults/", "tests/wire/", "tests/clock/")
"""Begun first, so that no long file is left for one process at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the longest tests first, else leave their order."""

    def rank(item: pytest.Item) -> int:
        folders = enumerate(LONGEST_FIRST)
        found = (n for n, f in folders if item.nodeid.startswith(f))
        return next(found, len(LONGEST_FIRST))

    items.sort(key=rank)


def living_children() -> set[psutil.Process]:
    return set(psutil.Process().children())


@pytest.fixture(autouse=True)
def no_process_is_left_behind() -> Iterator[None]:
    """Compare the children of this process before and after the test."""
    before = living_children()
    yield
    left = living_children() - before
    assert not left, f"processes are left behind: {left}"
