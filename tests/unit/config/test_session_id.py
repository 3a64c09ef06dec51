from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from rigd.config.names import EntityName, StreamName
from rigd.config.rig import Device, Rig
from rigd.config.session import Session, Subject
from rigd.config.stream import Stream

NOW = datetime(2026, 11, 25, 14, 25, 1, tzinfo=UTC)


def session(session_id: str) -> Session:
    device = Device(driver="external", streams={"a": Stream()})
    subject = Subject(id="M1", species="Mus musculus")
    rig = Rig(devices={"d": device})
    return Session(id=session_id, description="test", subject=subject, rig=rig)


@pytest.mark.parametrize(
    ("session_id", "resolved"),
    [
        ("maze-3", "maze-3"),
        ("{date}", "20261125"),
        ("maze-{date}-{time}", "maze-20261125-142501"),
        ("{time}+{time}", "142501+142501"),
    ],
)
def test_placeholders_stand_for_the_start(session_id: str, resolved: str) -> None:
    assert session(session_id).resolved_id(NOW) == resolved


@pytest.mark.parametrize(
    ("session_id", "what"),
    [
        ("{day}", "unknown placeholder `{day}`; allowed are `{date}`, `{time}`"),
        ("a{}", "unknown placeholder `{}`"),
        ("a{date", "can't be part of a file name"),
        ("a_b", "can't be part of a file name"),
        ("-a", "can't be part of a file name"),
        ("a\n", "can't be part of a file name"),
        ("", "can't be part of a file name"),
        ("x" * 60 + "{time}", "at most 64"),
    ],
)
def test_other_ids_are_refused(session_id: str, what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        session(session_id)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "1a", "a-b", "a/b", "..", "a b", "ä", "x" * 65, "a\n"]
)
def test_names_that_are_no_stream_names(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a name"):
        TypeAdapter(StreamName).validate_python(name)


@pytest.mark.parametrize("name", ["", "a_b", "../a", "a/b", "+a", "ä", "x" * 65])
def test_names_that_are_no_entity_names(name: str) -> None:
    with pytest.raises(ValidationError, match="can't be part of a file name"):
        TypeAdapter(EntityName).validate_python(name)
