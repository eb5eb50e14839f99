"""The plan of a recipe in numbers, without GPU, weights or data: what each stage trains, needs and takes.

Memory, work and disk are formulas (memory.py) over parameters counted from the real classes on the meta device
(budget.py). A stage that cannot fit is refused, with what would fit.
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
    """What there is to train on: GPUs (None: the recipe's ranks), their memory, and a measured throughput, if any."""

    gpus: int | None
    memory_gib: float
    tokens_per_second: float | None  # of the language model, on one GPU


@dataclass(frozen=True)
class Setting:
    """What decides whether a stage fits."""

    zero: int
    gpus: int
    micro_batch: int
    checkpointing: bool

    def __str__(self) -> str:
        """Say it in the words of the recipe."""
        again = "with" if self.checkpointing else "without"
        size = f"per_device_train_batch_size {self.micro_batch}"
        return f"ZeRO-{self.zero} on {self.gpus} GPUs, {size}, {again} gradient_checkpointing"


def run(recipe: params.Recipe, data: params.Data, machine: Machine, console: Console) -> list[str]:
    """Print the plan of a recipe; give the reasons why it cannot run, none if it can.

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
    problems = [why for each in budgets if (why := refusal(each, machine)) is not None]
    for why in problems:
        console.print(f"\nrefused: {why}", style="red", soft_wrap=True, highlight=False)
    return problems


def config_of(model: params.Model | params.Egoflow | params.Qwen, data: params.Data) -> PretrainedConfig:
    """Return the configuration that training would build."""
    if isinstance(model, params.Model):
        return build.config_of(algorithms.fresh_processor(model, data))
    return hub_configs.config_of(model)


def setting(stage: params.Stage, machine: Machine) -> Setting:
    """Return what the recipe asks for on this machine."""
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


def refusal(stage: Budget, machine: Machine) -> str | None:
    """Say why a stage cannot run on the machine and what would fit; None if it can."""
    name, batch, asked = stage.stage.name, stage.stage.train_batch_size, setting(stage.stage, machine)
    if batch % (asked.gpus * asked.micro_batch):
        return (
            f"stage {name!r}: train_batch_size {batch} came for {asked.gpus} GPUs times "
            f"per_device_train_batch_size {asked.micro_batch}, allowed "
            "are multiples of their product; change --gpus or the recipe"
        )
    limit = usable(stage.stage, machine)
    if (need := _peak(stage, asked)) <= limit:
        return None
    came = f"stage {name!r} needs {need / GIB:.1f} GiB on each GPU by {asked}"
    have = f"{limit / GIB:.1f} of {machine.memory_gib:g} GiB can be used"
    if share := _vllm_share(stage.stage):
        have += f" beside vLLM's share of {share:.0%}"
    if not (fitting := remedies(stage, asked, limit)):
        less = "take fewer frames or tokens, or a smaller model"
        return f"{came}; {have}. Nothing fits within train_batch_size {batch} and {MOST_GPUS} GPUs; {less}"
    would = "; or ".join(f"{each} ({_peak(stage, each) / GIB:.1f} GiB)" for each in fitting)
    return f"{came}; {have}. What would fit: {would}"


def remedies(stage: Budget, asked: Setting, limit: float) -> list[Setting]:
    """Return settings that fit below `limit` bytes, those that change least first; at most three.

    For each set of changed values the mildest change that helps; no set beside a smaller one that helps already.
    """
    halves = [asked.micro_batch >> times for times in range(asked.micro_batch.bit_length())]
    doubles = itertools.takewhile(lambda gpus: gpus <= MOST_GPUS, (asked.gpus << times for times in range(11)))
    again = [asked.checkpointing] + [True] * (not asked.checkpointing)
    found: dict[frozenset[str], Setting] = {}
    for gpus, zero, micro_batch, checkpointing in itertools.product(doubles, range(asked.zero, 4), halves, again):
        each = Setting(zero, gpus, micro_batch, checkpointing)
        changed = frozenset(name for name, value in vars(each).items() if value != getattr(asked, name))
        if stage.stage.train_batch_size % (gpus * micro_batch) == 0 and _peak(stage, each) <= limit:
            found.setdefault(changed, each)
    least = [each for changed, each in found.items() if not any(other < changed for other in found)]
    return sorted(least, key=lambda each: each.gpus)[:3]


def hours(stage: Budget, machine: Machine) -> float:
    """Estimate the time of a stage from the throughput that is given, else from work, peak and MFU."""
    gpus = machine.gpus or stage.stage.ranks
    if machine.tokens_per_second and stage.demand.tokens:
        per_step_s = stage.stage.train_batch_size * stage.demand.tokens / (machine.tokens_per_second * gpus)
    else:
        per_step_s = stage.step_flops() / (gpus * PEAK_FLOPS * MFU[stage.stage.algorithm])
    return stage.steps * per_step_s / 3600


def _peak(stage: Budget, at: Setting) -> float:
    return stage.peak(zero=at.zero, gpus=at.gpus, micro_batch=at.micro_batch, checkpointing=at.checkpointing)


def _stages(recipe: params.Recipe, budgets: Sequence[Budget], machine: Machine) -> Table:
    """What each stage does in a step, and how long."""
    columns = (
        "stage", "algorithm", "parents", "samples a step", "visual tokens", "text tokens", "steps", "hours", "disk GiB",
    )  # fmt: skip
    rows = []
    for each in budgets:
        stage, need = each.stage, each.demand
        sequences = stage.train_batch_size * need.sequences
        kept, resumable = each.disk()
        rows.append(
            (
                stage.name,
                stage.algorithm,
                ", ".join(f"{part}: {parent}" for part, parent in stage.parents.items()) or "–",
                f"{stage.train_batch_size:,} × {need.sequences}" if stage.grpo else f"{stage.train_batch_size:,}",
                f"{sequences * need.visual_tokens:,}",
                f"{sequences * need.text_tokens:,}",
                f"{each.steps:,}",
                f"{hours(each, machine):,.2f}",
                f"{kept / GIB:.2f} + {resumable / GIB:.2f}",
            )
        )
    return table(f"{recipe.name}: stages; nothing was run", columns, rows)


def _parts(budgets: Sequence[Budget]) -> Table:
    """Parameters by part, and the learning rate with which each stage trains them."""
    counts = budgets[0].parameters
    rows = [
        (
            part,
            f"{count:,}",
            *(f"{each.stage.learning_rates[part]:g}" if each.trained[part] else "frozen" for each in budgets),
        )
        for part, count in counts.items()
    ]
    adapters = [
        f"{each.adapters:,} ({', '.join(f'{rate:g}' for rate in each.stage.lora.learning_rates.values())})"
        if each.stage.lora
        else "–"
        for each in budgets
    ]
    rows.append(("LoRA adapters", "", *adapters))
    rows.append(("trained", "", *(f"{each.total_trained:,}" for each in budgets)))
    rows.append(("frozen", "", *(f"{each.total - each.total_trained:,}" for each in budgets)))
    names = [each.stage.name for each in budgets]
    return table("parameters, and the learning rate of each part", ("part", "parameters", *names), rows)


def _memory(budgets: Sequence[Budget], machine: Machine) -> Table:
    """GiB of one GPU by ZeRO stage, with the recipe's micro-batch; the recipe's own choice is bold."""
    columns = (
        "stage", "GPUs × micro-batch", "ZeRO", "weights", "gradients", "optimiser", "copies",
        "activations", "checkpointed", "peak", "",
    )  # fmt: skip
    memory = table("memory of one GPU, GiB", columns, [])
    for each in budgets:
        asked, limit = setting(each.stage, machine), usable(each.stage, machine)
        kept = [each.working(micro_batch=asked.micro_batch, checkpointing=again) for again in (False, True)]
        for zero in range(4):
            states = each.states(zero=zero, gpus=asked.gpus)
            copies = each.gathered(zero=zero, gpus=asked.gpus)
            peak = states.total + copies + kept[asked.checkpointing]
            numbers = (states.weights, states.gradients, states.optimiser, copies, *kept, peak)
            chosen = zero == asked.zero
            memory.add_row(
                each.stage.name if zero == 0 else "",
                f"{asked.gpus} × {asked.micro_batch}" if zero == 0 else "",
                str(zero),
                *(f"{value / GIB:.2f}" for value in numbers),
                "fits" if peak <= limit else "too much",
                style="bold" if chosen else "dim",
                end_section=zero == 3,
            )
    return memory


def _notes(budgets: Sequence[Budget], machine: Machine) -> list[str]:
    """What the numbers rest on."""
    kept, resumable = zip(*(each.disk() for each in budgets), strict=True)
    if machine.tokens_per_second:
        time = f"{machine.tokens_per_second:g} tokens/s on each GPU"
    else:
        used = {each.stage.algorithm: MFU[each.stage.algorithm] for each in budgets}
        shares = ", ".join(f"{algorithm} {share:.0%}" for algorithm, share in used.items())
        time = f"{PEAK_FLOPS / 1e12:g} TFLOP/s a GPU at an MFU of {shares} (assumed; --tokens-per-second measures)"
    return [
        f"hours     {sum(hours(each, machine) for each in budgets):,.1f} in all, by {time}",
        f"disk      {(sum(kept) + max(resumable)) / GIB:,.1f} GiB: every finished checkpoint, and the largest "
        "resumable pair (the old one goes when the new one is whole)",
        f"memory    bfloat16 with AdamW in float32; peak must stay below {USABLE:.0%} of {machine.memory_gib:g} GiB",
        "tokens    the most a sample may have; frames are single images. Memory and hours are formulas, not measured",
    ]
