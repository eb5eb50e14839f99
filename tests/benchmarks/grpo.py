"""A GRPO step of the miniature, what the completions of a prompt share read once, against TRL's trainer as it is.

Run as: python -m tests.benchmarks.grpo [--steps 6] [--parent checkpoints/sft-…/model [--data data]]

The same model, prompts, frames, seed, DeepSpeed ZeRO-2 and float32 on both sides, each in a process of its own with
one thread. CPU seconds of a whole step (tokens, sampling, rewards, reference, policy, update), the least of the steps
after the first. Both sides sample the same completions (asserted), so they train on the same.

With a parent, the checkpoint that the recipe's GRPO starts from, prompts, frames and rewards are the recipe's; the
rewards of the first step differ within groups (asserted). Without one the weights and frames are random: no two
completions begin alike, and what can be shared is the prompt alone.
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

PROMPTS, GROUP = 32, 8
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


def measure(shared: bool, steps: int, parent: Path | None, data_folder: Path) -> dict:
    """Train some steps; give the least CPU seconds of one, and completions and rewards of the first."""
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
    data = params.load(training.ROOT / "params/data.yaml", params.Data)
    stage = next(stage for stage in recipe.stages if stage.algorithm == "grpo")
    weights = stage.grpo.reward_weights if parent else {"even": 1.0}
    grouped = stage.grpo.model_copy(update={"num_generations": GROUP, "reward_weights": weights})
    stage = stage.model_copy(
        update={"max_steps": steps, "save_steps": steps + 1, "ranks": 1, "train_batch_size": PROMPTS, "grpo": grouped}
    )
    if not shared:
        trainer.OrderedGRPOTrainer.__bases__ = (training.plain_grpo(),)
        training.encode_every_row()
    said: list[str] = []
    earned: dict[str, list[float]] = {name: [] for name in weights}
    function_of = trainer.reward_function if parent else lambda name: training.even_letters

    def told(name: str):
        def reward(completions, **columns) -> list[float]:
            if name == next(iter(weights)):
                said.extend(each[0]["content"] for each in completions)
            values = function_of(name)(completions, **columns)
            earned[name].extend(values)
            return values

        return reward

    trainer.reward_function = told
    set_seed(stage.seed)
    parents = {"all": parent} if parent else {}
    processor = algorithms.processor_of(recipe.model, data, parents)
    model = build.assemble(build.config_of(processor), parents, seed=0)
    checkpoints.prepare(model, stage.learning_rates, stage.lora)
    if parent:
        samples = algorithms.samples(stage, data, data_folder, recipe.model)
    else:
        samples = Samples(steps * PROMPTS, recipe.model.image_px)
    clock = Clock()
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        model.config._name_or_path = folder
        engine = trainer.trainer(
            model, processor, stage, stage.grpo, samples,
            groups=algorithms.groups(model, stage), output=Path(folder) / "trainer", callbacks=[clock],
        )  # fmt: skip
        engine.train()
    first = PROMPTS * GROUP
    rewards = np.sum([values[:first] for values in earned.values()], axis=0).reshape(PROMPTS, GROUP)
    return {"seconds": min(clock.seconds[1:]), "said": said[:first], "rewards": rewards}


def main() -> None:
    """Measure, print the table and write the row."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.grpo", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--parent", type=Path, help="model folder of the checkpoint that GRPO starts from")
    parser.add_argument("--data", type=Path, default=training.ROOT / "data", help="outputs of the data graph")
    options = parser.parse_args()
    given = options.steps, options.parent, options.data
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        ours, peer = (alone.submit(measure, shared, *given).result() for shared in (True, False))
    same = np.mean([one == two for one, two in zip(ours["said"], peer["said"], strict=True)])
    assert same > 0.95, f"only {same:.0%} of the first completions are the same"  # a near-tie may fall either way
    spread = np.mean(ours["rewards"].std(axis=1) > 0)
    assert spread > 0.5, f"only in {spread:.0%} of the groups do rewards differ: the others give no gradient"
    print(f"{same:.1%} of the first completions are the same; rewards differ in {spread:.0%} of the groups")  # noqa: T201
    name = f"GRPO step, {PROMPTS} prompts x {GROUP} completions"
    name += ", from the SFT checkpoint" if options.parent else ""
    made = [rows.row(name, ours["seconds"], peer["seconds"], unit="CPU s")]
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))  # noqa: T201


if __name__ == "__main__":
    main()
