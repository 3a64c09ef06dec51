"""The commands that work on a session folder. Each returns its exit code."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rigd.daemon.exit_codes import FAILED, GOOD
from rigd.daemon.helper_process import run_helper
from rigd.daemon.progress import observer_for
from rigd.daemon.session_summary import read_summary, stream_recoveries


def finalize(folder: Path, *, sha256: bool, as_json: bool) -> int:
    """Run the finalizer on a session folder; see `rigd finalize --help`."""
    observer = observer_for(sys.stdout, as_json=as_json, plain=True)
    flags = () if sha256 else ("--no-sha256",)
    code = run_helper("rigd.daemon.finalizer", folder, observer, *flags)
    if code not in (GOOD, FAILED) or not (folder / "manifest.json").is_file():
        return FAILED  # the finalizer has said why
    observer.observe(read_summary(folder))
    return code


def recover(folder: Path, *, as_json: bool) -> int:
    """Bring a session folder to whole, sealed, linked files; see its help."""
    observer = observer_for(sys.stdout, as_json=as_json, plain=True)
    code = run_helper("rigd.daemon.recovering", folder, observer)
    if code not in (GOOD, FAILED):
        return FAILED  # it has said why
    for stream in stream_recoveries(folder):
        print(stream.model_dump_json() if as_json else stream)
    observer.observe(read_summary(folder))
    return code


def verify(folder: Path, *, as_json: bool) -> int:
    """Compare a session folder with its manifest; see `rigd verify --help`."""
    from rigd.daemon.verify import verify as find_problems

    with Progress(console=Console(stderr=True), transient=True) as progress:
        problems = find_problems(folder, _teller(progress))
    for problem in problems:
        print(problem.model_dump_json() if as_json else problem)
    is_good = all(problem.level == "note" for problem in problems)
    if is_good and not as_json:
        print(f"{folder}: all files are as they were sealed")
    return GOOD if is_good else FAILED


def _teller(progress: Progress) -> Callable[[str, int, int], None]:
    """Show one bar for the file that is being read."""
    bar = progress.add_task("reading", total=None, visible=sys.stderr.isatty())

    def tell(file: str, done: int, size: int) -> None:
        progress.update(bar, description=file, completed=done, total=size)

    return tell
