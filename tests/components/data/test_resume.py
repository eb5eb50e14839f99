"""Frames that are killed and run again, and frames made on Ray: the same bytes as one quiet run gives."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from components.data.frames import step as frames
from tests.components.data.frames.test_step import annotate
from tests.conftest import PROJECT

# runs the step in a process of its own; at the end of a shard, when only its name is missing, the process kills itself
STEP = """
import json, os, signal, sys
from pathlib import Path
from components import params
from components.data.frames import step as frames

data_dir, given, last = Path(sys.argv[1]), params.Data.model_validate_json(sys.argv[2]), sys.argv[3]
rename = Path.rename

def rename_or_die(path, to):
    if to.name == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, to)

Path.rename = rename_or_die
if __name__ == "__main__":
    print(json.dumps(frames.run(given, data_dir)["counts"]))
"""
CLUSTER = """
import sys, ray
print(ray.init(num_cpus=2, include_dashboard=False).address_info["address"], flush=True)
sys.stdin.read()
"""
KILLED_AT = (0, 2, 5)


def environment(**more):
    # no node of a cluster here has the project installed: its workers find it where the tests do
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    ray = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    return os.environ | {"PYTHONPATH": path} | ray | more


@contextmanager
def cluster():
    """Start a Ray of two cores; gives its address."""
    command, pipe = [sys.executable, "-c", CLUSTER], subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, text=True) as started:
        try:
            address = started.stdout.readline().strip()
            assert address.startswith("127.0.0.1:")
            yield address
        finally:
            started.stdin.close()
            started.wait(timeout=240)


def step(data_dir, given, *, last="", **more):
    command = [sys.executable, "-c", STEP, str(data_dir), given.model_dump_json(), last]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=850)


def contents(data_dir):
    return {path.name: path.read_bytes() for path in (data_dir / "frames").iterdir()}


@pytest.fixture(scope="module")
def small_shards(tiny_world):
    few = tiny_world.params.frames.model_copy(update={"shard_frames": 40})
    return tiny_world.params.model_copy(update={"frames": few})


@pytest.fixture(scope="module")
def quiet(small_shards, tmp_path_factory):
    """What a run writes that nothing disturbs, and what it counts."""
    data_dir = tmp_path_factory.mktemp("quiet") / "data"
    annotate(small_shards, data_dir)
    counts = frames.run(small_shards, data_dir)["counts"]
    assert counts["shards"] > max(KILLED_AT) and counts["shards_reused"] == 0
    return contents(data_dir), counts


@pytest.mark.slow
@pytest.mark.parametrize("finished", KILLED_AT)
def test_a_killed_run_goes_on_from_the_shards_that_it_finished(quiet, small_shards, tmp_path, finished):
    data_dir = tmp_path / "data"
    annotate(small_shards, data_dir)
    killed = step(data_dir, small_shards, last=f"shard-{finished:05d}.arrow")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    whole = {path: path.stat().st_mtime_ns for path in (data_dir / "frames").glob("*.arrow")}
    assert len(whole) == finished and (data_dir / f"frames/shard-{finished:05d}.arrow.partial").is_file()
    again = step(data_dir, small_shards)
    assert json.loads(again.stdout.splitlines()[-1]) == quiet[1] | {"shards_reused": finished}, again.stderr
    assert {path: path.stat().st_mtime_ns for path in whole} == whole
    assert contents(data_dir) == quiet[0]


@pytest.mark.slow
def test_ray_makes_the_same_frames(quiet, small_shards, tmp_path):
    data_dir = tmp_path / "data"
    annotate(small_shards, data_dir)
    with cluster() as address:
        made = step(data_dir, small_shards, DAFT_RUNNER="ray", RAY_ADDRESS=address)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout.splitlines()[-1]) == quiet[1]
    assert contents(data_dir) == quiet[0]
