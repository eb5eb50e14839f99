"""A miniature world of corpora without takes, and what the data steps make of it."""

from pathlib import Path

import pytest

from components import params
from components.data import __main__ as command
from components.data.pretraining.step import CORPORA
from components.world.films import make
from components.world.plan import WorldPlan
from components.world.writers import WRITERS

SIZE_PX, FPS = 64, 8


@pytest.fixture(scope="package")
def settings(tmp_path_factory) -> params.Data:
    """Parameters whose sources are the corpora of pre-training alone, written by the world."""
    root = tmp_path_factory.mktemp("world")
    data = params.load(Path("params/data.yaml"), params.Data)
    plan = WorldPlan(data.seed, [], FPS, SIZE_PX)
    for source in CORPORA:
        (root / source).mkdir()
        for film in WRITERS[source](root / source, plan):
            make(film, size_px=SIZE_PX)
    sources = params.data.Sources(**{source: root / source for source in CORPORA})
    frames = data.frames.model_copy(update={"shard_frames": 100})
    return data.model_copy(update={"sources": sources, "frames": frames})


@pytest.fixture(scope="package")
def told(settings, tmp_path_factory) -> tuple[Path, dict[str, dict]]:
    """(the data folder, what each step counted): every step from annotations to the samples, with its contracts."""
    data_dir = tmp_path_factory.mktemp("pretraining") / "data"
    counts = {step: command.run(step, settings, data_dir) for step in ("annotations", "media", "pretraining")}
    return data_dir, counts
