"""Everything about a recipe that can be judged before anything is loaded, trained or paid for: all mistakes at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from components.params import QWEN, Data, Eval, MappingTask, Recipe, Stage
from components.params.evaluation import AlignmentTask
from components.params.mistakes import meant
from components.train import interpreter
from components.train.judge import mixture, stages
from components.train.judge.mixture import Kinds
from components.train.judge.problem import Problem, at, listed


def problems(
    recipe: Recipe,
    data: Data,
    evaluation: Eval | None = None,
    *,
    promotes: bool = False,
    kinds: Kinds | None = None,
    gpus: int | None = None,
    counts: bool = False,
) -> list[Problem]:
    """Return what is wrong with a recipe that fits its schema.

    Args:
        recipe: the whole training run.
        data: the content of params/data.yaml.
        evaluation: the content of params/eval.yaml; None where nothing is evaluated.
        promotes: whether the last stage is put before the promotion gate.
        kinds: the training samples that are there (`samples.counted`); None where the data is not made yet, or the
            recipe is only planned.
        gpus: GPUs of the machine that trains, 0 for the CPU; None where the recipe is only planned.
        counts: whether steps and tokens are counted, as the dry run does; without `kinds` by the recipe alone.

    Raises:
        ValueError: as `interpreter.python`, where a stage asks for vLLM on a machine with GPUs.
    """
    found = [*stages.problems(recipe), *mixture.problems(recipe, data, kinds)]
    if evaluation is not None:
        found += _evaluated(recipe, evaluation)
        found += _promoted(recipe, evaluation) if promotes else ()
    if counts:
        found += _countable(recipe, kinds)
    if gpus is not None:
        found += _on_machine(recipe, gpus)
    order = [stage.name for stage in recipe.stages]
    return sorted(found, key=lambda problem: order.index(problem.stage))


def _evaluated(recipe: Recipe, evaluation: Eval) -> Iterator[Problem]:
    for stage in recipe.stages:
        of_mapping = [task for task in stage.evaluate if task in get_args(MappingTask)]
        if of_mapping and recipe.model.architecture in QWEN:
            yield at(
                stage, "evaluate", f"{listed(of_mapping)} measure a mapping F, a Qwen model has none", "other tasks"
            )
        yield from _aligned(stage, recipe)
        for task in stage.evaluate:
            if task not in evaluation.limits:
                yield at(
                    stage, "evaluate", f"params/eval.yaml has no limit for {task}{meant(task, evaluation.limits)}",
                    f"the tasks of its `limits`: {listed(evaluation.limits)}",
                )  # fmt: skip


def _aligned(stage: Stage, recipe: Recipe) -> Iterator[Problem]:
    """Yield why a stage cannot be compared with its teacher."""
    asked = [task for task in stage.evaluate if task in get_args(AlignmentTask)]
    if asked and recipe.model.architecture in QWEN:
        yield at(stage, "evaluate", f"{listed(asked)} is measured of miniature and egoflow models", "other tasks")
    known = stands_on(stage, recipe)
    if asked and stage.teacher not in known:
        yield at(
            stage, "teacher", f"{stage.teacher!r} came, which {listed(asked)} of `evaluate` needs",
            f"a stage with weights among {listed(known)}",
        )  # fmt: skip


def stands_on(stage: Stage, recipe: Recipe) -> list[str]:
    """Return the names of the stages with weights that a stage stands on, and its own, in the recipe's order."""
    found, waiting = {stage.name}, [stage]
    stages = {each.name: each for each in recipe.stages}
    while waiting:
        new = set(waiting.pop().parents.values()) - found
        found |= new
        waiting += [stages[name] for name in new]
    return [name for name, each in stages.items() if name in found and each.distill is None]


def _promoted(recipe: Recipe, evaluation: Eval) -> Iterator[Problem]:
    last, gate = recipe.stages[-1], evaluation.promotion
    for key, metrics in (("primary_metric", [gate.primary_metric]), ("guardrail_metrics", gate.guardrail_metrics)):
        for metric in metrics:
            if metric.partition("/")[0] not in last.evaluate:
                yield at(
                    last, "evaluate",
                    f"`promotion.{key}` of params/eval.yaml compares {metric}, the last stage is not evaluated in that",
                    f"add the task to {listed(last.evaluate)}, or take the metric out of params/eval.yaml",
                )  # fmt: skip


def _countable(recipe: Recipe, kinds: Kinds | None) -> Iterator[Problem]:
    for stage in recipe.stages:
        if kinds is None and stage.num_train_epochs is not None and stage.dataset_samples is None:
            yield at(
                stage, "dataset_samples", f"nothing came for num_train_epochs {stage.num_train_epochs:g} of a dry run",
                "the samples of the mixture, 1 and more, or --data with the folder that has them",
            )  # fmt: skip
        if recipe.model.architecture in QWEN and stage.max_pixels is None:
            yield at(stage, "max_pixels", "nothing came for a dry run, and this model takes any size", "1 and more")


def _on_machine(recipe: Recipe, gpus: int) -> Iterator[Problem]:
    for stage in recipe.stages:
        if gpus and stage.ranks > gpus:
            yield at(
                stage, "ranks", f"{stage.ranks} came, and every rank needs a GPU of its own",
                f"1 to {gpus} on this machine (CUDA_VISIBLE_DEVICES limits them); or several hosts: python -m "
                "components.train.multi_node",
            )  # fmt: skip
        if stage.grpo and stage.grpo.vllm and not (gpus and interpreter.has("vllm")):
            why = "is not installed" if gpus else "needs GPUs, this machine has none"
            yield at(stage, "grpo.vllm", f"vLLM {why}", "leave it out: transformers samples the completions")


def slow_on_cpu(recipe: Recipe, cores: int) -> list[str]:
    """Return in words which stages ask for more processes and threads than a machine without GPUs has cores."""
    return [
        f"stage {stage.name!r} asks for {stage.ranks} processes of {stage.threads_per_rank} threads on {cores} cores; "
        "it trains all the same, more slowly than with `ranks` and `threads_per_rank` that fit"
        for stage in recipe.stages
        if stage.ranks * stage.threads_per_rank > cores
    ]
