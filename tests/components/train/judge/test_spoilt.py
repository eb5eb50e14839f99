"""Any value of any shipped recipe, spoilt by what its schema says of it: nothing gets past, and the key is named."""

import math
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import annotated_types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from components import params
from components.params.mistakes import blocks_of
from tests.components.train.judge.spoilt import GONE, RECIPES, changed, complaint

NUMBERLESS = st.sampled_from([math.nan, math.inf, -math.inf, "3", True, [1], {"a": 1}])
UNKNOWN = "nosuch"


def numbers(kind: type, limits: list) -> st.SearchStrategy:
    """Return what is no number within the limits: beyond each of them, none at all, or infinite."""
    anywhere = st.integers(-(10**6), 10**12) if kind is int else st.floats(-1e6, 1e12)
    beyond = [
        anywhere.filter(lambda value, limit=limit: not _within(value, limit))
        for limit in limits
        if isinstance(limit, annotated_types.Gt | annotated_types.Ge | annotated_types.Lt | annotated_types.Le)
    ]
    return st.one_of(NUMBERLESS, *beyond, *([st.just(0.5)] if kind is int else []))


def _within(value: float, limit: object) -> bool:
    match limit:
        case annotated_types.Gt(bound):
            return value > bound
        case annotated_types.Ge(bound):
            return value >= bound
        case annotated_types.Lt(bound):
            return value < bound
        case annotated_types.Le(bound):
            return value <= bound
    return True


def wrong(annotation: object, limits: list) -> st.SearchStrategy:
    """Return values that a type refuses."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        own = [limit for each in inner[1:] for limit in (getattr(each, "metadata", None) or [each])]
        return wrong(inner[0], [*limits, *own])
    if origin in (typing.Union, types.UnionType):
        members = [member for member in inner if member is not type(None)]
        # of several types only what none of them takes
        return wrong(members[0], limits) if len(members) == 1 else st.sampled_from([-1.0, math.nan, "many", [1]])
    if origin is typing.Literal:
        return st.sampled_from([UNKNOWN, 17, [], {}])
    if origin is tuple:
        return st.one_of(wrong(inner[0], []).map(lambda value: [value]), st.sampled_from([UNKNOWN, 7]))
    if origin is dict:
        return st.one_of(
            wrong(inner[1], []).map(lambda value: {"language_model": value}), st.sampled_from([UNKNOWN, 7, [1]])
        )
    if annotation in (int, float):
        return numbers(annotation, limits)
    if annotation is bool:
        return st.sampled_from(["true", 1, 0, [], math.nan])
    if annotation is str:
        return st.sampled_from([7, [], {}, True])
    return st.sampled_from([7, [1], UNKNOWN])  # a block


def places(
    raw: dict, block: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], st.SearchStrategy]]:
    """Yield each place of a recipe at which something can be wrong, and what is wrong there."""
    yield (*path, UNKNOWN), st.sampled_from([1, 0.5, "x", [], {}])
    for name, field in block.model_fields.items():
        here = (*path, name)
        if not (name == "architecture" and block is params.Model) and name not in ("stages", "name"):
            yield here, wrong(field.annotation, field.metadata)
        if field.is_required() and name in raw and name != "name":
            yield here, st.just(GONE)
        value = raw.get(name)
        inner = [each for each in blocks_of(field.annotation) if isinstance(value, dict)]
        if name == "stages":
            for stage in value:
                yield from places(stage, params.Stage, (stage["name"],))
        elif name == "model":
            yield from places(
                value,
                {"miniature": params.Model, "egoflow": params.Egoflow}.get(
                    value.get("architecture", "miniature"), params.Qwen
                ),
                here,
            )
        elif inner:
            yield from places(value, inner[0], here)
        elif isinstance(value, dict):
            yield (*here, UNKNOWN), st.sampled_from([0.5, math.nan, -1.0, "init_ego"])


PLACES = [
    (recipe, ".".join(path), values) for recipe, raw in RECIPES.items() for path, values in places(raw, params.Recipe)
]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_spoilt_recipe_gets_past_and_its_key_is_named(data):
    recipe, path, values = data.draw(st.sampled_from(PLACES))
    value = data.draw(values)
    said = complaint(changed(RECIPES[recipe], {path: value}), Path("spoilt.yaml"))
    assert said, f"{recipe}: {path} = {value!r} got past"
    assert path.rpartition(".")[2] in said, said
    assert "\n- " in said and "Mend" in said


@given(st.text(st.sampled_from("./\\\n\0:~ ab"), max_size=9).filter(lambda name: not name.isalnum()))
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        params.Stage.model_validate(RECIPES["miniature"]["stages"][0] | {"name": name})
