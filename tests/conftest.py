"""Shared by all tests: a miniature world of a few takes, filmed once for the run."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from components import params
from components.world.plan import PlannedTake, plan_takes

PROJECT = Path(__file__).parents[1]
# no deadline: two workers on two cores wait for one another, and a slow example proves nothing; the same examples in
# every run, and none stored: what is red on one machine is red on all. `--hypothesis-profile search` tries new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("same")
# the files that take longest, the longest first: one of them at the end of a run would leave the other workers idle.
# `make test-all` prints its slowest tests, by which to order these.
FIRST = (
    "flows/test_rehearse.py",
    "flows/test_deployments.py",
    "train/survival/test_killed.py",
    "data/test_graph.py",
    "train/test_stages.py",
    "data/test_one_source.py",
    "train/rehearsal/test_other_ranks.py",
    "flows/test_pipeline.py",
    "train/survival/test_stopped.py",
    "train/test_qwen_stages.py",
    "data/partition/test_on_ray.py",
    "train/test_multi_node.py",
    "evaluation/test_killed_and_resumed.py",
    "flows/test_compare.py",
    "train/survival/test_mishaps.py",
    "train/survival/test_listening.py",
    "train/test_downloaded_stages.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; workers take them in this order."""
    places = {f"/{name}": place for place, name in enumerate(FIRST)}

    def place_of(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((place for name, place in places.items() if path.endswith(name)), len(FIRST))

    items.sort(key=place_of)


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


def tiny_params(root: Path) -> params.Data:
    """8 takes: 3 train, 2 val, 1 test, 1 dropped, 1 without narrations."""
    data = params.load(PROJECT / "params/data.yaml", params.Data)
    sources = {name: root / path for name, path in data.sources.given().items()}
    few = {"takes": 8, "size_px": 96, "val_fraction": 0.25, "test_fraction": 0.125, "web_videos": 12}
    return data.model_copy(
        update={
            "world": data.world.model_copy(update=few),
            "sources": data.sources.model_copy(update=sources),
            "frames": data.frames.model_copy(update={"shard_frames": 100}),
        }
    )


def film(root: Path) -> None:
    """Write the miniature world of `tiny_params`."""
    from components.world.__main__ import build

    build(tiny_params(root), root)


def tiny_world_of(root: Path) -> TinyWorld:
    data = tiny_params(root)
    return TinyWorld(root, data, planned_of(data))


def built_once(of: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder that the first worker to need it builds, and all workers of a run of pytest use.

    It is the way of pytest-xdist's documentation ("making session-scoped fixtures execute only once").

    Args:
        of: tells the folder of the run.
        name: what to call the folder.
        build: fills it.
    """
    run = of.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else of.getbasetemp()
    folder, done = run / name, run / f"{name}.done"
    with FileLock(run / f"{name}.lock"):
        if not done.exists():
            build(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> TinyWorld:
    return tiny_world_of(built_once(tmp_path_factory, "tiny_world", film))


@pytest.fixture(scope="session")
def warm_python() -> Iterator[Path]:
    """A Python that starts what trains and evaluates in a second (tests/warm_python.py)."""
    from tests import warm_python

    with warm_python.interpreter() as program:
        yield program


@pytest.fixture(scope="session")
def rehearsal_project(tmp_path_factory, warm_python) -> Path:
    """A project in which egovlm was rehearsed on one rank with ZeRO-3 (tests/rehearsals.py), for all tests."""
    from tests import rehearsals

    return built_once(tmp_path_factory, "rehearsal_project", partial(rehearsals.build, python=warm_python))
