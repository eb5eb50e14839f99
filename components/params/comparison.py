"""params/ablations/*.yaml: one recipe against changed ones, over several seeds."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, model_validator

from components.params.evaluation import Task
from components.params.mistakes import meant
from components.params.overrides import parsed, put
from components.params.strict import Strict

Changes = dict[str, Any]


class Arm(Strict):
    """One way to train."""

    changes: Changes = Field(
        default_factory=dict,
        description="`stage.key` or `stage.key.key` -> value; null takes the key out, so that its default holds",
    )
    at: str | None = Field(default=None, description="stage whose checkpoint is measured; null: that of the comparison")
    published: dict[str, float] = Field(
        default_factory=dict, description="measure -> difference to `against` that the paper prints, points"
    )
    series: str | None = Field(default=None, description="points of the frontier that are joined by a line")


class Frontier(Strict):
    """Two measures that are drawn against one another: more of one is often less of the other."""

    x: str = Field(description="a name of `measures`")
    y: str = Field(description="a name of `measures`")


class Comparison(Strict, strict=False):
    """params/ablations/*.yaml: arms over seeds, all measured alike (flows/compare.py)."""

    name: str = Field(description="of the comparison; the runs of its arms begin with it")
    recipe: Path = Field(description="YAML of the training run that the arms change, or its bare name")
    at: str = Field(description="stage whose checkpoint is measured; stages that it does not stand on are left out")
    against: str = Field(description="arm that the others are compared with")
    reseed: tuple[str, ...] = Field(
        description="stages that take another seed in every repetition: run k adds k to the seed of the recipe"
    )
    stages: tuple[dict[str, Any], ...] = Field(default=(), description="blocks that join those of the recipe")
    changes: Changes = Field(default_factory=dict, description="of every arm, before its own")
    measures: dict[str, tuple[str, ...]] = Field(
        description="name -> `task/metric`s, whose mean it is; `stage:task/metric` is measured at another stage"
    )
    arms: dict[str, Arm] = Field(description="name -> what it changes of the recipe")
    frontier: Frontier | None = Field(default=None, description="two measures to draw; null: no drawing")

    @model_validator(mode="after")
    def _names_fit(self) -> Comparison:
        if self.against not in self.arms:
            raise ValueError(f"`against` is {self.against!r}, allowed are the arms {sorted(self.arms)}")
        named = {self.frontier.x, self.frontier.y} if self.frontier else set()
        named |= {measure for arm in self.arms.values() for measure in arm.published}
        if unknown := sorted(named - set(self.measures)):
            raise ValueError(f"`frontier` or `published` name {unknown}, allowed are {sorted(self.measures)}")
        for name, metrics in self.measures.items():
            if wrong := [metric for metric in metrics if metric.count("/") != 1] or ([metrics] if not metrics else []):
                raise ValueError(f"measure {name!r} names {wrong}, allowed are `task/metric` and `stage:task/metric`")
        return self

    def places(self, arm: str) -> dict[str, tuple[tuple[str, str, str], ...]]:
        """Return measure -> the (stage, task, metric)s of an arm whose mean it is."""
        last = self.arms[arm].at or self.at
        return {name: tuple(_place(metric, last) for metric in metrics) for name, metrics in self.measures.items()}


def _place(metric: str, last: str) -> tuple[str, str, str]:
    stage, _, rest = metric.rpartition(":")
    task, _, name = rest.partition("/")
    return stage or last, task, name


def recipe_of(comparison: Comparison, base: Mapping[str, Any], arm: str, seed: int) -> dict[str, Any]:
    """Return the recipe of one arm and seed, as it would stand in a YAML file.

    Stages that nothing measured stands on are left out, and only the measured ones are evaluated. Neither changes a
    checkpoint, so arms share those of common stages.

    Args:
        comparison: has the arm.
        base: the content of its recipe.
        arm: name.
        seed: number of the repetition, from 0.

    Raises:
        ValueError: a change, a measure or `reseed` names what is not there; says what is.
    """
    recipe = copy.deepcopy(dict(base))
    recipe["name"] = f"{comparison.name}-{arm}-{seed}"
    recipe["stages"] = [*recipe["stages"], *copy.deepcopy(list(comparison.stages))]
    for changes in (comparison.changes, comparison.arms[arm].changes):
        for path, value in changes.items():
            _change(recipe, path, value)
    stages = {stage["name"]: stage for stage in recipe["stages"]}
    wanted: dict[str, list[str]] = {}
    for stage, task, _ in (place for places in comparison.places(arm).values() for place in places):
        wanted.setdefault(stage, []).append(task)
    if unknown := sorted({*wanted, *comparison.reseed} - set(stages)):
        raise ValueError(
            f"comparison {comparison.name!r}, arm {arm!r}: {unknown} are measured or reseeded, allowed are the stages "
            f"{list(stages)}; mend its YAML"
        )
    needed, waiting = set(), list(wanted)
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += stages[name].get("parents", {}).values()
    for name, stage in stages.items():
        if name in comparison.reseed:
            stage["seed"] = stage.get("seed", 0) + seed
        # the first repetition may share its checkpoint with a run of the recipe itself, whose scores must stay
        kept = stage.get("evaluate", get_args(Task)) if seed == 0 else ()
        stage["evaluate"] = list(dict.fromkeys([*kept, *wanted[name]])) if name in wanted else []
    recipe["stages"] = [stage for name, stage in stages.items() if name in needed]
    return recipe


def with_overrides(comparison: Comparison, overrides: Sequence[str]) -> Comparison:
    """Return a comparison of which every arm is changed, under a name of its own, so that no result is overwritten.

    Args:
        comparison: as its file has it.
        overrides: changes of its recipe from the command line, before those of the arms.

    Raises:
        ValueError: as `overrides.parsed`.
    """
    if not overrides:
        return comparison
    changes = {path.removeprefix("stages."): value for path, value in parsed(overrides).items()}
    name = f"{comparison.name} {hashlib.sha256(' '.join(overrides).encode()).hexdigest()[:6]}"
    return comparison.model_copy(update={"name": name, "changes": comparison.changes | changes})


def _change(recipe: dict[str, Any], path: str, value: object) -> None:
    """Set or take out one value, in place.

    Raises:
        ValueError: the path leads nowhere, or takes out what is not there.
    """
    first, *inner = path.split(".")
    blocks = {"model": recipe["model"], **{stage["name"]: stage for stage in recipe["stages"]}}
    if first not in blocks or not inner:
        raise ValueError(
            f"change {path!r}: allowed is `stage.key` with a stage of {sorted(blocks)}{meant(first, blocks)}; "
            "mend it there"
        )
    try:
        put(blocks[first], inner, value)
    except ValueError as error:
        raise ValueError(f"change {path!r}: {error}; mend it there") from error
