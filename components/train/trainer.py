"""The one trainer of the supervised stages: Hugging Face's, with the recipe's freeze table, losses and rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import SchedulerType

from components import params
from components.models.backbone import PARTS, part_of
from components.models.build import has_bf16_cpu, has_fp16
from components.tracking import MetricLog
from components.train.safety import resumable
from components.train.safety.log_window import LogWindow

DEEPSPEED = Path(__file__).resolve().parents[2] / "infra" / "deepspeed"
# a model and a batch to the losses by name; "total" is trained, the others are logged
Losses = Callable[[nn.Module, dict[str, torch.Tensor]], Mapping[str, torch.Tensor | float]]


def arguments(stage: params.Stage, output: Path) -> dict:
    """Translate a stage to the values that `TrainingArguments` and TRL's configs share.

    Raises:
        ValueError: the stage's steps are not counted yet, or the batch does not divide by the ranks and their
            micro-batches.
    """
    if stage.max_steps is None:
        raise ValueError(f"stage {stage.name!r} counts epochs: its steps are counted first (algorithms.counted)")
    micro_batch = stage.per_device_train_batch_size or max(1, stage.train_batch_size // stage.ranks)
    if stage.train_batch_size % (stage.ranks * micro_batch):
        raise ValueError(
            f"stage {stage.name!r}: train_batch_size {stage.train_batch_size} must be a multiple of ranks "
            f"{stage.ranks} times per_device_train_batch_size {micro_batch}; mend the recipe"
        )
    return {
        "output_dir": str(output),
        "max_steps": stage.max_steps,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": stage.train_batch_size // (stage.ranks * micro_batch),
        "gradient_checkpointing": stage.gradient_checkpointing,
        # the reentrant kind gives no gradient behind frozen word embeddings
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if stage.gradient_checkpointing else None,
        "lr_scheduler_type": SchedulerType.COSINE,
        "warmup_steps": round(stage.warmup_ratio * stage.max_steps),
        "weight_decay": stage.weight_decay,
        # ZeRO clips what Muon has orthogonalised, whose norm says nothing
        "max_grad_norm": 0.0 if stage.muon_learning_rate else 1.0,
        "save_strategy": "steps",
        "save_steps": stage.save_steps,
        "save_total_limit": resumable.KEPT,
        "logging_steps": max(1, stage.max_steps // 50),
        "seed": stage.seed,
        "data_seed": stage.seed,
        "deepspeed": str(DEEPSPEED / f"zero{stage.zero_stage}.json"),
        "use_cpu": not torch.cuda.is_available(),
        "bf16": torch.cuda.is_available(),
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
    }


def optimiser_groups(
    model: nn.Module,
    rates: dict[str, float],
    *,
    lora_rate: dict[str, float] | float | None,
    weight_decay: float,
    muon_rate: float | None = None,
    parts: dict[str, tuple[str, ...]] = PARTS,
) -> list[dict]:
    """Put every trainable parameter into exactly one group, by part and by whether it decays.

    Heads that exist for a pretext task only (`pretext.`) and leave no trace take the highest rate of the stage.

    Args:
        model: with its frozen parts marked.
        rates: part -> learning rate.
        lora_rate: learning rate of the adapters, wherever they sit; or part -> learning rate.
        weight_decay: of matrices; vectors (norms, biases, markers) do not decay.
        muon_rate: learning rate of the matrices of transformer layers under Muon; None leaves all to AdamW. Embeddings,
            heads, connectors and mappings are AdamW's in any case.
        parts: of the architecture, as `part_of` takes them.

    Returns:
        Groups as torch's optimisers take them; where `muon_rate` is given, each with `use_muon`.

    Raises:
        ValueError: the model has adapters and `lora_rate` is None.
    """
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            muon = bool(muon_rate) and ".layers." in name and parameter.ndim == 2 and "lora_" not in name
            parameter.use_muon = muon  # ty: ignore[missing-attribute]  # DeepSpeed's ZeRO looks for this flag
            if muon_rate and muon:
                rate = muon_rate
            elif "lora_" in name:
                rate = _adapter_rate(name, lora_rate, parts)
            elif name.startswith("pretext."):
                rate = max(rates.values())
            else:
                rate = rates[part_of(name, parts)]
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay, muon), []).append(parameter)
    return [
        {"params": members, "lr": rate, "weight_decay": decay} | ({"use_muon": muon} if muon_rate else {})
        for (rate, decay, muon), members in groups.items()
    ]


def check_groups(model: nn.Module, groups: list[dict]) -> None:
    """Make sure that every trainable parameter lies in exactly one group, and no frozen one in any.

    A parameter in none would never move, silently: the queries of Ego2ExoVLM's published trainer are such a one.

    Args:
        model: with its frozen parts marked.
        groups: of the optimiser.

    Raises:
        ValueError: it does not hold; names the parameters.
    """
    counts = Counter(id(parameter) for group in groups for parameter in group["params"])
    wrong = {
        name: counts[id(parameter)]
        for name, parameter in model.named_parameters()
        if counts[id(parameter)] != int(parameter.requires_grad)
    }
    if wrong:
        raise ValueError(
            f"parameters lie in so many optimiser groups: {wrong}; allowed is one for each that is trained and none "
            "for the others, mend trainer.optimiser_groups"
        )


def _adapter_rate(name: str, rate: dict[str, float] | float | None, parts: dict[str, tuple[str, ...]]) -> float:
    if rate is None:
        raise ValueError(f"the adapter {name} came without a learning rate; mend `lora.learning_rate` in the recipe")
    return rate[part_of(name, parts)] if isinstance(rate, dict) else rate


class LogToTracking(TrainerCallback):
    """Send what a trainer logs to the metric log, on rank 0 only."""

    def __init__(self, log: MetricLog):
        self.log = log

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Pass numbers on; totals that transformers adds at the end are not curves."""
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            values = {name: float(value) for name, value in logs.items() if isinstance(value, int | float)}
            self.log.log(state.global_step, values)


