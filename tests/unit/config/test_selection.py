"""A session that records some devices of its rig."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rigd.config.dump import dump_session
from rigd.config.faults import ConfigurationError
from rigd.config.load import load_session, parse_session
from rigd.config.session import Session


def load(
    folder: Path, selected: object, clocks: dict[str, object] | None = None
) -> Session:
    device = {"driver": "simulated"}
    values = {
        "id": "s1",
        "description": "a test",
        "subject": {"id": "m7", "species": "Mus musculus"},
        "devices": selected,
        "rig": {
            "devices": {
                "box": {**device, "streams": {"count": {}}},
                "camera": {**device, "streams": {"frames": {}}},
            },
            "clocks": clocks or {},
        },
    }
    path = folder / "session.yaml"
    YAML(typ="safe", pure=True).dump(values, path)
    return load_session(path)


def test_the_others_are_left_out(tmp_path: Path) -> None:
    clocks: dict[str, object] = {
        "devices": {"camera": {"latency": 0.01}, "box": {"latency": 0.02}}
    }
    session = load(tmp_path, ["box"], clocks)
    assert list(session.rig.devices) == ["box"]
    assert list(session.rig.clocks.devices) == ["box"]
    assert parse_session(dump_session(session), tmp_path / "x.yaml") == session


def test_all_are_recorded_by_default(tmp_path: Path) -> None:
    assert list(load(tmp_path, None).rig.devices) == ["box", "camera"]


def test_unknown_devices_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, ["box", "probe", "x"])
    assert [fault.where for fault in refused.value.faults] == ["devices.1", "devices.2"]
    assert "the rig has no device `probe`; it has box, camera" in str(refused.value)


def test_what_is_left_must_fit_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no stream is called `frames`"):
        load(tmp_path, ["box"], {"reference": "frames"})
