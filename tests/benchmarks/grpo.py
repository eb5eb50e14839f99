"""A GRPO step of the miniature model, each prompt read once for its group, against TRL's trainer as it is.

Run as: python -m tests.benchmarks.grpo [--steps 6]

The same model with random weights, prompts, frames, seed, DeepSpeed ZeRO-2 and float32 on both sides, each in a process
of its own with one thread. CPU seconds of a whole step (tokens, sampling, rewards, reference, policy, update), the
least of the steps after the first. Both sides sample the same completions (asserted), so they train on the same.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from components import params
from tests.benchmarks import rows, training

OBJECTS = ("red cup", "blue pan", "green bottle", "left hand", "right hand")


class Samples:
    """Questions about random frames, each about two frames of its own."""

    def __init__(self, count: int, size_px: int):
        self.count, self.size_px = count, size_px

    def __len__(self) -> int:
        return self.count

    def describe(self, step: int) -> str:
        return f"step {step}"

    def __getitem__(self, index: int) -> dict:
        from components import prompts

        frames = np.random.default_rng(index).integers(0, 255, (2, self.size_px, self.size_px, 3), dtype=np.uint8)
        return {
            "sample_id": f"s{index}", "turns": [(prompts.spatial_question(OBJECTS[index % len(OBJECTS)]), "")],
            "view": "ego", "frames": frames, "question_type": "spatial_object", "times_s": None, "media": [{}],
            "target": {"kind": "box", "box_xyxy": [10.0, 20.0, 50.0, 60.0]}, "reasoned": True, "answer": "",
        }  # fmt: skip


def measure(shared: bool, steps: int) -> dict:
    """Train some steps; give the least CPU seconds of one, and the first completions."""
    training.rank()
    from transformers import TrainerCallback, set_seed

    from components.models import build
    from components.train import algorithms, checkpoints
    from components.train.grpo import trainer

    class Clock(TrainerCallback):
        seconds: list[float] = []

        def on_step_begin(self, *_, **__) -> None:
            self.began_s = time.process_time()

        def on_step_end(self, *_, **__) -> None:
            self.seconds.append(time.process_time() - self.began_s)

    recipe = params.load(training.ROOT / "params/recipes/miniature.yaml", params.Recipe)
    stage = next(stage for stage in recipe.stages if stage.algorithm == "grpo")
    grouped = stage.grpo.model_copy(update={"num_generations": 8, "reward_weights": {"even": 1.0}})
    stage = stage.model_copy(
        update={"max_steps": steps, "save_steps": steps + 1, "ranks": 1, "train_batch_size": 32, "grpo": grouped}
    )
    if not shared:
        trainer.OrderedGRPOTrainer.__bases__ = (training.plain_grpo(),)
        training.encode_every_row()
    said: list[str] = []

    def reward(completions, **columns) -> list[float]:
        said.extend(each[0]["content"] for each in completions)
        return training.even_letters(completions)

    trainer.reward_function = lambda name: reward
    set_seed(stage.seed)
    processor = algorithms.fresh_processor(recipe.model, params.load(training.ROOT / "params/data.yaml", params.Data))
    model = build.assemble(build.config_of(processor), {}, seed=0)
    checkpoints.prepare(model, stage.learning_rates, stage.lora)
    clock = Clock()
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        model.config._name_or_path = folder
        engine = trainer.trainer(
            model, processor, stage, stage.grpo, Samples(steps * stage.train_batch_size, recipe.model.image_px),
            groups=algorithms.groups(model, stage), output=Path(folder) / "trainer", callbacks=[clock],
        )  # fmt: skip
        engine.train()
    return {"seconds": min(clock.seconds[1:]), "said": said[: stage.train_batch_size * stage.grpo.num_generations]}


def main() -> None:
    """Measure, print the table and write the row."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.grpo", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    steps = parser.parse_args().steps
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        ours, peer = (alone.submit(measure, shared, steps).result() for shared in (True, False))
    same = np.mean([one == two for one, two in zip(ours["said"], peer["said"], strict=True)])
    assert same > 0.95, f"only {same:.0%} of the first completions are the same"  # a near-tie may fall either way
    made = [rows.row("GRPO step, 32 prompts x 8 completions", ours["seconds"], peer["seconds"], unit="CPU s")]
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))  # noqa: T201


if __name__ == "__main__":
    main()
