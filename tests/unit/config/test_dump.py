from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from rigd.config.document import parse_document
from rigd.config.dump import dump_session
from rigd.config.load import load_session
from rigd.config.probe import Grid, Probe
from rigd.config.rig import Device, Rig
from rigd.config.session import Session, Subject
from rigd.config.stream import (
    ElectricalSeriesType,
    EventsTableType,
    Ring,
    SpatialSeriesType,
    Storage,
    Stream,
)


def rig(options: dict[str, JsonValue], conversion: float) -> Rig:
    streams = {
        "ap": Stream(
            options=options,
            nwb=ElectricalSeriesType(type="ElectricalSeries", probe="p"),
            conversion=conversion,
            storage=Storage(chunk=(4096, 384), compression="gzip"),
            ring=Ring(time=2.5, size=10**6),
        ),
        "ttl": Stream(nwb=EventsTableType(type="EventsTable", columns={"on": "yes"})),
        "wheel": Stream(
            nwb=SpatialSeriesType(type="SpatialSeries", reference_frame="0 is: up")
        ),
    }
    return Rig(
        data_root=Path("/data"),
        sessions=Path("/sessions"),
        probes={"p": Probe(electrodes=Grid(count=384, pitch_y=20.0))},
        devices={"d": Device(driver="x", options=options, streams=streams)},
    )


def session(text: str, options: dict[str, JsonValue], number: float) -> Session:
    return Session(
        id="{date}",
        description=text,
        subject=Subject(
            id="1e3",
            species="Mus musculus",
            date_of_birth=datetime(2026, 8, 1, tzinfo=UTC),
        ),
        rig=rig(options, number),
        duration=0.0002,
        experimenter=["Doe, Jane", text],
        notes=text,
    )


# C0, C1 and surrogates can't be written in YAML without escapes, or at all.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(texts, st.dictionaries(texts, json_values, max_size=4), numbers)
def test_what_is_dumped_loads_back_equal(
    tmp_path: Path, text: str, options: dict[str, JsonValue], number: float
) -> None:
    original = session(text, options, number)
    path = tmp_path / "session.yaml"
    path.write_text(dump_session(original), encoding="utf-8", newline="")
    assert load_session(path) == original


def test_defaults_are_filled_in_and_the_order_is_that_of_the_models() -> None:
    values = parse_document(Path("s"), dump_session(session("x", {}, 1.0))).values
    assert list(values)[:4] == ["id", "description", "subject", "rig"]
    assert values["tolerance"] == 0.001
    assert values["rig"]["devices"]["d"]["open_timeout"] == 20.0
    assert values["rig"]["devices"]["d"]["streams"]["ttl"]["ring"]["time"] == 10.0
