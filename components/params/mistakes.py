"""The mistakes of a file of params/ in words: stage and key, what came, what is allowed, what was perhaps meant."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.params.renamed_keys import new_names

_SHOWN = 80  # characters of what came


def told(error: ValidationError, raw: dict[str, Any], schema: type[BaseModel]) -> list[str]:
    """Return a line for each key of a file that its schema refuses.

    Args:
        error: what pydantic says.
        raw: content of the file.
        schema: class of its top level.
    """
    lines: dict[str, list[str]] = {}  # a value that may have several types has an error for each
    for details in error.errors():
        path = _path(details, raw)
        lines.setdefault(_place(path, raw), []).append(_words(details, path, schema))
    joined = (f"{place}: {'; or: '.join(dict.fromkeys(words))}" for place, words in lines.items())
    return [
        line for text in joined for line in text.split("\n")
    ]  # a rule of a whole recipe has a line for each mistake


def meant(word: str, known: Iterable[str]) -> str:
    """Return which known words are like the one that came, in words; "" where none is.

    >>> meant("box_uio", ["box_iou", "choice"])
    ' (did you mean box_iou?)'
    """
    near = difflib.get_close_matches(word, list(known))
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def stage_name(stages: object, number: int) -> str:
    """Return how a stage of a file is called in messages: by its name, or by its place where it has none."""
    stage = stages[number] if isinstance(stages, list) else None
    name = stage.get("name") if isinstance(stage, dict) else None
    return f"stage {name!r}" if isinstance(name, str) else f"stage number {number + 1}"


def _path(details: ErrorDetails, raw: object) -> list[str | int]:
    """Return the keys that lead to a mistake, without the tags that pydantic adds for types that were tried."""
    path: list[str | int] = []
    for number, key in enumerate(details["loc"], start=1):
        last_and_missing = number == len(details["loc"]) and details["type"] == "missing"
        if isinstance(raw, dict) and (key in raw or last_and_missing):
            raw = raw.get(key)
        elif isinstance(raw, list) and isinstance(key, int):
            raw = raw[key]
        else:
            continue
        path.append(key)
    return path


def _place(path: list[str | int], raw: dict[str, Any]) -> str:
    words: list[str] = []
    if path[:1] == ["stages"] and len(path) > 1 and isinstance(path[1], int):
        words, path = [stage_name(raw["stages"], path[1])], path[2:]
    return ", ".join(words + [f"`{'.'.join(map(str, path))}`"] * bool(path)) or "the whole file"


def _words(details: ErrorDetails, path: list[str | int], schema: type[BaseModel]) -> str:
    if details["type"] == "missing":
        return "nothing came, the key is required"
    if details["type"] == "extra_forbidden":
        return _unknown(str(path[-1]), _blocks_at(schema, details["loc"][:-1]))
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    came = repr(details["input"])
    came = came if len(came) <= _SHOWN else f"{came[:_SHOWN]}…"
    return f"{came} came; {details['msg'][0].lower()}{details['msg'][1:]}"


def _unknown(key: str, blocks: list[type[BaseModel]]) -> str:
    if renamed := "".join(new_names(block.__name__, [key]) for block in blocks):
        return renamed
    known = sorted({name for block in blocks for name in block.model_fields})
    return f"the key is unknown{meant(key, known)}, allowed are {', '.join(known)}"


def _blocks_at(schema: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """Return the classes that may stand at a location; keys of plain mappings, places in lists and tags are passed."""
    blocks = [schema]
    for key in location:
        fields = [block.model_fields[str(key)].annotation for block in blocks if str(key) in block.model_fields]
        tagged = [block for block in blocks if key in _architectures(block)]
        blocks = [inner for annotation in fields for inner in blocks_of(annotation)] or tagged or blocks
    return blocks


def _architectures(block: type[BaseModel]) -> tuple[str, ...]:
    return (
        typing.get_args(block.model_fields["architecture"].annotation) if "architecture" in block.model_fields else ()
    )


def blocks_of(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the blocks of parameters that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from blocks_of(argument)