class StageTrainer(LogWindow):
    """Sequential batches (the order is drawn beforehand), losses by part, one optimiser group per part."""

    def __init__(self, *, losses: Losses, groups: list[dict], **kwargs):
        super().__init__(**kwargs)
        self.losses, self.groups = losses, groups
        self._sums: dict[str, float] = {}
        self._count = 0
        # the losses are means already; without this transformers would rescale them by its own token count
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset=None) -> torch.utils.data.Sampler:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        return torch.utils.data.SequentialSampler(cast(Sized, dataset))  # an `OrderedDataset`, which has a length

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Make AdamW (0.9, 0.999) over the stage's groups (systems §1.4), or DeepSpeed's Muon where they ask for it."""
        if "use_muon" in self.groups[0]:
            from deepspeed.runtime.zero.muon.muon_optimizer import MuonWithAuxAdam

            from components.train import private_api  # it imports DeepSpeed, whose two seconds a dry run does without

            if not has_fp16():
                # DeepSpeed takes float16 wherever the CPU can at all; without matrix hardware that is slower: 1.2 ms
                # against 0.8 ms in float32 for a 128 x 128 matrix, 2.1 ms against 1.2 ms for 384 x 128 (one thread)
                private_api.let_muon_compute_in_float32()
            self.optimizer = MuonWithAuxAdam(self.groups)
        else:
            self.optimizer = torch.optim.AdamW(self.groups, betas=(0.9, 0.999))
        return self.optimizer

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Sum the stage's losses; "total" is what is trained, the others are logged.

        Args:
            model: in training mode.
            inputs: a batch of the collator.
            return_outputs: whether the losses by name are returned beside the total.
            num_items_in_batch: passed by transformers; not used, for every loss is a mean.
        """
        # a CPU has no bf16 engine in DeepSpeed that keeps float32 weights: autocast halves the time of a step
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16_cpu()):
            parts = self.losses(model, inputs)
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach() if torch.is_tensor(value) else value)
        self._count += 1
        return (parts["total"], parts) if return_outputs else parts["total"]

    def log(self, logs: dict[str, float], *args, **kwargs) -> None:
        """Add the means of the loss parts since the last log."""
        if self._count and "loss" in logs:
            logs = {**logs, **{f"loss/{name}": total / self._count for name, total in self._sums.items()}}
            self._sums, self._count = {}, 0
        super().log(logs, *args, **kwargs)

    def window(self) -> dict:
        """As `LogWindow`, with the loss parts."""
        return super().window() | {"sums": self._sums, "count": self._count}

    def reopen(self, window: dict) -> None:
        """As `LogWindow`."""
        super().reopen(window)
        self._sums, self._count = window["sums"], window["count"]


def arguments_for(stage: params.Stage, output: Path) -> TrainingArguments:
    """The training arguments of a supervised stage."""
    return TrainingArguments(**arguments(stage, output))
