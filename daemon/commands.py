"""What the commands do. Each returns its exit code."""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_rig, load_session
from rigd.config.rig import Rig
from rigd.config.session import Session
from rigd.daemon.attendance import Attendance
from rigd.daemon.check_report import Outcome
from rigd.daemon.checking import StoppedError, check_rig, show
from rigd.daemon.driver_table import (
    DriverEntry,
    OptionEntry,
    driver_entries,
    driver_entry,
)
from rigd.daemon.exit_codes import BAD_CONFIGURATION, FAILED, GOOD, USAGE
from rigd.daemon.held_elsewhere import held_by_service
from rigd.daemon.logs import JournalLog, configure_logs, is_journal, print_fault
from rigd.daemon.processes import Processes
from rigd.daemon.progress import observer_for
from rigd.daemon.recording import (
    AbortedError,
    NotFinalizedError,
    NotStartedError,
    Recording,
    SettingsError,
)
from rigd.daemon.runtime_folder import RuntimeFolder, RuntimeFolderError
from rigd.daemon.service_manager import ServiceManager
from rigd.daemon.session_events import Observer
from rigd.daemon.session_folder import DataRootError, SessionFolderError
from rigd.daemon.staying_awake import StayingAwake
from rigd.daemon.unix_signals import Signals
from rigd.streams.messages import Notice
from rigd.streams.registry import DriverError, InstalledDrivers

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def record(
    path: Path,
    duration: float | None,
    data_root: Path | None,
    *,
    as_json: bool,
    plain: bool,
    force: bool = False,
) -> int:
    """Run one session; see `rigd record --help`."""
    observer = observer_for(sys.stdout, as_json=as_json, plain=plain)
    if is_journal(sys.stderr, os.environ):
        configure_logs(sys.stderr, os.environ)
        observer = JournalLog()
    session: Session | None = None
    try:
        session = load_session(path, InstalledDrivers())
        verdict = _run(_adapted(session, duration, data_root), observer, force)
    except (ConfigurationError, DataRootError, SettingsError) as error:
        return _fail(error, BAD_CONFIGURATION, observer if as_json else None)
    except (
        SessionFolderError,
        RuntimeFolderError,
        NotStartedError,
        AbortedError,
        NotFinalizedError,
        OSError,
    ) as error:
        code = _fail(error, FAILED, observer if as_json else None)
        if session is not None and isinstance(error, NotStartedError):
            _say_who_has(session.rig)
        return code
    return GOOD if verdict == "complete" else FAILED


def _say_who_has(rig: Rig) -> None:
    """A device that does not open may be one that the service holds ready."""
    if (said := held_by_service(rig.devices)) is not None:
        print(f"rigd: {said}", file=sys.stderr)


def _adapted(
    session: Session, duration: float | None, data_root: Path | None
) -> Session:
    """Let what the command line says go before what the file says."""
    changes: dict[str, Any] = {}
    if duration is not None:
        changes["duration"] = duration
    if data_root is not None:
        changes["data_root"] = data_root.absolute()
    return session.model_copy(update=changes)


def _run(session: Session, observer: Observer, force: bool) -> str:
    runtime = RuntimeFolder(os.environ)
    try:
        with (
            Signals(STOP_SIGNALS) as signals,
            closing(Processes(runtime.socket("_control"))) as processes,
            closing(ServiceManager(os.environ)) as manager,
            closing(StayingAwake()) as awake,
        ):
            attendance = Attendance(manager, awake)
            recording = Recording(
                session,
                runtime=runtime,
                processes=processes,
                observers=[observer, attendance],
                force=force,
                on_turn=attendance.turn,
            )
            processes.watch(signals.fileno(), lambda: _obey(signals, recording))
            return recording.run().verdict
    finally:
        runtime.remove()


def _obey(signals: Signals, recording: Recording) -> None:
    for number in signals.take():
        if number == signal.SIGINT:
            recording.interrupt()
        else:
            recording.stop(f"stopped by {signal.Signals(number).name}")


def check(
    session_file: Path | None,
    rig_file: Path | None,
    duration: float | None,
    data_root: Path | None,
    *,
    as_json: bool,
) -> int:
    """Prove a rig; see `rigd check --help`."""
    program = observer_for(sys.stdout, as_json=True, plain=True) if as_json else None
    try:
        rig, planned, root = _rig_to_check(session_file, rig_file)
        root = (data_root or root).absolute()
        report = check_rig(rig, root, planned if duration is None else duration)
    except ConfigurationError as error:
        return _fail(error, BAD_CONFIGURATION, program)
    except (RuntimeFolderError, StoppedError, OSError) as error:
        return _fail(error, FAILED, program)
    show(report, as_json=as_json)
    if report.outcome is not Outcome.FAIL:
        return GOOD
    _say_who_has(rig)
    return FAILED


def _rig_to_check(
    session_file: Path | None, rig_file: Path | None
) -> tuple[Rig, float | None, Path]:
    """The rig, the planned duration and the data root, of the one file that is given.

    Raises:
        ConfigurationError: Holds all faults of the file.

    """
    if session_file is not None:
        session = load_session(session_file, InstalledDrivers())
        return session.rig, session.duration, session.data_root or session.rig.data_root
    rig = load_rig(rig_file or Path("rig.yaml"), InstalledDrivers())
    return rig, None, rig.data_root


def _fail(error: Exception, code: int, program: Observer | None) -> int:
    """Say what went wrong to the person, and to a program that reads JSON."""
    print_fault(error)
    if program is not None:
        program.observe(Notice(level="error", text=str(error)))
    return code


def drivers(name: str | None, *, as_json: bool) -> int:
    """List drivers, or the settings of one; see `rigd drivers --help`."""
    try:
        entries = driver_entries() if name is None else [driver_entry(name)]
    except DriverError as error:
        print(f"rigd: {error}", file=sys.stderr)
        return USAGE
    if as_json:
        for entry in entries:
            print(entry.model_dump_json())
        return GOOD
    show = _show_list if name is None else _show_options
    show(entries, Console())
    return GOOD


def _show_list(entries: list[DriverEntry], console: Console) -> None:
    table = Table("driver", "what it is", box=None)
    for entry in entries:
        style = "" if entry.installed else "yellow"
        table.add_row(entry.name, Text(entry.description, style))
    console.print(table)


def _show_options(entries: list[DriverEntry], console: Console) -> None:
    for entry in entries:
        console.print(Text(f"{entry.name}: {entry.description}"))
        for title, options in (
            ("options of the device", entry.options),
            ("options of a stream", entry.stream_options),
        ):
            if options:
                console.print(_option_table(title, options))


def _option_table(title: str, options: list[OptionEntry]) -> Table:
    table = Table("option", "type", "unit", "default", "meaning", title=title)
    for option in options:
        default = "required" if option.required else json.dumps(option.default)
        cells = (option.name, option.type, option.unit or "", default, option.meaning)
        table.add_row(*map(Text, cells))
    return table


def schema(what: str) -> int:
    """Print a JSON Schema; see `rigd schema --help`."""
    from rigd.config.schema import rig_schema, session_schema

    make: Callable[[], dict[str, Any]] = rig_schema if what == "rig" else session_schema
    print(json.dumps(make(), indent=2))
    return GOOD
