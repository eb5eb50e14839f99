"""What the benchmarks of training share: a small world, a process set up as a rank, a clock, frames out of films."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from components import params, records, video
from components.data.frames import sampling
from components.train import launch_command

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin, TrainerCallback

    from components.train.trainer import StageTrainer

ROOT = Path(__file__).parents[2]
BENCH_TRAIN = ROOT / "results/bench_train.json"


def world(root: Path, takes: int = 40) -> params.Data:
    """Write the data graph of a smaller miniature to `root / "data"`; give its parameters, with absolute sources."""
    from components.data import annotations, dataset, media
    from components.data.clips import step as clips
    from components.data.egoit import step as egoit
    from components.data.egore import step as egore
    from components.data.frames import step as frames
    from components.data.funnel import step as funnel
    from components.data.pretraining import step as pretraining
    from components.world.__main__ import build

    data = params.load(ROOT / "params/data.yaml", params.Data)
    sources = data.sources.model_copy(update={name: root / path for name, path in data.sources.given().items()})
    few = data.world.model_copy(update={"takes": takes, "web_videos": 12})
    data = data.model_copy(update={"world": few, "sources": sources})
    build(data, root)
    for step in (annotations, media, pretraining, clips, funnel, egoit, egore, dataset, frames):
        step.run(data, root / "data")
    return data


def measured(measure: Callable[..., dict], sides: Sequence[str], length: int) -> dict[str, dict]:
    """Measure every side on one world; the world and each side have a process of their own.

    Args:
        measure: given the side, the parameters, the data folder and `length`.
        sides: names.
        length: steps or passes.
    """
    with (
        TemporaryDirectory() as root,
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone,
    ):
        data = alone.submit(world, Path(root)).result()
        return {side: alone.submit(measure, side, data, Path(root) / "data", length).result() for side in sides}


def rank() -> None:
    """Make this process the only rank of a run, with one thread, on the CPU."""
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "DS_ACCELERATOR": "cpu"}
    os.environ |= launch_command.settings(ROOT, threads=1) | alone | {"MASTER_PORT": str(launch_command._free_port())}
    import deepspeed
    import torch

    from components.models import build

    torch.set_num_threads(1)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    build.register()


def encode_every_row() -> None:
    """Let the model in this process encode frames as often as they stand in a batch, as other models do, not once."""
    from components.models.backbone import EgoflowModel

    EgoflowModel._encode_once = lambda self, tubelets, view: [self.encode(tubelets.flatten(0, 1), view)]


def plain_grpo() -> type:
    """Return TRL's GRPO trainer as a base for ours: it takes what only ours takes, and leaves it."""
    from trl import GRPOTrainer

    class Plain(GRPOTrainer):
        """TRL's trainer without what only ours takes."""

        def __init__(self, *, describe_samples, half, folder, judge, verdicts_folder, **kwargs):
            super().__init__(**kwargs)

    return Plain


def even_letters(completions, **columns) -> list[float]:
    """Reward what differs between the completions of a random model, so that there is something to learn."""
    return [float(np.mean([ord(letter) % 2 for letter in each[0]["content"]])) for each in completions]


def plain_convolutions() -> None:
    """Let the mappings in this process convolve as torch does, not by waves (components/models/reflect_conv.py)."""
    from torch import nn

    from components.models.reflect_conv import ReflectConv

    ReflectConv.forward = nn.Conv2d.forward


def clock(now_s: Callable[[], float] = time.process_time) -> TrainerCallback:
    """Make a callback whose `seconds` are those from step to step, batches and all; the first step is none's.

    A batch is collated while the one before it is trained on, so only what lies between two ends is a whole step.

    Args:
        now_s: the clock to read; by default it counts CPU seconds.
    """
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self):
            self.ends_s: list[float] = []

        @property
        def seconds(self) -> list[float]:
            return np.diff(self.ends_s).tolist()

        def on_step_end(self, *_, **__) -> None:
            self.ends_s.append(now_s())

    return Clock()


def trainer(
    recipe: params.Recipe, stage: params.Stage, data: params.Data, folder: Path, output: Path
) -> tuple[StageTrainer, list[dict[str, float]]]:
    """Compose the trainer of a stage over random weights; give it with the list that takes its losses, step by step."""
    import torch
    from transformers import set_seed

    from components.train import trainer_factory

    set_seed(stage.seed)
    model, processor = fresh(recipe, stage, data)
    made = trainer_factory.make(
        recipe, stage, data, model, processor, parents={}, folder=folder, output=output, log=None
    )
    compute, told = made.trainer.losses, []

    def losses(model, batch: dict) -> dict:
        parts = compute(model, batch)
        told.append({name: float(torch.as_tensor(value).detach()) for name, value in parts.items()})
        return parts

    made.trainer.losses = losses
    return made.trainer, told


def fresh(recipe: params.Recipe, stage: params.Stage, data: params.Data) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Make the recipe's model with random weights, frozen as the stage says, and its processor."""
    from components.models import build
    from components.train import algorithms, checkpoints

    processor = algorithms.fresh_processor(recipe.model, data)
    model = build.assemble(build.config_of(processor), {}, seed=stage.seed)
    checkpoints.prepare(model, stage.learning_rates, stage.lora)
    return model, processor


class Films:
    """Frames as `FrameStore` gives them, but decoded from their film whenever they are asked for: a plain loader.

    Which frames a sample sees is worked out beforehand: that costs neither side anything.
    """

    def __init__(self, data: params.Data, folder: Path):
        """Open the samples below the data folder."""
        films = sampling.Videos.of(records.read_videos(folder))
        roots = data.sources.given()
        self.size_px = data.frames.size_px
        self.paths = [
            video.inside(roots[source], path)
            for source, path in zip(films.sources.to_pylist(), films.paths.to_pylist(), strict=True)
        ]
        table = records.read_table(folder / "dataset/samples.parquet", records.SAMPLE).combine_chunks()
        self._frames = {}
        for batch in table.to_batches():
            chosen, _ = sampling.sample_frames(batch, films, data.frames)
            ids = batch["sample_id"].to_pylist()
            streams = (sampling.STREAMS[number] for number in chosen.streams)
            numbers = np.split(chosen.frames, chosen.offsets[1:-1])
            self._frames |= {
                (ids[sample], stream): each
                for sample, stream, each in zip(chosen.samples, streams, numbers, strict=True)
            }

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Give uint8 frames [T, H, W, 3] of a sample."""
        numbers = self._frames[sample_id, "media"]
        if exo_view is not None:
            numbers = np.split(
                self._frames[sample_id, "paired"], len(self._frames[sample_id, "paired"]) // len(numbers)
            )[exo_view]
        place, index = sampling.video_of(numbers), sampling.index_in_video(numbers)
        films = np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(place)) + 1)
        parts = [video.decode(self.paths[place[of[0]]], index[of], size_px=self.size_px) for of in films]
        return np.concatenate(parts)
