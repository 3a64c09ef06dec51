"""Every fault is shown with its place and what is allowed.

The expected texts here are what a user sees.
"""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from rigd.config.base import Model
from rigd.config.catalogue import UnknownDriverError
from rigd.config.dump import dump_session
from rigd.config.electrodes import probe_electrodes
from rigd.config.faults import ConfigurationError
from rigd.config.load import load_rig, load_session
from rigd.config.session import Session
from rigd.config.stream import Stream
from rigd.config.units import Hertz

SESSION = """\
id: maze
description: test
subject: {id: M1, species: Mus musculus}
"""

RIG = """\
devices:
  adc:
    driver: meter
    streams:
      voltage: {}
"""


class MeterOptions(Model):
    port: str = "ttyS0"


class MeterStreamOptions(Model):
    """Options with all that makes places hard: bounds, choices, alternatives."""

    kind: Literal["slow", "fast"] = "slow"
    rate: Hertz = 1.0
    gain: list[float] = Field(default_factory=list, max_length=2)
    dtype: str | list[tuple[str, str]] = "<i2"


class FileOptions(Model):
    path: str


class Drivers:
    """A catalogue of two drivers: `meter` needs no options, `file` needs a path."""

    def device_options(self, driver: str) -> type[Model]:
        models: dict[str, type[Model]] = {"meter": MeterOptions, "file": FileOptions}
        if driver not in models:
            raise UnknownDriverError(f"unknown driver `{driver}`; there is file, meter")
        return models[driver]

    def stream_options(self, driver: str) -> type[Model]:
        return MeterStreamOptions


Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files of a folder that is not the working folder."""
    monkeypatch.chdir("/")

    def write_one(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write_one


@pytest.fixture
def session(write: Write) -> Callable[[str], Session]:
    """Load a session with this rig."""

    def load(rig: str) -> Session:
        text = f"{SESSION}rig:\n{textwrap.indent(rig, '  ')}"
        return load_session(write("session.yaml", text), Drivers())

    return load


@pytest.fixture
def faults(tmp_path: Path, write: Write) -> Callable[[str], list[str]]:
    """The faults of a rig file, without the path of its folder."""

    def load(text: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load_rig(write("rig.yaml", text), Drivers())
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return load


Faults = Callable[[str], list[str]]


def device(*streams: str, driver: str = "meter", more: str = "") -> str:
    """A rig with one device `adc`; its streams begin in line 5 and column 7."""
    lines = "".join(f"      {stream}\n" for stream in streams)
    return f"devices:\n  adc:\n    driver: {driver}\n    streams:\n{lines}{more}"


# --- good files -------------------------------------------------------------------


def test_a_session_with_its_rig_in_it(session: Callable[[str], Session]) -> None:
    loaded = session(RIG)
    assert loaded.subject.species == "Mus musculus"
    assert list(loaded.rig.streams) == ["voltage"]


def test_a_session_that_names_a_rig_file(write: Write) -> None:
    write("rigs/one.yaml", RIG)
    loaded = load_session(write("s.yaml", f"{SESSION}rig: rigs/one.yaml\n"), Drivers())
    assert list(loaded.rig.devices) == ["adc"]


def test_paths_are_relative_to_the_file_they_stand_in(
    write: Write, tmp_path: Path
) -> None:
    probe = {
        "specification": "probeinterface",
        "probes": [{"contact_positions": [[0, 0]]}],
    }
    write("rigs/p.json", json.dumps(probe))
    write("rigs/one.yaml", f"data_root: raw\nprobes: {{p: {{file: p.json}}}}\n{RIG}")
    text = f"{SESSION}data_root: mine\nrig: rigs/one.yaml\n"
    loaded = load_session(write("s.yaml", text))
    assert loaded.data_root == tmp_path / "mine"
    assert loaded.rig.data_root == tmp_path / "rigs/raw"
    assert loaded.rig.probes["p"].file == tmp_path / "rigs/p.json"


def test_a_session_as_it_was_run_needs_no_probe_file(
    write: Write, tmp_path: Path
) -> None:
    probe = {"contact_positions": [[0, 5], [1, 6]], "device_channel_indices": [1, 0]}
    file = {"specification": "probeinterface", "probes": [probe]}
    path = write("p.json", json.dumps(file))
    rig = textwrap.indent(f"probes: {{p: {{file: p.json}}}}\n{RIG}", "  ")
    loaded = load_session(write("s.yaml", f"{SESSION}rig:\n{rig}"))
    path.unlink()
    again = load_session(write("run/session.yaml", dump_session(loaded)))
    assert again == loaded
    assert [e.rel_y for e in probe_electrodes(again.rig.probes["p"])] == [6.0, 5.0]


def test_the_default_data_root_is_beside_the_rig_file(
    write: Write, tmp_path: Path
) -> None:
    write("rigs/one.yaml", RIG)
    loaded = load_session(write("s.yaml", f"{SESSION}rig: rigs/one.yaml\n"))
    assert loaded.data_root is None
    assert loaded.rig.data_root == tmp_path / "rigs/data"


def test_an_absolute_path_stays(write: Write) -> None:
    assert load_rig(write("r.yaml", f"data_root: /raw\n{RIG}")).data_root == Path(
        "/raw"
    )


def test_a_path_relative_to_the_working_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("r.yaml", RIG)
    monkeypatch.chdir(tmp_path)
    assert load_rig("r.yaml").data_root == tmp_path / "data"


def test_options_stay_as_they_were_written(session: Callable[[str], Session]) -> None:
    loaded = session(device("a: {options: {rate: 2 kHz, gain: [1, 2]}}"))
    options = loaded.rig.streams["a"].options
    assert options == {"rate": "2 kHz", "gain": [1, 2]}
    assert json.loads(json.dumps(options)) == options


def test_without_a_catalogue_options_are_not_checked(write: Write) -> None:
    text = device("a: {options: {x: 1}}", driver="unheard-of")
    assert load_rig(write("r.yaml", text)).streams["a"].options == {"x": 1}


# --- one fault --------------------------------------------------------------------


def test_an_unknown_key_is_pointed_at_with_the_nearest_allowed(faults: Faults) -> None:
    (fault,) = faults(device("a: {unti: volts}"))
    start, _, allowed = fault.partition(" (allowed: ")
    assert start == (
        "rig.yaml:5:11: devices.adc.streams.a.unti: unknown key; did you mean `unit`?"
    )
    assert allowed.removesuffix(")").split(", ") == sorted(Stream.model_fields)


def test_an_unknown_key_of_a_chosen_type(faults: Faults) -> None:
    assert faults(device("a:", "  nwb: {type: SpatialSeries, refrence_frame: x}")) == [
        "rig.yaml:6:14: devices.adc.streams.a.nwb.reference_frame: is missing: "
        "What position 0 means and where the axes point.",
        "rig.yaml:6:36: devices.adc.streams.a.nwb.refrence_frame: unknown key; "
        "did you mean `reference_frame`? (allowed: reference_frame, type)",
    ]


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        ("a: 3", "5:10: {}a: must be a mapping of keys to values, found the number 3"),
        ("a:", "5:7: {}a: must be a mapping of keys to values, found nothing"),
        ("a: {unit: 3}", "5:17: {}a.unit: must be text, found the number 3; put"),
        ("a: {unit: [s]}", "5:17: {}a.unit: must be text, found a list"),
        ("a: {offset: b}", "5:19: {}a.offset: must be a number, found `b`"),
        ("a: {offset: .inf}", "5:19: {}a.offset: must be a finite number, found"),
        ("a: {options: 3}", "5:20: {}a.options: must be a mapping of keys to values"),
        ("a: {options: }", "5:11: {}a.options: must be a mapping of keys to values"),
        ("a: {storage: {compression: zip}}", "5:34: {}a.storage.compression: must be "
         "one of 'none' or 'gzip', found `zip`"),
        ("a: {storage: {chunk: [8, x]}}", "5:32: {}a.storage.chunk.1: must be a whole "
         "number, found `x`"),
        ("a: {storage: {chunk: [0]}}", "5:29: {}a.storage.chunk.0: must be greater "
         "than 0, found the number 0"),
        ("a: {ring: {time: 3 parsecs}}", "5:24: {}a.ring.time: `3 parsecs` is not a "
         "duration: a number with one of the units ns,"),
        ("a: {nwb: {type: Foo}}", "5:23: {}a.nwb.type: must be one of 'TimeSeries', "),
        ("a: {nwb: {}}", "5:16: {}a.nwb.type: is missing; one of TimeSeries, Electr"),
        ("a: {nwb: {type: ElectricalSeries, probe: p}}", "5:48: {}a.nwb.probe: no "
         "probe is called `p`; under `probes:` are none"),
        ("a/b: {}", "5:7: {}a/b: `a/b` is not a name: a letter, then"),
        ("'..': {}", "5:7: {}..: `..` is not a name: a letter, then"),
        ("../../x: {}", "5:7: {}../../x: `../../x` is not a name"),
        ("5: {}", "5:7: {}5: must be text, found the number 5; put quotes around it"),
        ("a: {options: {kind: x}}", "5:27: {}a.options.kind: must be one of 'slow' or "
         "'fast', found `x`"),
        ("a: {options: {knid: slow}}", "5:21: {}a.options.knid: unknown key; did you "
         "mean `kind`? (allowed: dtype, gain, kind, rate)"),
        ("a: {options: {gain: [1, 2, 3]}}", "5:27: {}a.options.gain: may have at most "
         "2 entries, found 3"),
        ("a: {options: {rate: 0 Hz}}", "5:27: {}a.options.rate: must be greater than "
         "0, found `0 Hz`"),
        ("a: {options: {dtype: 3}}", "5:28: {}a.options.dtype: must be text, found the "
         "number 3; put quotes around it; or must be a list, found the number 3"),
        ("a: {options: {dtype: [[x, 3]]}}", "5:33: {}a.options.dtype.0.1: must be tex"),
    ],
)  # fmt: skip
def test_a_fault_in_a_stream(faults: Faults, stream: str, fault: str) -> None:
    (found,) = faults(device(stream))
    assert found.startswith("rig.yaml:" + fault.format("devices.adc.streams."))


def test_a_missing_key_is_told_with_its_meaning(write: Write) -> None:
    text = SESSION.replace(", species: Mus musculus", "")
    rig = textwrap.indent(RIG, "  ")
    assert session_faults(write("s.yaml", f"{text}rig:\n{rig}")) == [
        "s.yaml:3:10: subject.species: is missing: Latin name, e.g. `Mus musculus`."
    ]


def test_a_missing_option_of_a_device_without_options(faults: Faults) -> None:
    assert faults(device("a: {}", driver="file")) == [
        "rig.yaml:3:5: devices.adc.options.path: is missing"
    ]


def test_an_empty_list_of_devices(faults: Faults) -> None:
    assert faults("devices: {}\n") == [
        "rig.yaml:1:10: devices: needs 1 or more entries, found 0"
    ]


def test_a_repeated_key(faults: Faults) -> None:
    assert faults(device("a: {}", "b: {}", "a: {}")) == [
        "rig.yaml:7:7: devices.adc.streams.a: key `a` stands here twice, first in "
        "line 5"
    ]


def test_a_stream_name_used_by_two_devices(faults: Faults) -> None:
    second = "  dac:\n    driver: meter\n    streams:\n      a: {}\n"
    assert faults(device("a: {}", more=second)) == [
        "rig.yaml:9:7: devices.dac.streams.a: stream name `a` is used by device `adc` "
        "too; names are unique in the rig"
    ]


def test_an_unknown_driver_is_told_once(faults: Faults) -> None:
    assert faults(device("a: {}", "b: {}", driver="metre")) == [
        "rig.yaml:3:13: devices.adc.driver: unknown driver `metre`; there is file, "
        "meter"
    ]


def test_a_probe_needs_one_source_of_electrodes(faults: Faults) -> None:
    assert faults("probes:\n  p: {location: CA1}\n" + RIG) == [
        "rig.yaml:2:6: probes.p: give either `electrodes`, `contacts` or `file`"
    ]


def test_a_probe_file_that_is_not_there(faults: Faults) -> None:
    assert faults("probes: {p: {file: p.json}}\n" + RIG) == [
        "rig.yaml:1:20: probes.p.file: probe file `p.json` can't be read: no such file "
        "or directory"
    ]


def test_a_probe_file_that_is_no_probe(faults: Faults, write: Write) -> None:
    write("p.json", '{"specification": "probeinterface"}')
    (fault,) = faults("probes: {p: {file: p.json}}\n" + RIG)
    assert fault.endswith("not a probeinterface file: probes is missing")


# --- faults of a session and its rig file -----------------------------------------


def session_faults(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_session(path, Drivers())
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def test_a_rig_file_that_is_not_there(write: Write) -> None:
    path = write("s.yaml", f"{SESSION}rig: none.yaml\n")
    assert session_faults(path) == ["s.yaml:4:6: rig: there is no rig file `none.yaml`"]


@pytest.mark.parametrize("name", ["n" * 400, '"a\\0b"'])
def test_a_rig_file_whose_name_no_file_can_have(write: Write, name: str) -> None:
    (fault,) = session_faults(write("s.yaml", f"{SESSION}rig: {name}\n"))
    assert "there is no rig file" in fault


def test_a_rig_that_is_neither_mapping_nor_path(write: Write) -> None:
    assert session_faults(write("s.yaml", f"{SESSION}rig: 3\n")) == [
        "s.yaml:4:6: rig: must be a mapping of keys to values or the path of a rig file"
    ]


def test_a_missing_rig(write: Write) -> None:
    (fault,) = session_faults(write("s.yaml", SESSION))
    assert fault.startswith("s.yaml:1:1: rig: is missing: The rig itself, or the path")


def test_faults_of_a_rig_in_the_session_begin_with_rig(write: Write) -> None:
    rig = textwrap.indent(device("a: {unit: 3}"), "  ")
    (fault,) = session_faults(write("s.yaml", f"{SESSION}rig:\n{rig}"))
    assert fault.startswith("s.yaml:9:19: rig.devices.adc.streams.a.unit: must be text")


def test_faults_of_a_rig_file_carry_its_name_after_those_of_the_session(
    write: Write,
) -> None:
    write("a.yaml", device("a: {unit: 3}"))
    path = write("s.yaml", f"{SESSION}rig: a.yaml\nlabb: x\n")
    first, second = session_faults(path)
    assert first.startswith("s.yaml:5:1: labb: unknown key; did you mean `lab`?")
    assert second.startswith("a.yaml:5:17: devices.adc.streams.a.unit: must be text")


def test_a_rig_file_that_is_no_yaml_does_not_hide_the_faults_of_the_session(
    write: Write,
) -> None:
    write("a.yaml", "devices: [\n")
    first, second = session_faults(write("s.yaml", f"{SESSION}rig: a.yaml\nlabb: x\n"))
    assert first.startswith("s.yaml:5:1: labb: unknown key")
    assert second.startswith("a.yaml:2:1: ")


MANY_FAULTS = """\
id: a b
description: d
duration: -1 s
rig:
  probes:
    p: {file: none.json}
  devices:
    a/b:
      driver: metre
      streams: {}
    adc:
      driver: meter
      options: {prot: x}
      streams:
        v: {options: {rate: fast}, nwb: {type: ElectricalSeries, probe: q}}
        v2: {ring: {size: 1.5 B}}
    dac:
      driver: file
      streams:
        v: {}
  devices: {}
"""


def test_all_faults_at_once_in_order_of_place(write: Write) -> None:
    faults = session_faults(write("s.yaml", MANY_FAULTS))
    assert [fault.split(": ", 2)[:2] for fault in faults] == [
        ["s.yaml:1:1", "subject"],
        ["s.yaml:1:5", "id"],
        ["s.yaml:3:11", "duration"],
        ["s.yaml:6:15", "rig.probes.p.file"],
        ["s.yaml:8:5", "rig.devices.a/b"],
        ["s.yaml:9:15", "rig.devices.a/b.driver"],
        ["s.yaml:10:16", "rig.devices.a/b.streams"],
        ["s.yaml:13:17", "rig.devices.adc.options.prot"],
        ["s.yaml:15:29", "rig.devices.adc.streams.v.options.rate"],
        ["s.yaml:15:73", "rig.devices.adc.streams.v.nwb.probe"],
        ["s.yaml:16:27", "rig.devices.adc.streams.v2.ring.size"],
        ["s.yaml:18:7", "rig.devices.dac.options.path"],
        ["s.yaml:20:9", "rig.devices.dac.streams.v"],
        ["s.yaml:21:3", "rig.devices"],
    ]
