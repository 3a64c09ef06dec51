from pathlib import Path

import pytest

from rigd.config.document import parse_document, read_document
from rigd.config.faults import ConfigurationError

FILE = Path("some.yaml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(FILE, text)
    return str(caught.value)


def test_values_and_places() -> None:
    document = parse_document(FILE, "a:\n  b: [1, {c: 2}]\n")
    assert document.values == {"a": {"b": [1, {"c": 2}]}}
    fault = document.fault(("a", "b", 1, "c"), "is odd")
    assert str(fault) == "some.yaml:2:14: a.b.1.c: is odd"
    at_key = document.fault(("a", "b", 1, "c"), "is odd", at_key=True)
    assert (at_key.line, at_key.column) == (2, 11)


def test_a_place_that_is_not_there_is_the_innermost_that_is() -> None:
    fault = parse_document(FILE, "a:\n  b: 1\n").fault(("a", "x", 5), "?")
    assert (fault.line, fault.column, fault.where) == (2, 3, "a")


def test_values_mean_what_yaml_1_2_says() -> None:
    text = "a: yes\nb: 3e4\nc: 12:30\nd: 2026-11-25\ne: 0123\non: 1\n"
    assert parse_document(FILE, text).values == {
        "a": "yes", "b": 3e4, "c": "12:30", "d": "2026-11-25", "e": 123, "on": 1,
    }  # fmt: skip


def test_anchors_and_merged_keys_have_places() -> None:
    text = "a: &x {p: 1}\nb:\n  <<: *x\n  q: *x\n"
    document = parse_document(FILE, text)
    assert document.values["b"] == {"p": 1, "q": {"p": 1}}
    assert document.fault(("b", "p"), "").line == 1
    assert not document.repeated


def test_all_repeated_keys_are_found() -> None:
    text = "a: 1\nb:\n  - c: 1\n    c: 2\na: 3\na: 4\n"
    faults = [str(fault) for fault in parse_document(FILE, text).repeated]
    assert sorted(faults) == [
        "some.yaml:4:5: b.0.c: key `c` stands here twice, first in line 3",
        "some.yaml:5:1: a: key `a` stands here twice, first in line 1",
        "some.yaml:6:1: a: key `a` stands here twice, first in line 1",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "some.yaml: is empty"),
        ("# nothing\n", "some.yaml: is empty"),
        ("- a\n", "some.yaml:1:1: must be a mapping"),
        ("~\n", "some.yaml:1:1: must be a mapping"),
        ("a:\n\tb: 1\n", "some.yaml:2:1: a tab; YAML is indented with spaces"),
        ("a: b: c\n", "some.yaml:1:5: mapping values are not allowed here"),
        ("a: [1, 2\nb: c\n", "some.yaml:2:2: expected ',' or ']'"),
        ("a: 'x\n", "some.yaml:2:1: found unexpected end of stream"),
        ("a: *b\n", "some.yaml:1:4: found undefined alias 'b'"),
        ("a: &b [*b]\n", "some.yaml:1:4: a value can't hold itself"),
        ("a: 1\n---\nb: 1\n", "some.yaml:2:1: a second document begins here"),
        ("a: !!python/name:os.system x\n", "some.yaml:1:4: the tag"),
        ("ab: 1\nc: \x01\n", "some.yaml:2:4: character U+0001 is not allowed"),
        ("%YAML 1.1\n---\na: yes\n", "some.yaml:1:1: YAML directives"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused_with_its_place(
    text: str, what: str
) -> None:
    assert refusal(text).startswith(what)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or directory"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="is a directory"):
        read_document(tmp_path)


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: ä".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        read_document(path)
