"""What a model has at the place that a validation error names: fields and tags."""

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from rigd.config.base import Model

Location = Sequence[str | int]


def advice(model: type[Model], location: Location) -> str:
    """What to write in place of the unknown key that `location` ends with."""
    owner = _at(model, location[:-1])
    if owner is None:
        return "unknown key"
    allowed = sorted(owner.model_fields)
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    guess = f"; did you mean `{near[0]}`?" if near else ""
    return f"unknown key{guess} (allowed: {', '.join(allowed) or 'none'})"


def meaning(model: type[Model], location: Location) -> str | None:
    """The description of the field that `location` leads to."""
    owner = _at(model, location[:-1])
    field = owner.model_fields.get(str(location[-1])) if owner else None
    text = field.description if field else None
    return " ".join(text.split()) if text else None


def tags(model: type[Model], location: Location, key: str) -> list[str]:
    """The values that `key` may have to choose one of the models at `location`."""
    found = _follow(model, location)
    return [tag for member in _models(found) for tag in _literals(member, key)]


def _at(model: type[Model], location: Location) -> type[Model] | None:
    return next(_models(_follow(model, location)), None)


def _follow(annotation: Any, location: Location) -> Any:
    for part in location:
        annotation = _step(annotation, part)
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    """The type one step into `annotation`; None where the step leads nowhere."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _step(inner[0], part)
    if kind in (Union, types.UnionType):
        return _member(inner, part)
    if kind is dict:
        return inner[1]
    if kind in (list, tuple):
        return inner[0]
    if isinstance(annotation, type) and issubclass(annotation, Model):
        field: FieldInfo | None = annotation.model_fields.get(str(part))
        return field.annotation if field else None
    return None


def _member(members: Sequence[Any], part: str | int) -> Any:
    """The member of a union that goes by this tag, or else can take this step."""
    models = (model for member in members for model in _models(member))
    for model in models:
        if part in _literals(model) or part == model.__name__:
            return model
    steps = (_step(member, part) for member in members)
    return next((step for step in steps if step is not None), None)


def _models(annotation: Any) -> Iterator[type[Model]]:
    """All models in an annotation that is a model or a union of some."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _models(inner)


def _literals(model: type[Model], key: str | None = None) -> list[str]:
    return [
        value
        for name, field in model.model_fields.items()
        if key in (None, name) and get_origin(field.annotation) is Literal
        for value in get_args(field.annotation)
    ]
