"""Shared by all tests: a miniature world of a few takes, filmed once for the session."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from components import params
from components.world.plan import PlannedTake, plan_takes

PROJECT = Path(__file__).parents[1]
# no deadline: two workers on two cores wait for one another, and a slow example proves nothing; the same examples in
# every run, and none stored: what is red on one machine is red on all. `--hypothesis-profile search` tries new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("same")
# files whose tests wait for servers and processes; the last ones of a run would leave the other workers idle
FIRST = ("flows/test_deployments.py", "train/test_stages.py", "flows/test_pipeline.py", "data/test_graph.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; workers take them in this order."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(FIRST))


@dataclass(frozen=True)
class TinyWorld:
    """`root` holds data/raw/...; the sources in `params` are absolute, so that any data folder can be used with them.

    Its files belong to all tests: copy what you want to break.
    """

    root: Path
    params: params.Data
    planned: list[PlannedTake]


def planned_of(data: params.Data) -> list[PlannedTake]:
    world = data.world
    shares = {"val_fraction": world.val_fraction, "test_fraction": world.test_fraction}
    return plan_takes(data.seed, takes=world.takes, take_s=world.take_s, **shares)


def tiny_world_at(root: Path) -> TinyWorld:
    """8 takes: 3 train, 2 val, 1 test, 1 dropped, 1 without narrations."""
    from components.world.__main__ import build

    data = params.load(PROJECT / "params/data.yaml", params.Data)
    sources = {name: root / path for name, path in data.sources.given().items()}
    few = {"takes": 8, "size_px": 96, "val_fraction": 0.25, "test_fraction": 0.125, "web_videos": 12}
    data = data.model_copy(
        update={
            "world": data.world.model_copy(update=few),
            "sources": data.sources.model_copy(update=sources),
            "frames": data.frames.model_copy(update={"shard_frames": 100}),
        }
    )
    build(data, root)
    return TinyWorld(root, data, planned_of(data))


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> TinyWorld:
    return tiny_world_at(tmp_path_factory.mktemp("tiny_world"))
