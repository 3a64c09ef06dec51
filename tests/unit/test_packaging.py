"""What an installed rigd holds: everything of ours, under no name but `rigd`."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("config", "streams", "daemon", "systemd")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building leaves nothing in them."""
    copy = tmp_path_factory.mktemp("sources")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", out, sources)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what rigd depends on is lent by this one.

    A `.pth` file in a folder that is itself on the path only through a `.pth` file is
    not read, so the editable install of this environment is not lent along.
    """
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    pip("--python", folder / "bin" / "python", "install", "--no-deps", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    lent = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    (site / "lent.pth").write_text("\n".join(dict.fromkeys(lent)))
    return folder


def pip(*arguments: str | Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-input")
    command = [sys.executable, "-m", "pip", *options, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(installed: Path, program: str, *arguments: str) -> str:
    """Run a program of the environment in a folder without sources; its output."""
    done = subprocess.run(
        [installed / "bin" / program, *arguments],
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_package_is_listed(project: dict[str, Any]) -> None:
    found = {
        "rigd." + ".".join(init.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(project["tool"]["setuptools"]["packages"])


def test_the_wheel_holds_every_file_but_nothing_outside_rigd(
    sources: Path, wheel: Path
) -> None:
    ours = {
        f"rigd/{file.relative_to(sources)}"
        for folder in FOLDERS
        for file in (sources / folder).rglob("*")
        if file.is_file()
    }
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == ours


def test_the_installed_program_says_its_version(
    installed: Path, project: dict[str, Any]
) -> None:
    version = project["project"]["version"]
    assert run(installed, "rigd", "--version") == f"rigd {version}"
    assert run(installed, "python", "-m", "rigd.daemon", "--version") == (
        f"rigd {version}"
    )


def test_the_installed_program_finds_its_drivers(
    installed: Path, project: dict[str, Any]
) -> None:
    drivers = run(installed, "rigd", "drivers")
    for name in project["project"]["entry-points"]["rigd.drivers"]:
        assert name in drivers


def test_the_modules_are_those_of_the_wheel(installed: Path) -> None:
    code = "import rigd.daemon.cli as module; print(module.__file__)"
    assert run(installed, "python", "-c", code).startswith(str(installed))


@pytest.mark.parametrize("name", FOLDERS)
def test_no_module_of_ours_has_a_bare_name(installed: Path, name: str) -> None:
    code = f"import importlib.util; print(importlib.util.find_spec({name!r}))"
    assert run(installed, "python", "-c", code) == "None"
