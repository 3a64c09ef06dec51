"""A session gets one stream of marks, whatever is called so already."""

from typing import Any

from rigd.config.session import Session
from rigd.daemon.marks import with_marks

ENDPOINT, NEW_ENDPOINT = "ipc:///run/a", "ipc:///run/b"


def session(devices: dict[str, Any]) -> Session:
    return Session.model_validate(
        {
            "id": "s1",
            "description": "a test",
            "subject": {"id": "m7", "species": "Mus musculus"},
            "rig": {"devices": devices},
        }
    )


def device(*streams: str, driver: str = "x", **options: str) -> dict[str, Any]:
    streams_: dict[str, Any] = {stream: {} for stream in streams}
    return {"driver": driver, "options": options, "streams": streams_}


def names(found: Session) -> list[tuple[str, list[str]]]:
    return [(name, list(d.streams)) for name, d in found.rig.devices.items()]


def test_a_device_for_marks_is_added() -> None:
    found = with_marks(session({"box": device("count")}), ENDPOINT)
    assert names(found) == [("box", ["count"]), ("marks", ["marks"])]
    assert found.rig.devices["marks"].options == {"endpoint": ENDPOINT}
    assert found.rig.clocks.devices["marks"].latency == 0
    assert Session.model_validate(found.model_dump()) == found


def test_it_is_called_otherwise_where_the_name_is_taken() -> None:
    found = with_marks(session({"box": device("marks")}), ENDPOINT)
    assert names(found)[1] == ("rigd_marks", ["rigd_marks"])
    found = with_marks(session({"marks": device("count")}), ENDPOINT)
    assert names(found)[1] == ("rigd_marks", ["rigd_marks"])


def test_that_of_the_run_before_is_replaced() -> None:
    before = with_marks(session({"box": device("count")}), ENDPOINT)
    found = with_marks(before, NEW_ENDPOINT)
    assert names(found) == names(before)
    assert found.rig.devices["marks"].options == {"endpoint": NEW_ENDPOINT}


def test_one_of_the_rig_stays() -> None:
    own = session({"keys": device("notes", driver="marks", endpoint=ENDPOINT)})
    assert with_marks(own, NEW_ENDPOINT) == own
