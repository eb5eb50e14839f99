"""The plan of a recipe in numbers, without GPU and weights: what each stage trains, its memory and its time.

Memory, work and disk are formulas (memory_formulas.py) over parameters counted from the real classes on the meta device
(stage_budget.py). A stage that cannot fit is refused, with settings that would fit (fitting.py). Hours that differ from
the paper's are doubted, and what was compared with a measurement is said (duration.py). Where the data is here, samples
and steps are counted by the dataset that training opens; else by the recipe's `dataset_samples`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import PretrainedConfig

from components import params
from components.models import build, hub_configs, qwen_ego_setup
from components.models.configuration import EgoflowConfig
from components.train import algorithms
from components.train.dry_run import answers, mixture_table
from components.train.dry_run.duration import MFU, PEAK_FLOPS, comparisons, doubt, hours
from components.train.dry_run.fitting import GIB, USABLE, Machine, refusal, setting, usable
from components.train.dry_run.stage_budget import Budget, budget
from components.train.dry_run.tables import table
from components.train.grpo.pause_rules import repetition
from components.train.plan import WITHOUT_DATASET
from components.train.sample_order import Part


def run(
    recipe: params.Recipe, data: params.Data, machine: Machine, console: Console, folder: Path | None = None
) -> list[str]:
    """Print the plan of a recipe.

    Args:
        recipe: whose stages are counted.
        data: the content of params/data.yaml.
        machine: what there is to train on.
        console: takes the plan.
        folder: outputs of the data graph, in which the samples are counted; None: by `dataset_samples` of the recipe.

    Returns:
        Why stages cannot run on the machine or with the data, a text for each; empty where all can.

    Raises:
        ValueError: the recipe lacks what counting needs, or the data has not the samples of a stage that counts epochs.
    """
    config = config_of(recipe.model, data)
    stages, parts, problems = list(recipe.stages), {}, []
    if folder:
        stages, parts, problems = counted(recipe, data, folder)
        if any(stage.max_steps is None and stage.dataset_samples is None for stage in stages):
            raise ValueError("\n".join(problems))  # a stage without steps has no plan
    budgets = []
    for stage in stages:
        budgets.append(budget(stage, _with_tokens(config, recipe.ego_tokens[stage.name]), data.frames))
    console.print(_stages(recipe, budgets, machine))
    if parts:
        console.print(mixture_table.lay_out(recipe.stages, parts))
    console.print(_parts(budgets))
    console.print(_memory(budgets, machine))
    for line in _notes(budgets, machine):
        console.print(line, soft_wrap=True, highlight=False)
    problems += [why for needs in budgets if (why := refusal(needs, machine)) is not None]
    for why in problems:
        console.print(f"\nrefused: {why}", style="red", soft_wrap=True, highlight=False)
    return problems


def counted(
    recipe: params.Recipe, data: params.Data, folder: Path
) -> tuple[list[params.Stage], dict[str, list[Part]], list[str]]:
    """Count the samples of every stage by the dataset that its training would open.

    Args:
        recipe: whose stages are counted.
        data: the content of params/data.yaml.
        folder: outputs of the data graph.

    Returns:
        The stages with their steps; stage name -> parts of its mixture; and why stages cannot train on the data.
    """
    stages, parts, problems = [], {}, []
    with tempfile.TemporaryDirectory() as planned:
        for stage in recipe.stages:
            try:
                if stage.distill:
                    stage = answers.counted(stage, stage.distill, folder, Path(planned))
                elif stage.algorithm not in WITHOUT_DATASET:
                    distilled = answers.planned_for(stage, Path(planned))
                    dataset = algorithms.samples(stage, data, folder, recipe.model, distilled)
                    parts[stage.name] = dataset.mixture_parts()
                    stage = algorithms.counted(stage, dataset)
                    rules = stage.grpo.pause_rules if stage.grpo else None
                    if rules and (why := repetition(parts[stage.name], max_repeated_share=rules.max_repeated_share)):
                        problems.append(f"stage {stage.name!r}: {why}")
            except ValueError as error:
                problems.append(f"stage {stage.name!r}: {error}")
            stages.append(stage)
    return stages, parts, problems


def config_of(model: params.Model | params.Egoflow | params.Qwen, data: params.Data) -> PretrainedConfig:
    """Return the configuration that training would build."""
    if isinstance(model, params.Model):
        return build.config_of(algorithms.fresh_processor(model, data))
    return hub_configs.config_of(model)


def _with_tokens(config: PretrainedConfig, count: int) -> PretrainedConfig:
    if isinstance(config, EgoflowConfig):
        config.ego_tokens = count
        return config
    return qwen_ego_setup.config_with(config, count) if count else config


def _stages(recipe: params.Recipe, budgets: Sequence[Budget], machine: Machine) -> Table:
    """Lay out what each stage does in a step, and how long it takes."""
    columns = (
        "stage", "algorithm", "parents", "samples a step", "visual tokens", "text tokens", "steps", "hours",
        "published", "disk GiB",
    )  # fmt: skip
    rows = []
    for needs in budgets:
        stage, demand = needs.stage, needs.demand
        kept, resumable = needs.disk()
        rows.append(
            (
                stage.name,
                stage.algorithm,
                ", ".join(f"{part}: {parent}" for part, parent in stage.parents.items()) or "–",
                f"{stage.train_batch_size:,} × {demand.sequences}" if stage.grpo else f"{stage.train_batch_size:,}",
                f"{stage.train_batch_size * demand.visual_tokens:,}",
                f"{stage.train_batch_size * (demand.tokens - demand.visual_tokens):,}",
                f"{needs.steps:,}",
                f"{hours(needs, machine):,.2f}",
                f"{stage.published_hours:g}" if stage.published_hours else "–",
                f"{kept / GIB:.2f} + {resumable / GIB:.2f}",
            )
        )
    return table(f"{recipe.name}: stages; nothing was run", columns, rows)


def _parts(budgets: Sequence[Budget]) -> Table:
    """Lay out the parameters of each part, and the learning rate with which each stage trains them."""
    names = dict.fromkeys(part for needs in budgets for part in needs.parameters)
    counts = {part: max(needs.parameters.get(part, 0) for needs in budgets) for part in names}
    rows = [
        (
            part,
            f"{count:,}",
            *(f"{needs.stage.learning_rates[part]:g}" if needs.trained.get(part) else "frozen" for needs in budgets),
        )
        for part, count in counts.items()
    ]
    adapters = [
        f"{needs.adapters:,} ({', '.join(f'{rate:g}' for rate in needs.stage.lora.learning_rates.values())})"
        if needs.stage.lora
        else "–"
        for needs in budgets
    ]
    rows.append(("LoRA adapters", "", *adapters))
    rows.append(("trained", "", *(f"{needs.total_trained:,}" for needs in budgets)))
    rows.append(("frozen", "", *(f"{needs.total - needs.total_trained:,}" for needs in budgets)))
    names = [needs.stage.name for needs in budgets]
    return table("parameters, and the learning rate of each part", ("part", "parameters", *names), rows)


def _memory(budgets: Sequence[Budget], machine: Machine) -> Table:
    """Lay out the GiB of one GPU by ZeRO stage, with the recipe's micro-batch; the recipe's own choice is bold."""
    columns = (
        "stage", "GPUs × micro-batch", "ZeRO", "weights", "gradients", "optimiser", "copies",
        "activations", "checkpointed", "peak", "",
    )  # fmt: skip
    memory = table("memory of one GPU, GiB", columns, [])
    for needs in budgets:
        current, limit = setting(needs.stage, machine), usable(needs.stage, machine)
        working = [needs.working(micro_batch=current.micro_batch, checkpointing=value) for value in (False, True)]
        for zero in range(4):
            states = needs.states(zero=zero, gpus=current.gpus)
            copies = needs.gathered(zero=zero, gpus=current.gpus)
            peak = states.total + copies + working[current.checkpointing]
            numbers = (states.weights, states.gradients, states.optimiser, copies, *working, peak)
            chosen = zero == current.zero
            memory.add_row(
                needs.stage.name if zero == 0 else "",
                f"{current.gpus} × {current.micro_batch}" if zero == 0 else "",
                str(zero),
                *(f"{value / GIB:.2f}" for value in numbers),
                "fits" if peak <= limit else "too much",
                style="bold" if chosen else "dim",
                end_section=zero == 3,
            )
    return memory


def _notes(budgets: Sequence[Budget], machine: Machine) -> list[str]:
    """Return lines with the sums, and with the assumptions behind the numbers."""
    kept, resumable = zip(*(needs.disk() for needs in budgets), strict=True)
    if machine.tokens_per_second:
        time = f"{machine.tokens_per_second:g} tokens/s on each GPU"
    else:
        used = {needs.stage.algorithm: MFU[needs.stage.algorithm] for needs in budgets}
        shares = ", ".join(f"{algorithm} {share:.0%}" for algorithm, share in used.items())
        time = f"{PEAK_FLOPS / 1e12:g} TFLOP/s a GPU at an MFU of {shares} (assumed; --tokens-per-second measures)"
    return [
        f"hours     {sum(hours(needs, machine) for needs in budgets):,.1f} in all, by {time}",
        f"disk      {(sum(kept) + max(resumable)) / GIB:,.1f} GiB: every finished checkpoint, and the largest "
        "stage's resumable ones (two are kept, and the oldest goes when a new one is whole)",
        f"memory    bfloat16 with AdamW in float32; peak must stay below {USABLE:.0%} of {machine.memory_gib:g} GiB",
        "tokens    the most a sample may have; frames are single images. Memory and hours are formulas, not measured",
        *(f"answers   {line}" for needs in budgets if (line := answers.told(needs)) is not None),
        *(f"doubted   {why}" for needs in budgets if (why := doubt(needs, machine)) is not None),
        *(f"compared  {line}" for line in comparisons()),
    ]
