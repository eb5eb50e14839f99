"""The reference of parameters: from the pydantic classes of components/params to Markdown."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components.params import Data, Drift, Eval, Recipe
from components.params.claims import Claims
from components.params.comparison import Comparison
from components.params.mistakes import blocks_of
from docs.tables import NOTHING, markdown

FILES = {
    "params/data.yaml": Data,
    "params/eval.yaml": Eval,
    "params/recipes/*.yaml": Recipe,
    "params/ablations/*.yaml": Comparison,
    "params/claims.yaml": Claims,
    "params/drift.yaml": Drift,
}
NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", Path: "path", Any: "any value"}
BOUNDS = ((Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤"))


def reference() -> str:
    """Return a section for each file of params/, in it a table for each block of keys."""
    shown: set[type[BaseModel]] = set()
    sections = []
    for file, schema in FILES.items():
        sections.append(f"## {file}")
        for block in blocks(schema):
            if block not in shown:
                shown.add(block)
                sections.append(_section(block))
    return "\n\n".join(sections)


def _section(block: type[BaseModel]) -> str:
    columns = ["key", "type", "default", "meaning"]
    rows = [[f"`{name}`", _type(field), _default(field), _meaning(field)] for name, field in block.model_fields.items()]
    return f"### {block.__name__}\n\n{_purpose(block)}\n\n{markdown(columns, rows)}"


def blocks(schema: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a class of parameters and those that its fields name, in the order of the fields."""
    yield schema
    for field in schema.model_fields.values():
        for inner in blocks_of(field.annotation):
            yield from blocks(inner)


def _type(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for kind, name, sign in BOUNDS
        if isinstance(limit, kind)
    ]
    return ", ".join([_words(field.annotation), *limits])


def _words(annotation: Any) -> str:
    """Return a type in words; a block of keys links to its section."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in NAMES:
        return NAMES[annotation]
    if annotation is type(None):
        return "null"
    if origin is typing.Annotated:
        return _words(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_words, arguments)))
    if origin is dict:
        return f"map of {_words(arguments[0])} to {_words(arguments[1])}"
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    assert value is not PydanticUndefined, field
    if isinstance(value, BaseModel):
        return "that block's defaults"
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """Return a default as it would stand in a YAML file."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_yaml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _meaning(field: FieldInfo) -> str:
    """Return the description of a field, or the docstring of the one block that it holds."""
    inner = list(blocks_of(field.annotation))
    text = field.description or (_purpose(inner[0]) if len(inner) == 1 else NOTHING)
    return text.replace("|", "\\|")


def _purpose(block: type[BaseModel]) -> str:
    return " ".join(block.__doc__.split())
