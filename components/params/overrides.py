"""Changes of a recipe from the command line, in the words of its YAML: `stages.sft.max_steps=60 model.text_width=64`.

A stage is named by its name. The value is YAML, and the schema of the recipe gives it its type; `null` takes the key
out, so that its default holds. What is written is as if it stood in the file: it gives the same stage keys.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.params.mistakes import meant
from components.params.renamed_keys import new_names

WORDS = "stages.NAME.KEY=VALUE or model.KEY=VALUE"


def parsed(overrides: Sequence[str]) -> dict[str, Any]:
    """Return key with dots -> value of some overrides, in their order.

    Args:
        overrides: as they stand on a command line.

    Raises:
        ValueError: a word is no override, or a key comes twice; has a line for each.

    >>> parsed(["stages.sft.max_steps=60", "stages.sft.lora=null", "stages.sft.evaluate=[qa]"])
    {'stages.sft.max_steps': 60, 'stages.sft.lora': None, 'stages.sft.evaluate': ['qa']}
    """
    values: dict[str, Any] = {}
    wrong = []
    for word in overrides:
        key, _, text = word.partition("=")
        if not key or not text.strip():
            wrong.append(f"{word!r} came, allowed is {WORDS} (`null` takes a key out, so that its default holds)")
        elif key in values:
            wrong.append(f"{key!r} came twice, allowed is once")
        else:
            try:
                values[key] = YAML(typ="safe").load(text)  # YAML 1.2, as the files: 1e-5 is a number
            except YAMLError as error:
                wrong.append(f"{word!r}: the value is no YAML ({str(error).splitlines()[0]}); quote it for the shell")
    if wrong:
        raise ValueError("\n".join(wrong))
    return values


def applied(recipe: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the content of a recipe with some overrides, to be checked by its schema.

    Args:
        recipe: content of its file, right as it is.
        overrides: as they stand on a command line.

    Raises:
        ValueError: an override is none, or leads to no stage; has a line for each.
    """
    changed = copy.deepcopy(dict(recipe))
    wrong = []
    for path, value in parsed(overrides).items():
        try:
            block, keys = _place(changed, path)
            put(block, keys, value)
        except ValueError as error:
            wrong.append(f"{path!r}: {error}")
    if wrong:
        raise ValueError("\n".join(wrong))
    return changed


def _place(recipe: dict[str, Any], path: str) -> tuple[dict[str, Any], list[str]]:
    """Return the stage or the model that a key with dots leads to, and the keys below it."""
    first, *keys = path.split(".")
    if first == "model" and keys:
        return recipe["model"], keys
    if first != "stages" or len(keys) < 2:
        raise ValueError(f"it came{meant(first, ('stages', 'model'))}, allowed is {WORDS}")
    stages = {stage["name"]: stage for stage in recipe["stages"]}
    if keys[0] not in stages:
        raise ValueError(f"{keys[0]!r} is no stage{meant(keys[0], stages)}, allowed are {list(stages)}")
    return stages[keys[0]], keys[1:]


def put(block: dict[str, Any], keys: Sequence[str], value: object) -> None:
    """Set a value below a stage or the model of a recipe, or take it out, in place.

    Args:
        block: changed.
        keys: from the block to the value.
        value: None takes the key out.

    Raises:
        ValueError: a key on the way is no block, or what is to be taken out is not there.
    """
    if names := new_names("Stage", keys[:1]):
        raise ValueError(names)
    *outer, last = keys
    for key in outer:
        if not isinstance(block.get(key), dict):
            raise ValueError(f"{key!r} is no block{meant(key, block)} of {sorted(block)}; a new one is given whole")
        block = block[key]
    if value is not None:
        block[last] = copy.deepcopy(value)
    elif last in block:
        del block[last]
    else:
        raise ValueError(f"{last!r} is not there to be taken out of {sorted(block)}")


def title(path: Path | str, overrides: Sequence[str]) -> str:
    """Return how a recipe with overrides is called in messages: by the file, and what was changed."""
    return " with ".join([str(path), *([" ".join(overrides)] if overrides else [])])
