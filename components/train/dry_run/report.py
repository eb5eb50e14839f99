"""The plan of a recipe in numbers, without GPU, weights or data: what each stage trains, its memory and its time.

Memory, work and disk are formulas (memory_formulas.py) over parameters counted from the real classes on the meta device
(stage_budget.py). A stage that cannot fit is refused, with settings that would fit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from transformers import PretrainedConfig

from components import params
from components.models import build, hub_configs
from components.train import algorithms
from components.train.dry_run.stage_budget import Budget, budget
from components.train.dry_run.tables import table

GIB = 2**30
USABLE = 0.9  # the rest is the CUDA context, communication buffers and fragmentation (a default of ours)
MOST_GPUS = 1024
PEAK_FLOPS = 312e12  # bfloat16 of an A100 or A800, as the papers used
# Share of the peak that training reaches where no throughput is given. Supervised: lmms-engine's 25-35 % for video SFT
# of Qwen2.5-VL-7B on A800. Grpo, rollouts included: EasyR1's 2000 tokens/s on an H100 for a 7B, which is 18 % by our
# count of operations; it has vLLM, and plain generation is several times slower.
MFU = {"supervised": 0.30, "grpo": 0.18, "text": 0.30, "contrastive": 0.30}


@dataclass(frozen=True)
class Machine:
    """What there is to train on.

    Args:
        gpus: number of GPUs; None: as many as the recipe's ranks.
        memory_gib: memory of one GPU.
        tokens_per_second: measured throughput of the language model on one GPU; None where it was not measured.
    """

    gpus: int | None
    memory_gib: float
    tokens_per_second: float | None


@dataclass(frozen=True)
class Setting:
    """The values of a stage that decide whether it fits: ZeRO stage, GPUs, micro-batch, gradient checkpointing."""

    zero: int
    gpus: int
    micro_batch: int
    checkpointing: bool

    def __str__(self) -> str:
        """Return the setting in the words of the recipe."""
        with_or_without = "with" if self.checkpointing else "without"
        size = f"per_device_train_batch_size {self.micro_batch}"
        return f"ZeRO-{self.zero} on {self.gpus} GPUs, {size}, {with_or_without} gradient_checkpointing"


def run(recipe: params.Recipe, data: params.Data, machine: Machine, console: Console) -> list[str]:
    """Print the plan of a recipe.

    Args:
        recipe: whose stages are counted.
        data: the content of params/data.yaml.
        machine: what there is to train on.
        console: takes the plan.

    Returns:
        Why stages cannot run on the machine, a text for each; empty where all can.

    Raises:
        ValueError: the recipe lacks what counting needs.
    """
    config = config_of(recipe.model, data)
    budgets = [budget(stage, config, data.frames) for stage in recipe.stages]
    console.print(_stages(recipe, budgets, machine))
    console.print(_parts(budgets))
    console.print(_memory(budgets, machine))
    for line in _notes(budgets, machine):
        console.print(line, soft_wrap=True, highlight=False)
    problems = [why for needs in budgets if (why := refusal(needs, machine)) is not None]
    for why in problems:
        console.print(f"\nrefused: {why}", style="red", soft_wrap=True, highlight=False)
    return problems


def config_of(model: params.Model | params.Egoflow | params.Qwen, data: params.Data) -> PretrainedConfig:
    """Return the configuration that training would build."""
    if isinstance(model, params.Model):
        return build.config_of(algorithms.fresh_processor(model, data))
    return hub_configs.config_of(model)


def setting(stage: params.Stage, machine: Machine) -> Setting:
    """Return the setting of a stage of the recipe on this machine."""
    gpus = machine.gpus or stage.ranks
    return Setting(
        stage.zero_stage,
        gpus,
        stage.per_device_train_batch_size or max(1, stage.train_batch_size // gpus),
        stage.gradient_checkpointing,
    )


def usable(stage: params.Stage, machine: Machine) -> float:
    """Return the bytes of a GPU that training may fill: less than all, and not what vLLM takes beside it."""
    return max(0.0, USABLE - _vllm_share(stage)) * machine.memory_gib * GIB


def _vllm_share(stage: params.Stage) -> float:
    vllm = stage.grpo.vllm if stage.grpo else None
    return vllm.gpu_memory_utilization if vllm and vllm.mode == "colocate" else 0.0


def refusal(needs: Budget, machine: Machine) -> str | None:
    """Return why a stage cannot run on the machine and what would fit, in words; None if it can run."""
    name, batch, current = needs.stage.name, needs.stage.train_batch_size, setting(needs.stage, machine)
    if batch % (current.gpus * current.micro_batch):
        return (
            f"stage {name!r}: train_batch_size {batch} came for {current.gpus} GPUs times "
            f"per_device_train_batch_size {current.micro_batch}, allowed "
            "are multiples of their product; change --gpus or the recipe"
        )
    limit = usable(needs.stage, machine)
    if (peak := _peak(needs, current)) <= limit:
        return None
    came = f"stage {name!r} needs {peak / GIB:.1f} GiB on each GPU by {current}"
    available = f"{limit / GIB:.1f} of {machine.memory_gib:g} GiB can be used"
    if share := _vllm_share(needs.stage):
        available += f" beside vLLM's share of {share:.0%}"
    if not (fitting := remedies(needs, current, limit)):
        less = "take fewer frames or tokens, or a smaller model"
        return f"{came}; {available}. Nothing fits within train_batch_size {batch} and {MOST_GPUS} GPUs; {less}"
    listed = "; or ".join(f"{remedy} ({_peak(needs, remedy) / GIB:.1f} GiB)" for remedy in fitting)
    return f"{came}; {available}. What would fit: {listed}"


def remedies(needs: Budget, current: Setting, limit: float) -> list[Setting]:
    """Return settings that fit, those with the fewest GPUs first; at most three.

    For each set of values that are changed it is the smallest change that fits. A set is left out where a part of it
    fits already.

    Args:
        needs: of the stage.
        current: setting that does not fit.
        limit: bytes of a GPU that training may fill.
    """
    halves = [current.micro_batch >> times for times in range(current.micro_batch.bit_length())]
    doubles = itertools.takewhile(lambda gpus: gpus <= MOST_GPUS, (current.gpus << times for times in range(11)))
    checkpointings = [current.checkpointing] + [True] * (not current.checkpointing)
    zeros = range(current.zero, 4)
    found: dict[frozenset[str], Setting] = {}
    for gpus, zero, micro_batch, checkpointing in itertools.product(doubles, zeros, halves, checkpointings):
        remedy = Setting(zero, gpus, micro_batch, checkpointing)
        changed = frozenset(name for name, value in vars(remedy).items() if value != getattr(current, name))
        if needs.stage.train_batch_size % (gpus * micro_batch) == 0 and _peak(needs, remedy) <= limit:
            found.setdefault(changed, remedy)
    least = [remedy for changed, remedy in found.items() if not any(other < changed for other in found)]
    return sorted(least, key=lambda remedy: remedy.gpus)[:3]


def hours(needs: Budget, machine: Machine) -> float:
    """Estimate the hours of a stage from a measured throughput where there is one, else from FLOPs and the MFU."""
    gpus = machine.gpus or needs.stage.ranks
    if machine.tokens_per_second and needs.demand.tokens:
        per_step_s = needs.stage.train_batch_size * needs.demand.tokens / (machine.tokens_per_second * gpus)
    else:
        per_step_s = needs.step_flops() / (gpus * PEAK_FLOPS * MFU[needs.stage.algorithm])
    return needs.steps * per_step_s / 3600


def _peak(needs: Budget, at: Setting) -> float:
    return needs.peak(zero=at.zero, gpus=at.gpus, micro_batch=at.micro_batch, checkpointing=at.checkpointing)


def _stages(recipe: params.Recipe, budgets: Sequence[Budget], machine: Machine) -> Table:
    """Lay out what each stage does in a step, and how long it takes."""
    columns = (
        "stage", "algorithm", "parents", "samples a step", "visual tokens", "text tokens", "steps", "hours", "disk GiB",
    )  # fmt: skip
    rows = []
    for needs in budgets:
        stage, demand = needs.stage, needs.demand
        sequences = stage.train_batch_size * demand.sequences
        kept, resumable = needs.disk()
        rows.append(
            (
                stage.name,
                stage.algorithm,
                ", ".join(f"{part}: {parent}" for part, parent in stage.parents.items()) or "–",
                f"{stage.train_batch_size:,} × {demand.sequences}" if stage.grpo else f"{stage.train_batch_size:,}",
                f"{sequences * demand.visual_tokens:,}",
                f"{sequences * demand.text_tokens:,}",
                f"{needs.steps:,}",
                f"{hours(needs, machine):,.2f}",
                f"{kept / GIB:.2f} + {resumable / GIB:.2f}",
            )
        )
    return table(f"{recipe.name}: stages; nothing was run", columns, rows)


def _parts(budgets: Sequence[Budget]) -> Table:
    """Lay out the parameters of each part, and the learning rate with which each stage trains them."""
    counts = budgets[0].parameters
    rows = [
        (
            part,
            f"{count:,}",
            *(f"{needs.stage.learning_rates[part]:g}" if needs.trained[part] else "frozen" for needs in budgets),
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
        "resumable pair (the old one goes when the new one is whole)",
        f"memory    bfloat16 with AdamW in float32; peak must stay below {USABLE:.0%} of {machine.memory_gib:g} GiB",
        "tokens    the most a sample may have; frames are single images. Memory and hours are formulas, not measured",
    ]
