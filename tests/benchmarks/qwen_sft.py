"""An SFT step of a Qwen2.5-VL model in packed rows against TRL's plain SFTTrainer, which packs no vision data.

Run as: python -m tests.benchmarks.qwen_sft [--steps 6]

The same small model with random weights, samples, batches, optimiser and float32 on both sides, one thread and process.
A step has four videos of 4 to 16 frames of 112 px with four questions each, answers of unlike length: on the plain side
16 rows, padded to the longest, each with frames of its own. The other rows have one question about each of 16 videos,
so that only padding is left to spare. Frames come out of memory on both sides. CPU seconds and wall of whole steps,
loading included, the least of those after the first.

Before, both sides' collators are given one batch, and loss and gradients must agree; then the losses of all steps must.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from components import params
from tests.benchmarks import rows, training

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import Trainer

    from components.models.qwen_vl import QwenProcessor

LOSS, GRADIENT = 1e-5, 1e-4  # how far loss and gradients may be apart, these as a share of the largest
WORDS = "C picks up the red cup with the right hand where is the blue bowl".split()
STAGE = {
    "name": "sft", "algorithm": "supervised", "warmup_ratio": 0.0, "weight_decay": 0.1, "save_steps": 10_000,
    "learning_rates": {"language_model": 1e-4, "vision_encoder": 1e-4, "merger": 1e-4},
}  # fmt: skip


def videos(count: int, questions: int) -> list[dict]:
    """Return items as `qwen_vl.shown` gives them: videos of random pixels, questions and answers of unlike length."""
    rng = np.random.default_rng(0)

    def said(most: int) -> str:
        return " ".join(rng.choice(WORDS, rng.integers(3, most)))

    return [
        {
            "frames": rng.integers(0, 255, (int(rng.choice([4, 8, 12, 16])), 112, 112, 3), dtype=np.uint8),
            "view": "ego", "turns": [(said(12), said(24)) for _ in range(questions)],
        }
        for _ in range(count)
    ]  # fmt: skip


def conversations(processor: QwenProcessor, items: Sequence[dict]) -> list[dict]:
    """Return every question as a row of TRL's vision datasets.

    As text, not as messages: TRL would teach the line break that the chat template writes behind an answer.
    """
    from components.models.processing import conversation

    return [
        {
            "prompt": processor.apply_chat_template(
                conversation(question, item["view"], len(item["frames"])), tokenize=False, add_generation_prompt=True
            ),
            "completion": answer + processor.tokenizer.eos_token,
            "images": list(item["frames"]),
        }
        for item in items
        for question, answer in item["turns"]
    ]


def check_equal(model: nn.Module, processor: QwenProcessor, items: Sequence[dict]) -> None:
    """Make sure that both sides' loss and gradients of a batch agree.

    Args:
        model: with TRL's fused head (`add_fused_lm_head`), as its trainer gives it one.
        processor: of the model.
        items: of `videos`.
    """
    import torch
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    from components.train import qwen

    def gradients(loss: Tensor) -> tuple[float, dict[str, Tensor]]:
        model.zero_grad()
        loss.backward()
        return loss.item(), {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}

    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    output = model(**collate(conversations(processor, items)), fused_lm_head=True, use_cache=False)
    theirs, peer = gradients(-output.log_probs.sum() / output.label_mask.sum())
    ours, mine = gradients(qwen.losses({"vtg": 1.0})(model, qwen.Collate(processor)(items))["total"])
    assert abs(ours - theirs) < LOSS, (ours, theirs)
    assert mine.keys() == peer.keys()
    for name, one in peer.items():
        largest = one.abs().max().item()
        torch.testing.assert_close(mine[name], one, rtol=0, atol=GRADIENT * largest, msg=lambda text: text)


def trainer(side: str, base: Path, items: Sequence[dict], stage: params.Stage, output: Path) -> Trainer:
    """Compose the trainer of a side, over the same weights."""
    import torch
    from datasets import Dataset
    from transformers import TrainingArguments
    from trl import SFTConfig, SFTTrainer

    from components.models import qwen_vl
    from components.models.hub_configs import QWEN_PARTS
    from components.train import algorithms, qwen
    from components.train.trainer import StageTrainer, arguments

    model, processor = qwen_vl.load(base), qwen_vl.load_processor(base, pixels=None)
    groups = algorithms.groups(model, stage, QWEN_PARTS)
    # of the optimiser, not of the rows, is what ZeRO costs
    values = arguments(stage, output) | {"deepspeed": None, "logging_steps": 1, "save_strategy": "no"}
    if side == "ours":
        return StageTrainer(
            model=model, args=TrainingArguments(**values), train_dataset=items, groups=groups,
            data_collator=qwen.Collate(processor), losses=qwen.losses(stage.loss_weights),
        )  # fmt: skip
    told = conversations(processor, items)
    places, size = range(len(told)), stage.train_batch_size * len(items[0]["turns"])

    def read(batch: dict[str, list[int]]) -> dict[str, list]:
        return {name: [told[place][name] for place in batch["place"]] for name in told[0]}

    dataset = Dataset.from_dict({"place": list(places)}).with_transform(read)
    steps = [list(places[begin : begin + size]) for begin in places[::size]]

    class Plain(SFTTrainer):
        """TRL's trainer with the batches and the optimiser of the other side."""

        def get_train_dataloader(self):
            loader = torch.utils.data.DataLoader(dataset, batch_sampler=steps, collate_fn=self.data_collator)
            return self.accelerator.prepare(loader)

        def create_optimizer(self, model=None):
            self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999))
            return self.optimizer

    config = SFTConfig(**values | {"per_device_train_batch_size": size}, max_length=None)
    return Plain(model=model, args=config, train_dataset=dataset, processing_class=processor)


