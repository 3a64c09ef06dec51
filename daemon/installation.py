"""What `rigd install` will do, as a list of steps. No I/O.

Files with settings are written where there are none, and never changed or removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rigd.daemon.unit_files import for_program, for_user

UNITS = ("rigd.service", "rigd@.service", "rigd.target", "rigd-alert@.service")


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a text file, and the folders it lies in.

    Attributes:
        path: Where.
        text: What stands in it.
        settings: It is the person's from then on: written where there is none, and
            left when rigd is removed.

    """

    path: Path
    text: str
    settings: bool = False


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder where there is none; it is left when rigd is removed."""

    path: Path


@dataclass(frozen=True, slots=True)
class Run:
    """Run a program of the system.

    Attributes:
        command: Program and arguments.
        may_fail: The rest does not depend on it.

    """

    command: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove a file that rigd has written."""

    path: Path


Step = WriteFile | MakeFolder | RemoveFile | Run


@dataclass(frozen=True, slots=True)
class Places:
    """Where things go.

    Attributes:
        units: Unit files.
        settings: rig.yaml and sessions/.
        data: The data root.

    """

    units: Path
    settings: Path
    data: Path


SYSTEM = Places(
    units=Path("/etc/systemd/system"),
    settings=Path("/etc/rigd"),
    data=Path("/var/lib/rigd/data"),
)


def places_of_user(home: Path) -> Places:
    """Where things of a person go whose home folder is `home`."""
    return Places(
        units=home / ".config/systemd/user",
        settings=home / ".config/rigd",
        data=home / ".local/share/rigd/data",
    )


SYSTEM_FILES = {
    "rigd.sysusers": Path("/etc/sysusers.d/rigd.conf"),
    "rigd.tmpfiles": Path("/etc/tmpfiles.d/rigd.conf"),
    "rigd.rules": Path("/etc/polkit-1/rules.d/50-rigd.rules"),
}
"""Files of the system beside the units, and where they go."""


def install_system(
    files: Mapping[str, str], program: str, examples: Mapping[str, str]
) -> list[Step]:
    """Install for the whole machine, run as a user of its own.

    Args:
        files: The texts of systemd/, by name.
        program: Where rigd is.
        examples: `rig.yaml` and session files, by their path below the settings.

    """
    return [
        *(WriteFile(path, files[name]) for name, path in SYSTEM_FILES.items()),
        *_units({name: for_program(files[name], program) for name in UNITS}, SYSTEM),
        Run(("systemd-sysusers", str(SYSTEM_FILES["rigd.sysusers"]))),
        Run(("systemd-tmpfiles", "--create", str(SYSTEM_FILES["rigd.tmpfiles"]))),
        *_settings(examples, SYSTEM),
        Run(("systemctl", "daemon-reload")),
        Run(("systemctl", "enable", "rigd.target", "rigd.service")),
    ]


def install_for_user(
    files: Mapping[str, str], program: str, examples: Mapping[str, str], home: Path
) -> list[Step]:
    """Install for one person, who runs it; see `install_system`."""
    places = places_of_user(home)
    texts = {name: for_user(for_program(files[name], program)) for name in UNITS}
    return [
        *_units(texts, places),
        MakeFolder(places.data),
        *_settings(examples, places),
        Run(("systemctl", "--user", "daemon-reload")),
        Run(("systemctl", "--user", "enable", "rigd.target", "rigd.service")),
    ]


def _units(texts: Mapping[str, str], places: Places) -> Sequence[Step]:
    return [WriteFile(places.units / name, text) for name, text in texts.items()]


def _settings(examples: Mapping[str, str], places: Places) -> Sequence[Step]:
    return [
        WriteFile(places.settings / name, _with_data_root(text, places), settings=True)
        for name, text in examples.items()
    ]


def _with_data_root(text: str, places: Places) -> str:
    return text.replace("{data_root}", str(places.data))


def before_removal(*, user: bool) -> list[Step]:
    """What to do before the files of an installation are removed."""
    manager = ("systemctl", "--user") if user else ("systemctl",)
    return [Run((*manager, "disable", "--now", "rigd.target", "rigd.service"), True)]


def after_removal(*, user: bool) -> list[Step]:
    """What to do when the files of an installation are removed."""
    manager = ("systemctl", "--user") if user else ("systemctl",)
    return [Run((*manager, "daemon-reload"), may_fail=True)]
