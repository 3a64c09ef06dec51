import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_rig
from rigd.streams import registry
from rigd.streams.drivers.external import ExternalDriver, ExternalStreamOptions
from rigd.streams.registry import DriverError, InstalledDrivers, find_driver

RIG = "devices: {d: {driver: %s, streams: {a: {options: {dtype: <i2, rate: 1}}}}}\n"


def entry_point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=registry.GROUP)


@pytest.fixture
def fake_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers whose modules can't be imported for different reasons."""
    (tmp_path / "needs_package.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "needs_library.py").write_text("raise OSError('no libdevice.so')\n")
    (tmp_path / "misses_class.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        entry_point("lsl", "needs_package:D"),
        entry_point("x", "needs_library:D"),
    ]
    points += [entry_point("y", "misses_class:D")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    for name in ("needs_package", "needs_library", "misses_class"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_driver_is_found_by_its_name() -> None:
    assert find_driver("external") is ExternalDriver
    assert InstalledDrivers().stream_options("external") is ExternalStreamOptions


def test_an_unknown_driver_is_told_with_those_installed() -> None:
    with pytest.raises(DriverError, match="unknown driver `nidaq`; installed are ext"):
        find_driver("nidaq")


def test_the_package_that_is_missing_is_named(fake_drivers: None) -> None:
    with pytest.raises(DriverError, match="`lsl` needs the package `a_package_that_is"):
        find_driver("lsl")


@pytest.mark.parametrize(
    ("name", "what"), [("x", "no libdevice.so"), ("y", "has no attribute 'D'")]
)
def test_other_reasons_are_told(fake_drivers: None, name: str, what: str) -> None:
    with pytest.raises(DriverError, match=f"driver `{name}` can't be loaded: .*{what}"):
        find_driver(name)


def test_the_extra_that_brings_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "lab_drivers-1.0.dist-info"
    info.mkdir()
    metadata = "Metadata-Version: 2.1\nName: lab-drivers\nVersion: 1.0\n"
    (info / "METADATA").write_text(metadata + "Provides-Extra: scope\n")
    points = (
        "[rigd.drivers]\nscope = lab_scope_driver:Scope\nother = lab_scope_driver:O\n"
    )
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "lab_scope_driver.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DriverError) as caught:
        find_driver("scope")
    assert str(caught.value) == (
        "driver `scope` needs the package `not_there_at_all`: "
        'pip install "lab-drivers[scope]"'
    )
    with pytest.raises(DriverError, match='pip install "lab-drivers"$'):
        find_driver("other")


def test_what_is_missing_is_a_fault_at_the_driver(
    fake_drivers: None, tmp_path: Path
) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(RIG % "lsl")
    with pytest.raises(
        ConfigurationError, match=r"rig.yaml:1:23: devices.d.driver: dr"
    ):
        load_rig(path, InstalledDrivers())


def test_options_are_checked_by_the_driver(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(RIG % "external")
    load_rig(path, InstalledDrivers())
    path.write_text(RIG.replace("rate", "raet") % "external")
    with pytest.raises(
        ConfigurationError, match="raet: unknown key; did you mean `rate"
    ):
        load_rig(path, InstalledDrivers())
