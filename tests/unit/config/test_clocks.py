"""The section `clocks:`: what it takes, and what it says of what does not fit."""

import textwrap
from pathlib import Path

import pytest

from rigd.config.clocks import DeviceClock
from rigd.config.dump import dump_session
from rigd.config.faults import ConfigurationError
from rigd.config.load import load_realignment, load_rig, load_session

RIG = """\
devices:
  probe:
    driver: simulated
    streams: {ap: {}, lines: {}}
  box:
    driver: simulated
    streams: {analog: {}}
  camera:
    driver: simulated
    streams: {frames: {}}
"""


def with_clocks(clocks: str) -> str:
    return RIG + "clocks:\n" + textwrap.indent(textwrap.dedent(clocks), "  ")


def faults(folder: Path, clocks: str) -> list[str]:
    path = folder / "rig.yaml"
    path.write_text(with_clocks(clocks))
    with pytest.raises(ConfigurationError) as caught:
        load_rig(path)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


GOOD = """\
reference: ap
devices:
  probe: {sync: {stream: lines, line: 3}, latency: 0.2 ms}
  box: {mode: shared_clock, same_as: probe}
  camera: {mode: host_clock, tolerance: 2 ms}
streams:
  frames: {time_shift: -4 ms, timestamps: regular}
"""


def test_all_is_read_and_written_back(tmp_path: Path) -> None:
    path = tmp_path / "session.yaml"
    path.write_text(
        "id: one\ndescription: d\nsubject: {id: m, species: Mus musculus}\nrig:\n"
        + textwrap.indent(with_clocks(GOOD), "  ")
    )
    session = load_session(path)
    clocks = session.rig.clocks
    assert clocks.reference == "ap"
    assert clocks.of_device("probe").latency == pytest.approx(2e-4)
    assert clocks.domain("box") == "probe"
    assert clocks.domain("camera") == "camera"
    assert clocks.of_device("nobody") == DeviceClock()
    assert clocks.of_stream("frames").time_shift == pytest.approx(-4e-3)
    assert clocks.of_stream("ap").timestamps == "explicit"
    again = tmp_path / "again.yaml"
    again.write_text(dump_session(session))
    assert load_session(again).rig.clocks == clocks


def test_nothing_said_means_the_host_and_auto(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(RIG)
    clocks = load_rig(path).clocks
    assert (clocks.reference, clocks.devices, clocks.streams) == ("host", {}, {})


@pytest.mark.parametrize(
    ("clocks", "fault"),
    [
        ("reference: nobody", "12:14: clocks.reference: no stream is called `nobody`"),
        ("devices: {nobody: {}}", "12:13: clocks.devices.nobody: no device is called"),
        ("streams: {box: {}}", "12:13: clocks.streams.box: no stream is called `box`"),
        (
            "devices: {probe: {mode: sync_line}}",
            "12:27: clocks.devices.probe.mode: `sync_line` needs `sync`",
        ),
        (
            "devices: {probe: {mode: shared_clock}}",
            "12:27: clocks.devices.probe.mode: `shared_clock` needs `same_as`",
        ),
        (
            "devices: {probe: {sync: {stream: analog, line: 0}}}",
            "12:36: clocks.devices.probe.sync.stream: device `probe` has no stream "
            "`analog`; there is ap, lines",
        ),
        (
            "devices: {probe: {same_as: probe}}",
            "12:30: clocks.devices.probe.same_as: no other device is called `probe`",
        ),
        (
            "devices: {probe: {same_as: box}, box: {same_as: camera}}",
            "12:30: clocks.devices.probe.same_as: device `box` shares the clock of "
            "`camera` itself",
        ),
        (
            "devices: {probe: {mode: guess}}",
            "12:27: clocks.devices.probe.mode",
        ),
        (
            "devices: {probe: {sync: {stream: lines, line: 0, threshold: 1}}}",
            "clocks.devices.probe.sync: give `line` for a digital line or `threshold`",
        ),
        ("devices: {probe: {latency: -1 ms}}", "clocks.devices.probe.latency"),
        ("devices: {probe: {drift: 1}}", "unknown key"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_place(
    tmp_path: Path, clocks: str, fault: str
) -> None:
    found = faults(tmp_path, clocks)
    assert len(found) == 1, found
    assert fault in found[0]


def test_settings_of_a_realignment_fit_the_recorded_rig(tmp_path: Path) -> None:
    rig = tmp_path / "rig.yaml"
    rig.write_text(RIG)
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD + "tolerance: 50 us\n")
    bad.write_text("reference: nobody\ntolerance: now\n")
    settings = load_realignment(good, load_rig(rig))
    assert settings.tolerance == pytest.approx(5e-5)
    assert settings.reference == "ap"
    with pytest.raises(ConfigurationError) as caught:
        load_realignment(bad, load_rig(rig))
    assert "bad.yaml:1:12: reference: no stream" in str(caught.value)
    assert "bad.yaml:2:12: tolerance" in str(caught.value)
