import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rigd.config.electrodes import (
    Electrode,
    grid_electrodes,
    probe_electrodes,
    probeinterface_contacts,
    read_probe_file,
)
from rigd.config.probe import Contact, Grid, Probe


def probe_file(*probes: dict[str, Any]) -> dict[str, Any]:
    return {"specification": "probeinterface", "version": "0.2.21", "probes": [*probes]}


def line(count: int, **others: Any) -> dict[str, Any]:
    positions = [[0.0, 20.0 * number] for number in range(count)]
    return {"ndim": 2, "contact_positions": positions, **others}


def names(content: object) -> list[str]:
    return [contact.name for contact in probeinterface_contacts(content)]


def test_a_grid_is_numbered_along_a_row_then_row_by_row() -> None:
    grid = Grid(count=5, columns=2, pitch_x=32.0, pitch_y=20.0)
    assert [(e.name, e.rel_x, e.rel_y) for e in grid_electrodes(grid)] == [
        ("0", 0.0, 0.0),
        ("1", 32.0, 0.0),
        ("2", 0.0, 20.0),
        ("3", 32.0, 20.0),
        ("4", 0.0, 40.0),
    ]


def test_contacts_of_a_file() -> None:
    content = probe_file(
        {
            "contact_positions": [[0, 0], [1, 0.02]],
            "si_units": "mm",
            "contact_ids": ["e0", "e1"],
            "shank_ids": ["a", "b"],
        }
    )
    assert probeinterface_contacts(content) == (
        Contact(name="e0", x=0.0, y=0.0, shank="a"),
        Contact(name="e1", x=1000.0, y=20.0, shank="b"),
    )


def test_positions_may_have_three_dimensions() -> None:
    content = probe_file({"contact_positions": [[1, 2, 3]]})
    assert probeinterface_contacts(content)[0].z == 3.0


def test_channels_follow_device_channel_indices() -> None:
    content = probe_file(line(4, device_channel_indices=[2, -1, 0, 1]))
    assert names(content) == ["2", "3", "0"]


def test_several_probes_follow_each_other() -> None:
    content = probe_file(line(2, contact_ids=["a", "b"]), line(2), line(1))
    contacts = probeinterface_contacts(content)
    assert [c.name for c in contacts] == ["0:a", "0:b", "2", "3", "4"]
    assert [c.shank for c in contacts] == ["0", "0", "1", "1", "2"]


def test_channels_count_over_all_probes_of_a_file() -> None:
    content = probe_file(
        line(2, device_channel_indices=[3, 1]), line(2, device_channel_indices=[0, 2])
    )
    assert names(content) == ["2", "1", "3", "0"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ([], "the file must be a mapping"),
        ({"probes": []}, "specification is missing"),
        ({"specification": "x", "probes": []}, "specification must be one of"),
        (probe_file(), "probes needs 1 or more entries"),
        (probe_file({}), "probes.0.contact_positions is missing"),
        (probe_file({"contact_positions": [[1]]}), "contact_positions.0 needs 2"),
        (probe_file(line(1, si_units="inch")), "si_units must be one of"),
        (
            probe_file(line(3, contact_ids=["a"])),
            "3 contact_positions but 1 contact_ids",
        ),
        (probe_file(line(2, contact_ids=["a", "a"])), "contact id `a` is used twice"),
        (
            probe_file(line(2, device_channel_indices=[1, 1])),
            "channel 0 has no contact",
        ),
        (probe_file(line(2, device_channel_indices=[0, 0])), "channel 0 is used twice"),
        (probe_file(line(2, device_channel_indices=[0, -2])), "device_channel_indices"),
        (probe_file(line(1, device_channel_indices=[-1])), "no contact has a channel"),
        (
            probe_file(line(1, device_channel_indices=[0]), line(1)),
            "some probes have device_channel_indices",
        ),
    ],
)
def test_other_contents_are_refused(content: object, what: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        probeinterface_contacts(content)
    assert what in str(caught.value)


def test_electrodes_of_a_probe_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_text(json.dumps(probe_file(line(3))))
    electrodes = probe_electrodes(Probe(file=path, location="V1"))
    assert [e.rel_y for e in electrodes] == [0.0, 20.0, 40.0]
    assert {e.location for e in electrodes} == {"V1"}


def test_electrodes_of_a_probe_with_a_grid() -> None:
    assert len(probe_electrodes(Probe(electrodes=Grid(count=7)))) == 7


def test_contacts_of_a_probe_make_its_file_needless() -> None:
    contacts = (Contact(name="a", x=1.0, y=2.0, z=3.0, shank="s"),)
    probe = Probe(contacts=contacts, file=Path("gone.json"), location="V1")
    assert probe_electrodes(probe) == [Electrode("a", 1.0, 2.0, 3.0, "V1", "s")]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({}, "either `electrodes`, `contacts` or `file`"),
        ({"file": "p.json", "electrodes": {"count": 1}}, "give either"),
        ({"contacts": [{"name": "a", "x": 0, "y": 0}] * 2}, "name `a` is used twice"),
        ({"contacts": []}, "at least 1 item"),
    ],
)
def test_other_probes_are_refused(values: object, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Probe.model_validate(values)


@pytest.mark.parametrize(("text", "what"), [("{", "Expecting"), ("[]", "not a probe")])
def test_a_file_that_is_no_probe_file_is_named(
    tmp_path: Path, text: str, what: str
) -> None:
    path = tmp_path / "probe.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=what) as caught:
        read_probe_file(path)
    assert str(path) in str(caught.value)
