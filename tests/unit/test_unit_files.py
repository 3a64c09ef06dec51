"""The unit files, as systemd reads them; nothing is booted."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from rigd.daemon.installation import UNITS
from rigd.daemon.installing import shipped_files
from rigd.daemon.unit_files import for_program, for_user

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)

EXPOSURE = 25
"""Tenths: the score that the units may have at most."""


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_units(folder: Path, *, user: bool) -> list[Path]:
    """The units as they are installed, running a program that is there."""
    paths = []
    for name in UNITS:
        text = for_program(shipped_files()[name], "/bin/true")
        path = folder / name
        path.write_text(for_user(text) if user else text)
        paths.append(path)
    return paths


@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_systemd_finds_nothing_to_complain_of(
    tmp_path: Path, user: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # of a person, needed
    units = write_units(tmp_path, user=user)
    done = analyze(*(["--user"] if user else []), "verify", "--man=no", *units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", ["rigd.service", "rigd@.service"])
def test_the_service_is_hardened(tmp_path: Path, unit: str) -> None:
    write_units(tmp_path, user=False)
    options = ("--no-pager", "--offline=yes", f"--threshold={EXPOSURE}")
    done = analyze("security", *options, tmp_path / unit)
    assert done.returncode == 0, done.stdout


def settings(unit: str) -> dict[str, list[str]]:
    """Settings of [Service], each with all its values."""
    text = shipped_files()[unit].split("[Service]")[1].split("[Install]")[0]
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_service_and_instances_differ_only_in_what_they_run() -> None:
    service, instance = settings("rigd.service"), settings("rigd@.service")
    differing = {
        name
        for name in service.keys() | instance.keys()
        if service.get(name) != instance.get(name)
    }
    assert differing == {
        "ExecStart",
        "ExecReload",
        "Restart",
        "RestartPreventExitStatus",
        "RuntimeDirectory",
        "LogExtraFields",
    }


def test_a_persons_units_ask_for_no_rights_of_root() -> None:
    for name in UNITS:
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(for_user(shipped_files()[name]))
        for section in parser.sections():
            given = set(parser[section])
            assert not given & {"User", "Nice", "OOMScoreAdjust", "DeviceAllow"}
        assert "/etc/rigd" not in for_user(shipped_files()[name])
