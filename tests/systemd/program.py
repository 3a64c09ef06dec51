"""An environment with rigd as it is installed from its wheel, to be moved anywhere."""

import compileall
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
FOLDERS = ("config", "streams", "daemon", "systemd")
PLACE = Path("/opt/rigd")
"""Where the environment will be."""

PYTHON = Path("/opt/python")
"""Where the prefix of the interpreter will be."""


def make_program(folder: Path) -> Path:
    """Make the environment in `folder`; the packages that rigd needs are copied."""
    made = folder / "rigd"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = made / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (made / "bin").mkdir()
    (made / "bin" / "python").symlink_to(PYTHON / "bin" / version)
    (made / "pyvenv.cfg").write_text(f"home = {PYTHON}/bin\n")
    for lent in lent_folders():
        shutil.copytree(
            lent,
            site,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__editable__*", "*.pth", "rigd-*"),
            copy_function=_link,
        )
    with ZipFile(build_wheel(folder)) as wheel:
        wheel.extractall(site)
    compileall.compile_dir(site / "rigd", quiet=1)  # as pip does
    script = made / "bin" / "rigd"
    script.write_text(
        f"#!{PLACE}/bin/python\n"
        "import sys\n"
        "from rigd.daemon.cli import main\n"
        "sys.exit(main())\n"
    )
    script.chmod(0o755)
    return made


def lent_folders() -> list[Path]:
    """Folders with installed packages of the environment that runs this."""
    return [Path(p) for p in sys.path if Path(p).name == "site-packages"]


def _link(source: str, target: str) -> None:
    """Link a file where that can be done, else copy it; the first that came stays."""
    if Path(target).exists():
        return
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, so that nothing is left in them."""
    sources = folder / "sources"
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, sources / name, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, sources)
    options = ("--quiet", "--no-build-isolation", "--no-deps", "--no-input")
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir"]
    done = subprocess.run(
        [*command, str(folder / "wheel"), str(sources)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = (folder / "wheel").glob("*.whl")
    return found
