"""Whether a stage fits the machine's memory, and the smallest changes of its setting that would."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from components import params
from components.train.dry_run.stage_budget import Budget
from components.train.judge.stages import MUON_ZERO_STAGE

GIB = 2**30
USABLE = 0.9  # the rest is the CUDA context, communication buffers and fragmentation (a default of ours)
MOST_GPUS = 1024


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


def setting(stage: params.Stage, machine: Machine) -> Setting:
    """Return the setting of a stage of the recipe on this machine."""
    gpus = machine.gpus or stage.ranks
    return Setting(
        stage.zero_stage,
        gpus,
        # each rank of a stage that asks answers whole batches
        stage.per_device_train_batch_size or max(1, stage.train_batch_size // (1 if stage.distill else gpus)),
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
    if batch % (current.gpus * current.micro_batch) and not needs.stage.distill:
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
    zeros = range(current.zero, (MUON_ZERO_STAGE if needs.stage.muon_learning_rate else 3) + 1)
    found: dict[frozenset[str], Setting] = {}
    for gpus, zero, micro_batch, checkpointing in itertools.product(doubles, zeros, halves, checkpointings):
        remedy = Setting(zero, gpus, micro_batch, checkpointing)
        changed = frozenset(name for name, value in vars(remedy).items() if value != getattr(current, name))
        if needs.stage.train_batch_size % (gpus * micro_batch) == 0 and _peak(needs, remedy) <= limit:
            found.setdefault(changed, remedy)
    least = [remedy for changed, remedy in found.items() if not any(other < changed for other in found)]
    return sorted(least, key=lambda remedy: remedy.gpus)[:3]


def _peak(needs: Budget, at: Setting) -> float:
    return needs.peak(zero=at.zero, gpus=at.gpus, micro_batch=at.micro_batch, checkpointing=at.checkpointing)
