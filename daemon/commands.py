"""What the commands do. Each returns its exit code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
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
from rigd.daemon.session_events import Observer, Output
from rigd.daemon.session_folder import DataRootError, SessionFolderError
from rigd.daemon.session_summary import (
    read_step,
    read_summary,
    stream_recoveries,
)
from rigd.daemon.staying_awake import StayingAwake
from rigd.daemon.unix_signals import Signals
from rigd.streams.messages import Notice
from rigd.streams.registry import DriverError, InstalledDrivers

GOOD, FAILED, USAGE, BAD_CONFIGURATION = 0, 1, 2, 78

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


def finalize(folder: Path, *, sha256: bool, as_json: bool) -> int:
    """Run the finalizer on a session folder; see `rigd finalize --help`."""
    observer = observer_for(sys.stdout, as_json=as_json, plain=True)
    flags = () if sha256 else ("--no-sha256",)
    code = _run_helper("rigd.daemon.finalizer", folder, observer, *flags)
    if code not in (GOOD, FAILED) or not (folder / "manifest.json").is_file():
        return FAILED  # the finalizer has said why
    observer.observe(read_summary(folder))
    return code


def _run_helper(module: str, folder: Path, observer: Observer, *flags: str) -> int:
    """Run a process that works on a folder, and tell of its steps.

    Ctrl-C ends it at once, wherever it is: what it does can be done again.
    """
    command = [sys.executable, "-m", module, str(folder), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as helper:
        try:
            for line in helper.stdout or ():
                step = read_step(line)
                observer.observe(step or Output(process=module, line=line.rstrip()))
        except KeyboardInterrupt:
            helper.terminate()
            print("rigd: interrupted; nothing is lost, run it again", file=sys.stderr)
    return helper.wait()


def recover(folder: Path, *, as_json: bool) -> int:
    """Bring a session folder to whole, sealed, linked files; see its help."""
    observer = observer_for(sys.stdout, as_json=as_json, plain=True)
    code = _run_helper("rigd.daemon.recovering", folder, observer)
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
