import json
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rigd.daemon.cli import app
from rigd.daemon.driver_table import describe_type, driver_entry, option_entries
from rigd.streams.registry import GROUP, driver_names
from rigd.streams.simulated_options import SimulatedOptions


def rigd(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def test_version() -> None:
    assert rigd("--version") == (0, f"rigd {version('rigd')}\n")


@pytest.mark.parametrize(
    "command", ["record", "finalize", "verify", "drivers", "schema"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    code, text = rigd(command, "--help")
    assert code == 0
    assert "Example" in text
    assert f"rigd {command}" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("unknown",),
        ("record",),
        ("record", "s.yaml", "--duration", "soon"),
        ("record", "s.yaml", "--duration", "0 s"),
        ("record", "s.yaml", "--duration=-5"),
        ("verify", "/does/not/exist"),
        ("schema", "probe"),
        ("drivers", "no-such-driver"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    assert rigd(*arguments)[0] == 2


def test_a_wrong_duration_is_explained() -> None:
    _, text = rigd("record", "s.yaml", "--duration", "10 parsecs")
    assert "parsecs" in text
    assert "10 s" in text


def test_a_missing_session_file_is_bad_configuration(tmp_path: Path) -> None:
    code, text = rigd("record", str(tmp_path / "none.yaml"))
    assert code == 78
    assert "none.yaml" in text


def test_a_program_gets_the_error_as_an_event(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["record", str(tmp_path / "none.yaml"), "--json"])
    event = json.loads(result.stdout)
    assert (event["event"], event["level"]) == ("notice", "error")
    assert "none.yaml" in event["text"]
    assert "none.yaml" in result.stderr


@pytest.mark.parametrize("what", ["session", "rig"])
def test_schemas_are_json(what: str) -> None:
    code, text = rigd("schema", what)
    assert code == 0
    assert json.loads(text)["title"] == f"rigd {what}"


def test_drivers_are_listed() -> None:
    code, text = rigd("drivers", "--json")
    assert code == 0
    entries = [json.loads(line) for line in text.splitlines()]
    assert [entry["name"] for entry in entries] == driver_names()
    assert all(entry["description"] for entry in entries)


def test_a_driver_shows_its_settings() -> None:
    code, text = rigd("drivers", "simulated", "--json")
    assert code == 0
    entry = json.loads(text)
    options = {option["name"]: option for option in entry["options"]}
    assert options["seed"]["default"] == 0
    assert (options["block"]["type"], options["block"]["unit"]) == ("duration", "s")
    assert options["clock.drift_ppm"]["type"] == "number"
    assert options["clock.offset"]["type"] == "time offset"
    assert "ten" not in options["seed"]["meaning"]
    signal = next(o for o in entry["stream_options"] if o["name"] == "signal")
    assert signal["required"]
    assert "counter | sine" in signal["type"]


def test_every_setting_of_the_simulated_device_has_a_meaning() -> None:
    assert all(entry.meaning for entry in option_entries(SimulatedOptions))


def test_the_table_of_settings_is_for_people() -> None:
    code, text = rigd("drivers", "simulated")
    assert code == 0
    assert "options of a stream" in text
    assert "never_delivers" in text


def test_a_driver_that_lacks_a_package_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = EntryPoint("missing", "no_such_package:Driver", GROUP)
    monkeypatch.setattr("rigd.streams.registry.entry_points", lambda group: [point])
    entry = driver_entry("missing")
    assert not entry.installed
    assert "needs the package `no_such_package`" in entry.description


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int | None, ("integer", None)),
        (list[str], ("list of text", None)),
        (dict[str, int], ("dict of text, integer", None)),
        (tuple[int, ...], ("tuple of integer", None)),
        (bool, ("true | false", None)),
        (str | int, ("text | integer", None)),
    ],
)
def test_types_in_words(hint: Any, expected: tuple[str, str | None]) -> None:
    assert describe_type(hint) == expected


def test_help_does_not_wait_for_libraries() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, rigd.daemon.cli; "
            "sys.exit(bool({'zmq', 'h5py', 'pynwb', 'numpy', 'pydantic'} "
            "& sys.modules.keys()))",
        ]
    )
    assert done.returncode == 0
