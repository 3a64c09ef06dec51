"""A YAML file as values and places: what stands where."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from rigd.config.faults import ConfigurationError, Fault

Location = Sequence[str | int]


class _Constructor(SafeConstructor):
    """Leaves dates as text, like YAML 1.2, so that all values are JSON values."""


_Constructor.add_constructor(
    "tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str
)


@dataclass(frozen=True)
class Trace:
    """The way from the top of a file to a value.

    Attributes:
        node: The value, or the innermost that is there.
        key: The key that leads to it; None at the top and in lists.
        parts: The steps that are in the file.
        absent: The steps that are not, e.g. a missing key or the name of a type.

    """

    node: Node
    key: Node | None
    parts: tuple[str | int, ...]
    absent: tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML file whose top is a mapping."""

    path: Path
    root: Node
    values: dict[str, Any]
    repeated: tuple[Fault, ...] = ()
    """Keys that stand twice in one mapping."""

    @property
    def folder(self) -> Path:
        """The folder that paths in the file are relative to, as an absolute path."""
        return self.path.absolute().parent

    def trace(self, location: Location) -> Trace:
        """Go where `location` leads, passing over steps that are not in the file."""
        node, key = self.root, None
        parts: list[str | int] = []
        absent: list[str | int] = []
        for part in location:
            step = _step(node, part)
            if step is None:
                absent.append(part)
                continue
            key, node = step
            parts.append(part)
        return Trace(node, key, tuple(parts), tuple(absent))

    def fault(self, location: Location, what: str, *, at_key: bool = False) -> Fault:
        """A fault at the value that `location` leads to, or at its key.

        An empty value has no place of its own: its key stands for it.
        """
        trace = self.trace(location)
        empty = trace.node.start_mark.index == trace.node.end_mark.index
        node = (trace.key if at_key or empty else None) or trace.node
        return _fault(self.path, node, trace.parts, what)


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigurationError: It can't be read, is not YAML or not a mapping; says where.

    """
    try:
        return parse_document(path, path.read_bytes().decode())
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise _refused(path, f"can't be read: {what}") from error
    except UnicodeDecodeError as error:
        raise _refused(path, f"is not UTF-8 text: byte {error.start}") from error


def parse_document(path: Path, text: str) -> Document:
    """Values and places of a YAML text that is said to stand in `path`.

    Raises:
        ConfigurationError: As `read_document`.

    """
    try:
        root, repeated, values = _parse(path, text)
    except MarkedYAMLError as error:
        raise _syntax_fault(path, error) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise _refused(path, what, line, column) from error
    except YAMLError as error:
        raise _refused(path, str(error)) from error
    if not isinstance(values, dict):
        line, column = _place(root)
        what = "must be a mapping of keys to values"
        raise _refused(path, what, line, column)
    return Document(path, root, values, repeated)


def _parse(path: Path, text: str) -> tuple[Node, tuple[Fault, ...], Any]:
    if text.lstrip("\ufeff").startswith("%"):
        raise _refused(path, "YAML directives (`%`) are not supported", 1, 1)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    # Repeated keys are found below, all of them and not only the first.
    yaml.allow_duplicate_keys = True
    constructor, _ = yaml.get_constructor_parser(text)
    constructor.composer.warn_double_anchors = False
    root = constructor.composer.get_single_node()
    if root is None:
        raise _refused(path, "is empty")
    # Before the values are made, as that merges `<<` keys into their mapping.
    repeated = tuple(_repeated_keys(path, root))
    return root, repeated, constructor.construct_document(root)


def _repeated_keys(path: Path, root: Node) -> Iterator[Fault]:
    for parts, node in _walk(path, root, (), (), set()):
        first: dict[str, Node] = {}
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            name = key.value if isinstance(key, ScalarNode) else repr(key.value)
            if name in first:
                line, _ = _place(first[name])
                what = f"key `{name}` stands here twice, first in line {line}"
                yield _fault(path, key, (*parts, name), what)
            first.setdefault(name, key)


def _walk(
    path: Path,
    node: Node,
    parts: tuple[str | int, ...],
    above: tuple[Node, ...],
    seen: set[int],
) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """All nodes, each once, although aliases lead to some by several ways."""
    if node in above:
        line, column = _place(node)
        raise _refused(path, "a value can't hold itself", line, column)
    if id(node) in seen:
        return
    seen.add(id(node))
    yield parts, node
    for part, child in _children(node):
        yield from _walk(path, child, (*parts, part), (*above, node), seen)


def _children(node: Node) -> Iterator[tuple[str | int, Node]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield str(key.value), value
    elif isinstance(node, SequenceNode):
        yield from enumerate(node.value)


def _step(node: Node, part: str | int) -> tuple[Node | None, Node] | None:
    """Key (None in lists) and value that one step leads to."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    if isinstance(node, SequenceNode) and isinstance(part, int):
        return (None, node.value[part]) if part < len(node.value) else None
    return None


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _fault(path: Path, node: Node, parts: Location, what: str) -> Fault:
    return Fault(str(path), *_place(node), ".".join(map(str, parts)), what)


def _refused(
    path: Path, what: str, line: int = 0, column: int = 0
) -> ConfigurationError:
    return ConfigurationError([Fault(str(path), line, column, "", what)])


def _syntax_fault(path: Path, error: MarkedYAMLError) -> ConfigurationError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "is not YAML"
    if "'\\t'" in problem:
        problem = "a tab; YAML is indented with spaces"
    elif "another document" in problem:
        problem = "a second document begins here; a file holds one"
    elif "could not determine a constructor" in problem:
        problem = f"the tag {problem.split(' tag ')[-1]} is not supported"
    elif error.context:
        problem = f"{problem} ({error.context})"
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return _refused(path, problem, line, column)
