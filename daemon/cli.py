"""The command line: what is asked, in which words, with which help.

The work is done by modules that are imported inside the commands, so that no command
waits for libraries of the others.
"""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rigd.streams.quick_process import end_quickly, start_quickly

if TYPE_CHECKING:
    from rigd.daemon.remote import Place

app = typer.Typer(
    name="rigd",
    help="Record the devices of a rig into linked NWB files.",
    epilog="Exit codes: 0 good; 1 the work failed, or the verdict is below complete; "
    "2 wrong usage; 78 bad configuration.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[
    bool, typer.Option("--json", help="Write JSON for programs, one object a line.")
]
SessionFolder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", exists=True, file_okay=False, help="A session folder."
    ),
]

RuntimeDirectory = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where the sockets of the service are. Default: RIGD_RUNTIME_DIRECTORY, "
        "RUNTIME_DIRECTORY, or rigd in XDG_RUNTIME_DIR; clients look in "
        "/run/rigd/_main too.",
    ),
]


def _duration(text: str) -> float:
    from pydantic import TypeAdapter, ValidationError

    from rigd.config.units import Seconds

    try:
        seconds = TypeAdapter[float](Seconds).validate_python(text)
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(what) from None
    if seconds == 0:
        raise typer.BadParameter(f"`{text}` is no time at all")
    return seconds


Duration = Annotated[
    float | None,
    typer.Option(
        parser=_duration,
        metavar="TIME",
        help="Planned length: seconds, or with unit as in '10 min'. "
        "Default: as in the session file.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rigd {version('rigd')}")
        raise typer.Exit


@app.callback()
def _rigd(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Say the version and leave.",
        ),
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Examples: rigd record session.yaml · "
    "rigd record session.yaml --duration '10 min' --data-root /data"
)
def record(
    session: Annotated[
        Path, typer.Argument(metavar="SESSION.yaml", help="The session file.")
    ],
    duration: Annotated[
        float | None,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            help="Stop after this long: seconds, or with unit as in '10 min'. "
            "Default: as in the session file, else until Ctrl-C.",
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Make the session folder in DIR, which must exist."
        ),
    ] = None,
    as_json: AsJson = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines, no live table.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Start although the check of the rig fails; the verdict remembers.",
        ),
    ] = False,
) -> None:
    """Record one session here and now: check, record, finalize, say the verdict.

    Ctrl-C (or SIGTERM) ends it in good order.
    """
    from rigd.daemon import commands

    raise typer.Exit(
        commands.record(
            session, duration, data_root, as_json=as_json, plain=plain, force=force
        )
    )


@app.command(
    epilog="Exit code: 0 nothing speaks against a start (warnings do not); 1 something "
    "failed; 78 bad configuration. "
    "Examples: rigd check session.yaml · rigd check --rig rig.yaml --json"
)
def check(
    session: Annotated[
        Path | None,
        typer.Argument(metavar="[SESSION.yaml]", help="The session file."),
    ] = None,
    rig: Annotated[
        Path | None,
        typer.Option(metavar="RIG.yaml", help="A rig file, instead of a session file."),
    ] = None,
    duration: Duration = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="As if the session were recorded in DIR."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove a rig, recording nothing: devices, rates, disk, clock, limits.

    Each device is opened and samples for a moment; its rates are measured. Every
    start does the same (`check:` in the rig file).
    """
    from rigd.daemon import commands

    if (session is None) == (rig is None):
        raise typer.BadParameter("give a session file, or --rig RIG.yaml")
    raise typer.Exit(commands.check(session, rig, duration, data_root, as_json=as_json))


@app.command(epilog="Example: rigd finalize data/20261125-142501")
def finalize(
    folder: SessionFolder,
    sha256: Annotated[
        bool,
        typer.Option(
            "--sha256/--no-sha256",
            help="Take the SHA-256 of whole stream files. Without it nothing is read "
            "again that the journals have checksums of, so that sealing does not take "
            "longer with more data; verify finds each changed byte all the same.",
        ),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make (again) the session file and the verdict of a recorded session.

    A stream that was cut off is recovered first.
    """
    from rigd.daemon import folder_commands

    raise typer.Exit(folder_commands.finalize(folder, sha256=sha256, as_json=as_json))


@app.command(
    epilog="Exit code: 0 all that was on the disk is there; 1 something of it could "
    "not be had, or the folder was refused. "
    "Example: rigd recover data/20261125-142501"
)
def recover(folder: SessionFolder, as_json: AsJson = False) -> None:
    """Bring a session that was cut off to whole, sealed, linked files.

    Each stream is rebuilt from its journal where that is needed, then the session is
    finalized. What was found stays in `streams/crashed/` until you delete it. It can
    be interrupted at any moment and run again.
    """
    from rigd.daemon import folder_commands

    raise typer.Exit(folder_commands.recover(folder, as_json=as_json))


@app.command(epilog="Example: rigd verify data/20261125-142501 --json")
def verify(folder: SessionFolder, as_json: AsJson = False) -> None:
    """Compare a session folder with its manifest and journals: files, chunks, links."""
    from rigd.daemon import folder_commands

    raise typer.Exit(folder_commands.verify(folder, as_json=as_json))


@app.command(
    epilog="Examples: sudo rigd install · rigd install --user · rigd install --undo"
)
def install(
    user: Annotated[
        bool,
        typer.Option(
            "--user", help="For you alone, run by you: no root, no priorities."
        ),
    ] = False,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo", help="Remove it again; settings, recordings and the user stay."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would do, and leave.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before doing it.")
    ] = False,
) -> None:
    """Install rigd as a service of systemd: units, user, folders, an example rig.

    Shows what it will do first. It can be run again at any time, e.g. after an
    upgrade. Your settings are never changed.
    """
    from rigd.daemon import installing

    raise typer.Exit(installing.install(user=user, undo=undo, dry=dry_run, yes=yes))


