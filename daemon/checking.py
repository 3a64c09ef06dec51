"""`rigd check`: proves a rig here and now, records nothing."""

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from rich.console import Console

from rigd.config.rig import Rig
from rigd.daemon.check_report import CheckReport
from rigd.daemon.check_table import show_check
from rigd.daemon.preflight import Preflight
from rigd.daemon.processes import Processes
from rigd.daemon.runtime_folder import RuntimeFolder
from rigd.daemon.unix_signals import Signals

TRIAL = 2.0
"""Seconds of trial where the rig file wants none before a start."""

POLL = 0.1


class StoppedError(Exception):
    """The check was interrupted; all devices were given back."""


def check_rig(rig: Rig, data_root: Path, duration: float | None) -> CheckReport:
    """Prove a rig; its devices must be free.

    Raises:
        RuntimeFolderError: There is no place for sockets.
        StoppedError: A signal came.

    """
    if not rig.check.trial:
        check = rig.check.model_copy(update={"trial": TRIAL})
        rig = rig.model_copy(update={"check": check})
    runtime = RuntimeFolder(os.environ)
    try:
        with (
            Signals((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)) as signals,
            closing(Processes(runtime.socket("_control"))) as processes,
        ):
            return _check(rig, data_root, duration, processes, signals)
    finally:
        runtime.remove()


def _check(
    rig: Rig,
    data_root: Path,
    duration: float | None,
    processes: Processes,
    signals: Signals,
) -> CheckReport:
    preflight = Preflight(rig, data_root, duration, processes)
    processes.watch(signals.fileno(), lambda: None)
    preflight.start()
    while not preflight.is_over:
        for happening in processes.wait(POLL):
            preflight.take(happening)
        if signals.take():
            raise StoppedError("the check was interrupted")
    return preflight.report()


def show(report: CheckReport, *, as_json: bool) -> None:
    """Print what was found, as a table or as one JSON object."""
    if as_json:
        print(report.model_dump_json())
    else:
        show_check(report, Console(file=sys.stdout))
