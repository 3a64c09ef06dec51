"""What `rigd install` plans, does and undoes, in a folder instead of the system's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rigd.config.load import load_session
from rigd.daemon.cli import app
from rigd.daemon.installation import (
    SYSTEM,
    MakeFolder,
    RemoveFile,
    Run,
    Step,
    WriteFile,
    install_for_user,
    install_system,
)
from rigd.daemon.installing import (
    InstallationError,
    carry_out,
    describe,
    example_settings,
    hidden_from_service,
    shipped_files,
    steps_to_undo,
)
from rigd.daemon.unit_files import PROGRAM, for_program, for_user


def system_steps() -> list[Step]:
    return install_system(shipped_files(), "/usr/bin/rigd", example_settings())


def files_of(steps: list[Step]) -> dict[Path, WriteFile]:
    return {step.path: step for step in steps if isinstance(step, WriteFile)}


def test_the_user_is_made_before_its_folders_and_the_units_are_loaded_last() -> None:
    commands = [s.command[0] for s in system_steps() if isinstance(s, Run)]
    assert commands == [
        "systemd-sysusers",
        "systemd-tmpfiles",
        "systemctl",
        "systemctl",
    ]


def test_units_run_the_program_that_installs_them() -> None:
    unit = files_of(system_steps())[SYSTEM.units / "rigd.service"]
    assert "ExecStart=/usr/bin/rigd serve" in unit.text
    assert PROGRAM not in unit.text


def test_the_example_can_be_recorded(tmp_path: Path) -> None:
    steps = install_for_user(shipped_files(), "rigd", example_settings(), tmp_path)
    carry_out([step for step in steps if not isinstance(step, Run)])
    session = load_session(tmp_path / ".config/rigd/sessions/demo.yaml")
    assert session.rig.data_root == tmp_path / ".local/share/rigd/data"
    assert session.rig.data_root.is_dir()


@pytest.fixture
def steps(tmp_path: Path) -> list[Step]:
    return [
        WriteFile(tmp_path / "units" / "a.service", "[Unit]\n"),
        WriteFile(tmp_path / "units" / "b.service", "[Unit]\n"),
        WriteFile(tmp_path / "settings" / "rig.yaml", "name: x\n", settings=True),
        MakeFolder(tmp_path / "data"),
        Run(("true",)),
    ]


def test_done_steps_are_not_done_again(steps: list[Step]) -> None:
    carry_out(steps)
    assert [describe(step) for step in steps] == [None] * 4 + ["run   true"]


def test_settings_are_left_and_other_files_brought_back(steps: list[Step]) -> None:
    carry_out(steps)
    unit, _, rig, *_ = [s.path for s in steps if isinstance(s, WriteFile)]
    for path in (unit, rig):
        path.write_text("changed\n")
    text = describe(steps[0])
    assert text is not None
    assert "changed" in text
    carry_out(steps)
    assert (unit.read_text(), rig.read_text()) == ("[Unit]\n", "changed\n")


def test_undo_removes_what_is_unchanged(steps: list[Step]) -> None:
    carry_out(steps)
    changed = [s.path for s in steps if isinstance(s, WriteFile)][1]
    changed.write_text("mine\n")
    undo = steps_to_undo(steps, user=False)
    removed = [step for step in undo if isinstance(step, RemoveFile)]
    assert removed == [RemoveFile(files_of(steps)[changed.parent / "a.service"].path)]
    assert isinstance(undo[0], Run)
    assert "--now" in undo[0].command
    carry_out(removed)
    assert changed.read_text() == "mine\n"


def test_nothing_to_undo_before_an_installation(steps: list[Step]) -> None:
    assert steps_to_undo(steps, user=True) == []


@pytest.mark.parametrize(
    "broken",
    [
        lambda folder: Run(("false",)),
        lambda folder: Run(("/nowhere/program",)),
        lambda folder: WriteFile(folder / "file" / "x", ""),
    ],
)
def test_a_step_that_fails_is_named(
    tmp_path: Path, broken: Callable[[Path], Step]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallationError):
        carry_out([broken(tmp_path)])


def test_a_step_that_may_fail_does_not_matter() -> None:
    step = Run(("false",))
    carry_out([replace(step, may_fail=True)])


def test_units_of_a_person() -> None:
    text = for_user(for_program(shipped_files()["rigd.service"], "/home/me/rigd"))
    assert "ExecStart=/home/me/rigd serve --rig %E/rigd/rig.yaml" in text
    assert "WatchdogSec=30" in text
    assert "User=" not in text
    assert "#" not in text
    assert "WantedBy=default.target" in for_user(shipped_files()["rigd.target"])


def test_the_command_shows_and_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = CliRunner().invoke(app, ["install", "--user"], "n")
    assert shown.exit_code == 1
    assert f"write {tmp_path}/.config/systemd/user/rigd.service" in shown.output
    assert not (tmp_path / ".config").exists()
    again = CliRunner().invoke(app, ["install", "--user", "--undo"])
    assert (again.exit_code, again.output) == (0, "there is nothing to remove\n")


def test_a_program_in_a_home_folder_is_refused(tmp_path: Path) -> None:
    program = Path("/home/me/venv/bin/rigd")
    hidden = hidden_from_service(program)
    assert hidden is not None
    assert str(program) in hidden
    (tmp_path / "rigd").symlink_to("/home/me/rigd")
    assert hidden_from_service(tmp_path / "rigd")


def test_a_program_outside_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.base_prefix", "/usr")
    assert hidden_from_service(Path("/opt/rigd/bin/rigd")) is None
