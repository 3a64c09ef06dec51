"""`rigd install`: shows what it will do, does it, can be run twice and undone."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import typer

from rigd.daemon.installation import (
    MakeFolder,
    RemoveFile,
    Run,
    Step,
    WriteFile,
    after_removal,
    before_removal,
    install_for_user,
    install_system,
)

FILE_MODE = 0o644

HOMES = (Path("/root"), Path("/home"), Path("/run/user"))
"""What `ProtectHome=` hides."""

NEXT = """installed. Next:
  describe your rig in /etc/rigd/rig.yaml, your sessions in /etc/rigd/sessions/
  prove it:    rigd check --rig /etc/rigd/rig.yaml
  start it:    systemctl start rigd        (it starts at each boot from now on)
  watch it:    systemctl status rigd, journalctl -u rigd"""

NEXT_FOR_USER = """installed. Next:
  describe your rig in ~/.config/rigd/rig.yaml, sessions in ~/.config/rigd/sessions/
  start it:    systemctl --user start rigd
  keep it when you log out, and start it at each boot:    loginctl enable-linger"""


class InstallationError(Exception):
    """A step could not be done: which, why, and what was done before."""


def shipped_files() -> dict[str, str]:
    """The texts of systemd/, by name."""
    folder = files("rigd.systemd")
    return {
        file.name: file.read_text()
        for file in folder.iterdir()
        if file.name.startswith("rigd")
    }


def example_settings() -> dict[str, str]:
    """An example rig and session, by their path below the folder of settings."""
    folder = files("rigd.config.examples")
    rig = folder.joinpath("demo_rig.yaml").read_text()
    session = folder.joinpath("demo.yaml").read_text()
    return {
        "rig.yaml": f"data_root: {{data_root}}\n\n{rig}",
        "sessions/demo.yaml": session.replace("demo_rig.yaml", "../rig.yaml"),
    }


def describe(step: Step) -> str | None:
    """Say what a step will do; None: nothing, it is done already."""
    if isinstance(step, Run):
        return f"run   {' '.join(step.command)}"
    if isinstance(step, RemoveFile):
        return f"remove {step.path}"
    if isinstance(step, MakeFolder):
        return None if step.path.is_dir() else f"make  {step.path}/"
    if not step.path.exists():
        return f"write {step.path}"
    if step.settings or step.path.read_text() == step.text:
        return None
    return f"write {step.path} (it is there, and changed)"


def carry_out(steps: Sequence[Step]) -> None:
    """Do all steps that are not done already, in order.

    Raises:
        InstallationError: One could not be done. To do all again is harmless.

    """
    for step in steps:
        text = describe(step)
        if text is None:
            continue
        try:
            _do(step)
        except OSError as error:
            raise InstallationError(
                f"`{text}`: {error.strerror}; as root (sudo)?"
            ) from error


def _do(step: Step) -> None:
    if isinstance(step, Run):
        _run(step)
    elif isinstance(step, MakeFolder):
        step.path.mkdir(parents=True, exist_ok=True)
    elif isinstance(step, RemoveFile):
        step.path.unlink()
    else:
        step.path.parent.mkdir(parents=True, exist_ok=True)
        step.path.write_text(step.text)
        step.path.chmod(FILE_MODE)


def _run(step: Run) -> None:
    done = subprocess.run(step.command, capture_output=True, text=True, check=False)
    if done.returncode != 0 and not step.may_fail:
        command = " ".join(step.command)
        raise InstallationError(f"`{command}` failed: {done.stderr.strip()}")


def hidden_from_service(program: Path) -> str | None:
    """Say why the service's user can't run this program; None: it can.

    The units see no home folder, and these are closed to others anyway.
    """
    for path in (program.resolve(), Path(sys.base_prefix).resolve()):
        if any(path.is_relative_to(home) for home in HOMES):
            return (
                f"`{path}` lies in a home folder, which the service can't see; install "
                "rigd, and its Python, outside: python3 -m venv /opt/rigd && "
                "/opt/rigd/bin/pip install rigd && /opt/rigd/bin/rigd install"
            )
    return None


def steps_to_undo(steps: Sequence[Step], *, user: bool) -> list[Step]:
    """Turn an installation around: stop the service, remove what is as it was written.

    A file that somebody has changed stays.
    """
    written = [s for s in steps if isinstance(s, WriteFile) and not s.settings]
    ours = [s for s in written if s.path.exists() and s.path.read_text() == s.text]
    return [
        *(before_removal(user=user) if ours else ()),
        *(RemoveFile(step.path) for step in ours),
        *(after_removal(user=user) if ours else ()),
    ]


def install(*, user: bool, undo: bool, dry: bool, yes: bool) -> int:
    """Show the steps, ask, do them; see `rigd install --help`. Return the exit code."""
    program = Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    if not user and not undo and (hidden := hidden_from_service(program)):
        print(f"rigd: {hidden}", file=sys.stderr)
        return 1
    given = shipped_files(), str(program), example_settings()
    steps = install_for_user(*given, Path.home()) if user else install_system(*given)
    if undo:
        steps = steps_to_undo(steps, user=user)
    todo = [text for text in map(describe, steps) if text is not None]
    if undo and not todo:
        print("there is nothing to remove")
        return 0
    print("\n".join(["this will be done:", *(f"  {text}" for text in todo)]))
    if dry:
        return 0
    if not yes and not typer.confirm("go on?"):
        return 1
    try:
        carry_out(steps)
    except InstallationError as error:
        print(f"rigd: {error}", file=sys.stderr)
        return 1
    print("removed" if undo else NEXT_FOR_USER if user else NEXT)
    return 0
