"""Algorithm `grpo`: TRL's GRPOTrainer on frames, with the verifiable rewards of components/rewards (systems §0.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from PIL import Image
from trl import GRPOConfig, GRPOTrainer

from components import params
from components.rewards import REWARDS
from components.train.batch import SampleDataset
from components.train.trainer import arguments


def prompts_of(samples: SampleDataset) -> Dataset:
    """Give TRL's columns for the samples, in the order in which the steps see them; frames are read when asked for.

    Columns: `prompt` (one user message), `images` (the frames), and the target, flat, for the rewards.
    """

    def rows(batch: dict[str, list[int]]) -> dict[str, list]:
        items = [samples[index] for index in batch["index"]]
        spans = [item["target"]["span"] for item in items]
        return {
            "prompt": [[{"role": "user", "content": item["question"]}] for item in items],
            "images": [[Image.fromarray(frame) for frame in item["frames"]] for item in items],
            "kind": [item["target"]["kind"] for item in items],
            "box_xyxy": [item["target"]["box_xyxy"] for item in items],
            "span_s": [None if span is None else (span["start_s"], span["end_s"]) for span in spans],
        }

    return Dataset.from_dict({"index": list(range(len(samples)))}).with_transform(rows)


def reward_function(name: str) -> Callable[..., list[float | None]]:
    """Wrap a pure reward for TRL, which passes columns; None stays None: not applicable.

    Raises:
        ValueError: no such reward.
    """
    if name not in REWARDS:
        raise ValueError(f"reward {name!r} is unknown, allowed are {sorted(REWARDS)}; mend the recipe")

    def reward(completions, kind, box_xyxy, span_s, **columns) -> list[float | None]:
        targets = [
            {"kind": k, "box_xyxy": box, "span": None if s is None else {"start_s": s[0], "end_s": s[1]}}
            for k, box, s in zip(kind, box_xyxy, span_s, strict=True)
        ]
        return [
            REWARDS[name](completion[0]["content"], {"target": target})
            for completion, target in zip(completions, targets, strict=True)
        ]

    reward.__name__ = name
    return reward


class OrderedGRPOTrainer(GRPOTrainer):
    """TRL's trainer with the recipe's optimiser groups; the order of the prompts is drawn beforehand."""

    def __init__(self, *, groups: list[dict], **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Make AdamW over the stage's groups; a second beta of .99 follows the short run (measured)."""
        self.optimizer = torch.optim.AdamW(self.groups, betas=(0.9, 0.99))
        return self.optimizer


def trainer(
    model, processor, stage: params.Stage, samples: SampleDataset, *, groups: list[dict], output: Path, callbacks: list
) -> GRPOTrainer:
    """Compose the trainer of a GRPO stage; `stage.batch` counts prompts, each with `group` completions."""
    grpo = stage.grpo
    values = arguments(stage, output)
    values["per_device_train_batch_size"] *= grpo.group
    config = GRPOConfig(
        **values,
        num_generations=grpo.group,
        beta=grpo.beta,
        temperature=grpo.temperature,
        max_completion_length=grpo.max_completion_tokens,
        reward_weights=list(grpo.rewards.values()),
        scale_rewards=grpo.scale,
        loss_type="grpo",
        shuffle_dataset=False,
        log_completions=False,
        generation_kwargs={"suppress_tokens": model.config.never_generated},
        # TRL looks for the reference model's class among transformers' own
        model_init_kwargs={"architecture": type(model)},
    )
    return OrderedGRPOTrainer(
        model=model,
        reward_funcs=[reward_function(name) for name in grpo.rewards],
        args=config,
        train_dataset=prompts_of(samples),
        processing_class=processor,
        callbacks=callbacks,
        groups=groups,
    )
