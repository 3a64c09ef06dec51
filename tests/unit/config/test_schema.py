from typing import Any

import pytest

from rigd.config.schema import rig_schema, session_schema

jsonschema = pytest.importorskip("jsonschema")


def errors(schema: dict[str, Any], values: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(values)]


def rig(**stream: Any) -> dict[str, Any]:
    return {"devices": {"d": {"driver": "x", "streams": {"a": stream}}}}


@pytest.mark.parametrize("schema", [session_schema(), rig_schema()])
def test_they_are_schemas_with_title_and_without_id(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"].startswith("rigd")
    assert "$id" not in schema


def test_fields_carry_their_meaning() -> None:
    species = session_schema()["$defs"]["Subject"]["properties"]["species"]
    assert species["description"] == "Latin name, e.g. `Mus musculus`."


@pytest.mark.parametrize("time", [3, 0.5, "3", "0.5 ms", "2 min", "1e3 us"])
def test_quantities_are_numbers_or_texts_with_a_unit(time: object) -> None:
    assert not errors(rig_schema(), rig(ring={"time": time, "size": "2 MiB"}))


@pytest.mark.parametrize("time", [-1, "3 parsecs", "fast", True, None, [1]])
def test_other_quantities_are_refused(time: object) -> None:
    assert errors(rig_schema(), rig(ring={"time": time}))


def test_unknown_keys_and_names_are_refused() -> None:
    assert errors(rig_schema(), rig(unti="volts"))
    assert errors(rig_schema(), {"devices": {"a/b": rig()["devices"]["d"]}})
    assert errors(rig_schema(), rig(nwb={"type": "Foo"}))
    assert not errors(rig_schema(), rig(unit="volts", nwb={"type": "ImageSeries"}))


def test_the_rig_of_a_session_is_a_mapping_or_a_path() -> None:
    session = {
        "id": "a-{date}",
        "description": "b",
        "subject": {"id": "M1", "species": "Mus musculus"},
    }
    schema = session_schema()
    assert not errors(schema, {**session, "rig": rig()})
    assert not errors(schema, {**session, "rig": "rig.yaml"})
    assert errors(schema, {**session, "rig": 3})
    assert errors(schema, {**session, "rig": rig(unti="volts")})
    assert errors(schema, session)
    assert errors(schema, {**session, "rig": rig(), "id": "a-{day}"})
