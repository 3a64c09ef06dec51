"""Requests are read whole or refused whole, with all that is wrong."""

import json
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigd.daemon.control_protocol import (
    ArmRequest,
    DisarmRequest,
    ErrorCode,
    MarkRequest,
    Request,
    RequestError,
    Sessions,
    StartRequest,
    StopRequest,
    bad,
    good,
    read_request,
    request_id,
)


def read(**request: Any) -> Any:
    return read_request(json.dumps(request).encode())


def test_a_start_says_which_session() -> None:
    request = read(request="start", session="a", id="x")
    assert isinstance(request, StartRequest)
    assert (request.session, request.wait, request.force) == ("a", True, False)
    for which in ({}, {"session": "a", "file": "/a.yaml"}):
        with pytest.raises(RequestError, match="exactly one of"):
            read(request="start", **which)


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        ({}, "Unable to extract tag"),
        ({"request": "quit"}, "'status', 'sessions', 'start', 'stop', 'mark'"),
        ({"request": "status", "version": 2}, "Input should be 1"),
        ({"request": "status", "more": 1}, "status.more: Extra inputs"),
        ({"request": "mark", "text": ""}, "at least 1 character"),
        ({"request": "mark", "text": "x", "monotonic_ns": -1}, "greater than or equal"),
        ({"request": "start", "session": "a", "duration": 0}, "greater than 0"),
    ],
)
def test_what_is_wrong_is_said(request_: dict[str, Any], what: str) -> None:
    with pytest.raises(RequestError, match=what) as refused:
        read(**request_)
    assert refused.value.error.code == "malformed"
    assert refused.value.error.faults


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_request_or_refused(message: bytes) -> None:
    with suppress(RequestError):
        read_request(message)
    request_id(message)


def test_a_refused_request_keeps_its_id() -> None:
    assert request_id(b'{"request": "nonsense", "id": 7}') == 7
    assert request_id(b'{"id": [7]}') is None
    assert request_id(b"{") is None


def test_replies() -> None:
    assert good(3, Sessions(sessions=["a"])).model_dump(exclude_none=True) == {
        "version": 1,
        "id": 3,
        "ok": True,
        "answer": {"sessions": ["a"]},
    }
    reply = bad(None, RequestError("idle", "nothing runs").error)
    assert (reply.ok, reply.answer) == (False, None)
    assert reply.error is not None
    assert reply.error.text == "nothing runs"


def test_a_mark_at_a_time() -> None:
    request = read(request="mark", text="x", monotonic_ns=5)
    assert isinstance(request, MarkRequest)
    assert request.monotonic_ns == 5


PAGE = Path(__file__).parents[3] / "docs" / "control-protocol.md"

OF_ALL = {"request", "version", "id"}


def rows(*columns: str) -> list[list[str]]:
    """Cells of the table of the documentation with these heads."""
    lines = PAGE.read_text().splitlines()
    start = lines.index(f"| {' | '.join(columns)} |") + 2
    table = takewhile(lambda line: line.startswith("|"), lines[start:])
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table]


def test_all_codes_are_documented() -> None:
    assert [row[0] for row in rows("code", "meaning")] == list(get_args(ErrorCode))


def test_all_keys_of_requests_are_documented() -> None:
    documented: dict[str, set[str]] = {}
    name = ""
    for row in rows("request", "key", "meaning", "default"):
        name = row[0] or name
        documented.setdefault(name, set()).add(row[1])
    models: dict[str, type[Request]] = {
        "start": StartRequest,
        "stop": StopRequest,
        "mark": MarkRequest,
        "disarm": DisarmRequest,
        "arm": ArmRequest,
    }
    assert documented == {
        name: set(model.model_fields) - OF_ALL for name, model in models.items()
    }
    assert {row[0] for row in rows("key", "meaning", "default")} == OF_ALL