def measure(side: str, base: Path, items: Sequence[dict], stage: params.Stage, output: Path) -> tuple:
    """Train; return the losses of all steps, and the least CPU seconds and wall of one after the first."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        """Both clocks at the end of every step."""

        def __init__(self):
            self.ends_s: list[tuple[float, float]] = []

        def on_step_end(self, *_, **__) -> None:
            self.ends_s.append((time.process_time(), time.perf_counter()))

    made, clock = trainer(side, base, items, stage, output), Clock()
    made.add_callback(clock)
    made.train()
    return [row["loss"] for row in made.state.log_history if "loss" in row], *np.diff(clock.ends_s, axis=0).min(0)


def write_model(folder: Path) -> Path:
    """Write a Qwen2.5-VL of some two million parameters, wide enough that its products are what a step costs."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    from tests.components.tiny_qwen import write_base

    config = AutoConfig.from_pretrained(write_base(folder, "qwen2_5_vl"))
    for name, value in {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4}.items():
        setattr(config.text_config, name, value)
    config.text_config.layer_types = ["full_attention"] * 4
    config.text_config.rope_parameters["mrope_section"] = [8, 8, 8]
    for name, value in {"hidden_size": 96, "out_hidden_size": 192, "intermediate_size": 256, "depth": 4}.items():
        setattr(config.vision_config, name, value)
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    return folder


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.qwen_sft", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    steps = parser.parse_args().steps
    import torch
    from trl.trainer.utils import add_fused_lm_head

    from components.models import build, qwen_vl
    from components.train import trainer as ours

    torch.set_num_threads(1)
    ours.has_bf16_cpu = build.has_bf16_cpu = lambda: False  # float32 and its attention, as TRL's side has them
    made = []
    with TemporaryDirectory() as root:
        base = write_model(Path(root) / "base")
        for name, contexts, questions in (("4 videos with 4 questions each", 4, 4), ("16 videos", 16, 1)):
            items = videos(contexts * steps, questions)
            stage = params.Stage(**STAGE, max_steps=steps, train_batch_size=contexts)
            model = qwen_vl.load(base)
            add_fused_lm_head(model)
            check_equal(model, qwen_vl.load_processor(base, pixels=None), items[:contexts])
            told = {side: measure(side, base, items, stage, Path(root) / side) for side in ("ours", "plain")}
            np.testing.assert_allclose(told["ours"][0], told["plain"][0], rtol=GRADIENT)
            what = f"SFT step, Qwen2.5-VL, {name}, against TRL"
            for place, unit, label in ((1, "CPU s", what), (2, "wall s", f"{what}, by the clock")):
                made.append(rows.row(label, *(told[side][place] for side in ("ours", "plain")), unit=unit))
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))


if __name__ == "__main__":
    main()
