"""A step of the SFT stage against TRL's plain SFTTrainer: same miniature model, samples, optimiser and precision.

Run as: python -m tests.benchmarks.sft [--steps 16]

Ours is the stage as the recipe trains it: questions about the same frames are one row, frames come from the shards.
Plain is TRL's trainer with the collator that it takes for vision datasets: every question is a row of its own, padded
to the longest, its frames are decoded from the film by decord, and encoded, for itself. It is shown twice more: with
the frames out of our shards, so that both causes are seen apart, and in an order of its own, where batches mix samples
of unlike length (ours puts like lengths together; the other rows of the plain side are given our order, so that each
step has the same samples). CPU seconds of whole steps, loading included, in a process for each side with one thread;
the first step is left out. The films are the miniature's: 128 px and a key frame every 8 frames, which is kind to
decord.

In the same order all sides have the same loss at every step (asserted within 1 %: a CPU that has bfloat16 computes in
it, and the shards hold JPEGs); tests/benchmarks/test_sft.py has it token by token in float32.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from components import params
from tests.benchmarks import rows, training

SIDES = ("ours", "films", "shards", "films, own order")
TOLERANCE = 0.01


def conversation(item: dict, turn: int) -> dict:
    """Give one question of an item in the format of TRL's vision datasets; its frames are images."""
    question, answer = item["turns"][turn]
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "images": list(item["frames"]),
    }


def plain(recipe: params.Recipe, stage: params.Stage, data: params.Data, folder: Path, output: Path, side: str):
    """Compose TRL's trainer for the steps of the stage; give it with the list that takes its losses."""
    import torch
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from components.models.build import has_bf16_cpu
    from components.train import algorithms
    from components.train.trainer import StageTrainer, arguments

    training.encode_every_row()
    samples = algorithms.samples(stage, data, folder)
    if side != "shards":
        samples.store = training.Films(data, folder)
    asked = [(index, turn) for index in range(len(samples)) for turn in range(len(samples.asked(index)))]
    steps = [[] for _ in range(stage.max_steps)]
    for place, (index, _) in enumerate(asked):
        steps[index // stage.train_batch_size].append(place)
    if side == "films, own order":
        mixed = np.random.default_rng(0).permutation(len(asked)).tolist()
        ends = np.cumsum([len(step) for step in steps])
        steps = [mixed[end - len(step) : end] for step, end in zip(steps, ends, strict=True)]

    def read(batch: dict[str, list[int]]) -> dict[str, list]:
        # an item's other questions are samples of their own, with frames of their own
        told = [conversation(samples[index], turn) for index, turn in (asked[place] for place in batch["place"])]
        return {name: [each[name] for each in told] for name in told[0]}

    dataset = Dataset.from_dict({"place": range(len(asked))}).with_transform(read)
    losses: list[dict[str, float]] = []

    class Plain(SFTTrainer):
        """TRL's trainer with what is not compared made equal: batches, optimiser, precision."""

        def get_train_dataloader(self):
            loader = torch.utils.data.DataLoader(dataset, batch_sampler=steps, collate_fn=self.data_collator)
            return self.accelerator.prepare(loader)

        def create_optimizer(self, model=None):
            self.groups = algorithms.groups(self.model, stage)
            return StageTrainer.create_optimizer(self, model)

        def compute_loss(self, *args, **kwargs):
            with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16_cpu()):
                loss = super().compute_loss(*args, **kwargs)
            losses.append({"total": loss.item()})
            return loss

    set_seed(stage.seed)
    model, processor = training.fresh(recipe, stage, data)
    config = SFTConfig(**arguments(stage, output), max_length=None)
    return Plain(model=model, args=config, train_dataset=dataset, processing_class=processor), losses


def measure(side: str, data: params.Data, folder: Path, steps: int) -> dict:
    """Train some steps; give the CPU seconds of all but the first, and the losses of all."""
    training.rank()
    recipe = params.load(training.ROOT / "params/recipes/miniature.yaml", params.Recipe)
    stage = next(stage for stage in recipe.stages if stage.name == "sft")
    # TRL's format does not say what an image shows, and the processor takes it for an ego view
    ego = {name: share for name, share in stage.mixture.items() if name.endswith("/ego")}
    stage = stage.model_copy(update={"max_steps": steps, "save_steps": steps + 1, "mixture": ego})
    with TemporaryDirectory() as output:
        given = recipe, stage, data, folder, Path(output)
        trainer, losses = training.trainer(*given) if side == "ours" else plain(*given, side)
        clock = training.clock()
        trainer.add_callback(clock)
        trainer.train()
    return {"seconds": clock.seconds, "losses": [parts["total"] for parts in losses]}


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sft", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=16)
    steps = parser.parse_args().steps
    told = training.measured(measure, SIDES, steps)
    for side in ("shards", "films"):
        np.testing.assert_allclose(told[side]["losses"], told["ours"]["losses"], rtol=TOLERANCE)
    seconds = {side: float(np.mean(each["seconds"])) for side, each in told.items()}
    what = "SFT step, 24 rows of up to 4 questions"
    peers = {
        "plain: a row a question, frames from films": "films",
        "plain with the frames of the shards": "shards",
        "plain in an order of its own": "films, own order",
    }
    made = [
        rows.row(f"{what}, against {name}", seconds["ours"], seconds[side], unit="CPU s")
        for name, side in peers.items()
    ]
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))


if __name__ == "__main__":
    main()
