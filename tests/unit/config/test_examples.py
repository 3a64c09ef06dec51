from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from rigd.config.document import read_document
from rigd.config.dump import dump_session
from rigd.config.electrodes import probe_electrodes
from rigd.config.load import load_rig, load_session
from rigd.config.rig import Rig
from rigd.config.schema import rig_schema, session_schema
from rigd.streams.registry import InstalledDrivers

FOLDER = Path(str(files("rigd.config.examples")))
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.yaml"))
RIGS = [name for name in EXAMPLES if name.endswith("rig.yaml")]
SESSIONS = [name for name in EXAMPLES if name not in RIGS]


def needs_its_package(name: str) -> None:
    if name == "lsl.yaml" and find_spec("pylsl") is None:
        pytest.skip("pylsl is not installed")


def test_the_examples_are_there() -> None:
    assert RIGS == ["demo_rig.yaml"]
    assert SESSIONS == ["demo.yaml", "external.yaml", "lsl.yaml", "two_probes.yaml"]


@pytest.mark.parametrize("name", SESSIONS)
def test_each_session_loads_with_the_installed_drivers(
    name: str, tmp_path: Path
) -> None:
    needs_its_package(name)
    session = load_session(FOLDER / name, InstalledDrivers())
    as_run = tmp_path / "session.yaml"
    as_run.write_text(dump_session(session), encoding="utf-8")
    assert load_session(as_run, InstalledDrivers()) == session
    check_options(session.rig)


def test_the_demo_rig_has_these_streams() -> None:
    rig = load_rig(FOLDER / "demo_rig.yaml", InstalledDrivers())
    types = {name: stream.nwb.type for name, stream in rig.streams.items()}
    assert types == {
        "probe0_ap": "ElectricalSeries",
        "probe0_sync": "TimeSeries",
        "analog": "TimeSeries",
        "box_sync": "TimeSeries",
        "wheel": "SpatialSeries",
        "ttl": "EventsTable",
        "camera": "ImageSeries",
        "camera_lines": "TimeSeries",
    }
    assert set(rig.clocks.devices) == set(rig.devices)
    assert len(probe_electrodes(rig.probes["probe0"])) == 384
    clocks = [str(device.options["clock"]) for device in rig.devices.values()]
    assert len(set(clocks)) == len(rig.devices)


def check_options(rig: Rig) -> None:
    """Check options as a driver process does, from values that went through JSON."""
    drivers = InstalledDrivers()
    for device in Rig.model_validate_json(rig.model_dump_json()).devices.values():
        drivers.device_options(device.driver).model_validate(device.options)
        for stream in device.streams.values():
            drivers.stream_options(device.driver).model_validate(stream.options)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_fits_its_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = rig_schema() if name in RIGS else session_schema()
    values = read_document(FOLDER / name).values
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(values)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_example_chooses_where_data_goes(name: str) -> None:
    assert "data_root" not in read_document(FOLDER / name).values
