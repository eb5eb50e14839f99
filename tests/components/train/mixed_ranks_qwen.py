"""Two ranks under ZeRO-3, the first with text alone, the second with videos; run by test_mixed_ranks_qwen.

Run as: deepspeed … --module tests.components.train.mixed_ranks_qwen BASE OUTPUT TOKENS
"""

import json
import os
import sys
from pathlib import Path

import deepspeed
import torch
from transformers import TrainingArguments

from components import params
from components.models import qwen_ego_setup, qwen_vl
from components.models.hub_configs import QWEN_PARTS
from components.train import algorithms, checkpoints
from components.train.qwen import Collate, losses
from components.train.trainer import StageTrainer, arguments
from tests.components.train.test_qwen import item

ANSWERS = ("C picks up the red cup.", "the blue bowl", "a helpful assistant")


def main(base: str, output: str, tokens: str) -> None:
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    stage = params.Stage(
        name="mixed", algorithm="supervised", max_steps=3, train_batch_size=4, ranks=2, zero_stage=3,
        warmup_ratio=0.0, weight_decay=0.0,
        save_steps=3, learning_rates=dict.fromkeys(set(QWEN_PARTS) - (set() if int(tokens) else {"ego_tokens"}), 1e-3),
    )  # fmt: skip
    model = qwen_vl.load(Path(base))
    processor = qwen_vl.load_processor(Path(base), pixels=3136)
    if int(tokens):
        model = qwen_ego_setup.renewed(model, processor, int(tokens), seed=0)
    checkpoints.prepare(model, stage.learning_rates, stage.lora, QWEN_PARTS)
    values = arguments(stage, Path(output) / "trainer")
    values["deepspeed"] = json.loads(Path(values["deepspeed"]).read_text())
    # parameters as small as these would stay on every rank, and nothing would have to be gathered
    values["deepspeed"]["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    # accelerate deals batches out in turn: of each four samples the first rank gets the first two
    items = [item(0 if number % 4 < 2 else 2 + number % 3, ANSWERS[number % 3]) for number in range(12)]
    trainer = StageTrainer(
        model=model, args=TrainingArguments(**values), train_dataset=items,
        data_collator=Watched(processor, Path(output)), losses=losses(stage.loss_weights),
        groups=algorithms.groups(model, stage, QWEN_PARTS),
    )  # fmt: skip
    trainer.train()
    checkpoints.gather(model)
    if os.environ["RANK"] == "0":
        checkpoints.save(model, processor, Path(output), {"stage": stage.name})
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)


class Watched(Collate):
    """Writes down how many frames each batch of this rank has."""

    def __init__(self, processor, output: Path):
        super().__init__(processor)
        self.output = output

    def __call__(self, items):
        with (self.output / f"rank{os.environ['RANK']}.txt").open("a") as file:
            file.write(f"{sum(len(one['frames']) for one in items)}\n")
        return super().__call__(items)


if __name__ == "__main__":
    main(*sys.argv[1:])