@app.command(
    epilog="Examples: rigd realign data/20261125-142501 --reference probe0_ap · "
    "rigd realign data/20261125-142501 --settings clocks.yaml"
)
def realign(
    folder: SessionFolder,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="STREAM",
            help="The session's clock: `host`, or the name of a stream.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML file with the keys of the section `clocks:`, and `tolerance`; "
            "what it does not name stays as recorded.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Align a session again, by other settings or newer software.

    A new session file is written; the old one stays beside it under a number. Raw
    files are not touched. Without options all is as it was recorded.
    """
    from rigd.daemon import clock_commands

    raise typer.Exit(
        clock_commands.realign(folder, reference, settings, as_json=as_json)
    )


@app.command(epilog="Example: rigd clocks data/20261125-142501 --png clocks.png")
def clocks(
    folder: SessionFolder,
    png: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw residuals, drift and pulses of all clocks into this file.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how well the clocks of a session were aligned, and from what."""
    from rigd.daemon import clock_commands

    raise typer.Exit(clock_commands.clocks(folder, png, as_json=as_json))


@app.command(epilog="Examples: rigd drivers · rigd drivers simulated")
def drivers(
    name: Annotated[
        str | None, typer.Argument(help="Show the settings of this driver.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what can be recorded, or the settings of one driver."""
    from rigd.daemon import commands

    raise typer.Exit(commands.drivers(name, as_json=as_json))


@app.command(epilog="Example: rigd schema session > session.schema.json")
def schema(
    what: Annotated[
        Literal["session", "rig"], typer.Argument(help="Which file.")
    ] = "session",
) -> None:
    """Print the JSON Schema of session or rig files, for editors."""
    from rigd.daemon import commands

    raise typer.Exit(commands.schema(what))


@app.command(epilog="Example: rigd serve --rig /etc/rigd/rig.yaml")
def serve(
    rig: Annotated[Path, typer.Option(metavar="RIG.yaml", help="The rig file.")] = Path(
        "/etc/rigd/rig.yaml"
    ),
    runtime_directory: RuntimeDirectory = None,
) -> None:
    """Run the service: it takes sessions by `rigd start` until it is told to stop.

    SIGTERM (or Ctrl-C) lets the sessions come to their end and finalizes them; SIGHUP
    reads the rig file again when no session runs.
    """
    from rigd.daemon.serve import serve as run

    raise typer.Exit(run(rig, runtime_directory))


Connect = Annotated[
    str | None,
    typer.Option(
        metavar="ENDPOINT",
        help="A service on another host, by its `control.tcp`: tcp://rig1:5570. "
        "Needs --key.",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="NAME.key_secret",
        help="Secret key of this client; service.key lies beside it "
        "(rigd keys new makes both).",
    ),
]


def _place(
    runtime_directory: Path | None, connect: str | None, key: Path | None
) -> "Place":
    from pydantic import TypeAdapter, ValidationError

    from rigd.config.control import TcpEndpoint
    from rigd.daemon.client import Host
    from rigd.daemon.remote import Place

    if (connect is None) != (key is None):
        raise typer.BadParameter("--connect and --key belong together")
    if connect is None or key is None:
        return Place(runtime_directory)
    try:
        TypeAdapter[str](TcpEndpoint).validate_python(connect)
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(what) from None
    return Place(host=Host(connect, key.parent, key.name.removesuffix(".key_secret")))


RunningSession = Annotated[
    str | None,
    typer.Argument(metavar="[SESSION]", help="Id of a running session."),
]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Return when it is done, or at once."),
]


@app.command(
    epilog="Examples: rigd start training · rigd start session.yaml --duration '1 h'"
)
def start(
    session: Annotated[
        str,
        typer.Argument(
            metavar="SESSION",
            help="Name of a session in the service's folder of sessions, or a file.",
        ),
    ],
    duration: Annotated[
        float | None,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            help="Stop after this long. Default: as in the session file.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start although a check before it fails.")
    ] = False,
    wait: Wait = True,
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let the service record a session; returns when it records."""
    from rigd.daemon import remote

    raise typer.Exit(
        remote.start(
            session,
            duration,
            _place(runtime_directory, connect, key),
            force=force,
            wait=wait,
            as_json=as_json,
        )
    )


@app.command(epilog="Examples: rigd stop · rigd stop training-20261125-142501 --abort")
def stop(
    session: RunningSession = None,
    abort: Annotated[
        bool,
        typer.Option(
            "--abort", help="At once: samples that are not yet written are lost."
        ),
    ] = False,
    wait: Wait = True,
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """End a session of the service; returns with its verdict when it is finalized."""
    from rigd.daemon import remote

    raise typer.Exit(
        remote.stop(
            session,
            _place(runtime_directory, connect, key),
            abort=abort,
            wait=wait,
            as_json=as_json,
        )
    )


@app.command(epilog="Example: rigd status --json")
def status(
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Say where the service and its sessions stand."""
    from rigd.daemon import remote

    raise typer.Exit(
        remote.status(_place(runtime_directory, connect, key), as_json=as_json)
    )


@app.command(epilog="Example: rigd mark 'lights off'")
def mark(
    text: Annotated[str, typer.Argument(help="What happened.")],
    session: Annotated[
        str | None,
        typer.Option(metavar="ID", help="In this session. Default: all that record."),
    ] = None,
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Note this moment, as an event with its time, in what is being recorded."""
    from rigd.daemon import remote

    raise typer.Exit(
        remote.mark(
            text, session, _place(runtime_directory, connect, key), as_json=as_json
        )
    )


@app.command(epilog="Example: rigd watch --json")
def watch(
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show what the sessions of the service do, until Ctrl-C."""
    from rigd.daemon import remote

    raise typer.Exit(
        remote.watch(_place(runtime_directory, connect, key), as_json=as_json)
    )


Devices = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DEVICE]...", help="Names of devices. Default: all."),
]


@app.command(epilog="Example: rigd disarm probe0 && rigd record session.yaml")
def disarm(
    devices: Devices = None,
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let other programs have devices that the service holds ready.

    Returns when they are closed. Sessions of the service open them when they start,
    until `rigd arm`.
    """
    from rigd.daemon import remote

    place = _place(runtime_directory, connect, key)
    raise typer.Exit(remote.disarm(devices or [], place, as_json=as_json))


@app.command(epilog="Example: rigd arm probe0")
def arm(
    devices: Devices = None,
    runtime_directory: RuntimeDirectory = None,
    connect: Connect = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let the service hold devices ready again, and look at once for missing ones."""
    from rigd.daemon import remote

    place = _place(runtime_directory, connect, key)
    raise typer.Exit(remote.arm(devices or [], place, as_json=as_json))


keys = typer.Typer(no_args_is_help=True, help="Make the keys for control by tcp.")
app.add_typer(keys, name="keys")


@keys.callback()
def _keys() -> None:
    pass


@keys.command(epilog="Example: rigd keys new /etc/rigd/keys --client behaviour-pc")
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the keys.")],
    client: Annotated[
        str, typer.Option(metavar="NAME", help="Who may control the service by them.")
    ] = "client",
) -> None:
    """Make CURVE keys for one more client, and for the service where it has none."""
    from rigd.daemon import remote

    raise typer.Exit(remote.new_keys(folder, client))


def main() -> None:
    """Run the command line; the exit code is the answer."""
    start_quickly()
    end_quickly()
    app()
