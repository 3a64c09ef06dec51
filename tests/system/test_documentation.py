"""What the documentation tells to do works: its session, its snippets."""

import subprocess
import sys
from pathlib import Path

import pytest
from pynwb import NWBHDF5IO

from tests.support.documentation import code_blocks
from tests.support.laboratory import Laboratory


@pytest.fixture
def recorded(laboratory: Laboratory) -> Path:
    """The working folder of a reader who has recorded the session of the README."""
    (session,) = code_blocks("README.md", "yaml")
    path = laboratory.folder / "session.yaml"
    path.write_text(session)
    run = laboratory.start("record", path, "--duration", "1.5 s", "--json")
    code, errors = run.finish()
    assert (code in (0, 1), errors) == (True, ""), (
        run.lines
    )  # 1: a busy machine is late
    return laboratory.folder


def run_python(code: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippets_open_the_session_of_the_readme(recorded: Path) -> None:
    (snippet,) = code_blocks("README.md", "python")
    output = run_python(snippet, recorded)
    assert "volts" in output
    assert "seconds since 2" in output

    (export,) = code_blocks("docs/how-to/share-as-one-file.md", "python")
    run_python(export, recorded)
    (recorded / "data").rename(recorded / "elsewhere")
    with NWBHDF5IO(recorded / "whole.nwb", "r") as io:
        session = io.read()
        assert len(session.acquisition["voltage"].data) > 30_000
        assert "buttons" in session.events


def test_a_reader_follows_a_recording(laboratory: Laboratory) -> None:
    (session,) = code_blocks("README.md", "yaml")
    path = laboratory.folder / "session.yaml"
    path.write_text(session)
    run = laboratory.start("record", path, "--duration", "4 s", "--json")
    folder = Path(str(run.wait_for(event="folder")["folder"]))
    run.wait_for(event="state", state="recording")

    (code,) = code_blocks("docs/how-to/look-while-it-runs.md", "python")
    (file,) = folder.glob("streams/*_voltage.nwb")
    code += f"\nfollow({str(file)!r}, '/acquisition/voltage/data', seconds=2)"
    lines = run_python(code, folder).splitlines()
    counts = [int(line.split()[0]) for line in lines]
    assert len(set(counts)) > 1
    assert counts == sorted(counts)
    assert run.finish()[0] in (0, 1)
