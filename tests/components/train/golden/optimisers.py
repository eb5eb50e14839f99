"""How weights are moved, as numbers: three steps hardly tell one decay of a moment from another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from components import params
from components.models import build
from components.train import algorithms, checkpoints
from components.train.grpo.trainer import OrderedGRPOTrainer
from components.train.trainer import StageTrainer, arguments

CONSTANTS = ("params", "lr", "weight_decay", "betas", "eps", "momentum", "ns_method", "use_muon")
Values = dict[str, float | str]
STAGE = {
    "name": "s", "algorithm": "supervised", "max_steps": 50, "train_batch_size": 8, "per_device_train_batch_size": 2,
    "ranks": 2, "warmup_ratio": 0.1, "weight_decay": 0.1, "save_steps": 10,
    "learning_rates": {"ego_connector": 1e-3, "language_model": 1e-4},
    "lora": {"r": 2, "lora_alpha": 4, "lora_dropout": 0.1, "learning_rate": {"ego_encoder": 1e-2}},
}  # fmt: skip
# what says where files go, and how they are written
NOT_BEHAVIOUR = ("output_dir", "deepspeed", "save_", "logging_", "report_to", "disable_tqdm", "use_cpu", "bf16")


def plain(folder: Path, starts: dict[str, object]) -> Values:
    """Return AdamW's groups and constants, and the schedule."""
    return _of(folder, starts, muon=None)


def muon(folder: Path, starts: dict[str, object]) -> Values:
    """Return the same under Muon."""
    return _of(folder, starts, muon=0.01)


def _of(folder: Path, starts: dict[str, object], *, muon: float | None) -> Values:
    stage = params.Stage.model_validate(STAGE | {"muon_learning_rate": muon})
    model = build.load(Path(str(starts["miniature"])) / "model")
    checkpoints.prepare(model, stage.learning_rates, stage.lora)
    groups = algorithms.groups(model, stage)
    given = {name: str(value) for name, value in arguments(stage, folder).items() if not name.startswith(NOT_BEHAVIOUR)}
    made = {"supervised": StageTrainer.create_optimizer(SimpleNamespace(groups=[dict(one) for one in groups]))}
    if muon is None:
        policy = SimpleNamespace(groups=[dict(one) for one in groups], adam_beta2=0.99)
        made["grpo"] = OrderedGRPOTrainer.create_optimizer(policy)
    return given | {
        f"{name}, group {number}": ", ".join(
            f"{key} {len(group[key]) if key == 'params' else group[key]}" for key in CONSTANTS if key in group
        )
        for name, optimiser in made.items()
        for number, group in enumerate(optimiser.param_groups)
    }
