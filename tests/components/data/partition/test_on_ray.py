"""Steps that work partition by partition, on Ray: the same bytes as the embedded run gives."""

import json
import shutil
import subprocess
import sys

import pytest

from components.data import dataset
from components.data.clips import step as clips
from components.data.egoit import step as egoit
from components.data.egore import step as build
from components.data.partition import runner, shuffle
from tests.components.data.test_resume import cluster, environment
from tests.conftest import PROJECT

STEPS = {"clips": clips, "egoit": egoit, "egore": build, "dataset": dataset}
ROWS = {"clips": 40, "egoit": 120, "egore": 200, "dataset": 400}  # of a partition
ON_RAY = """
import json, sys
from pathlib import Path
from components import params
from tests.components.data.partition import test_on_ray as test

print(json.dumps(test.in_partitions(params.Data.model_validate_json(sys.argv[2]), Path(sys.argv[1]), setattr)))
"""


def in_partitions(given, data_dir, patch) -> list[int]:
    """Run the steps in small partitions, each on what those before it made; return how many each had."""
    run, partition_takes, counts = runner.run, shuffle.partition_takes, []

    def counted(*given, **more):
        made = partition_takes(*given, **more)
        counts.append(made.num_rows)
        return made

    patch(shuffle, "partition_takes", counted)
    patch(runner, "run", lambda step, *given, **more: run(step, *given, **more | {"rows": ROWS[step.name]}))
    for step in STEPS.values():
        step.run(given, data_dir)
    return counts


def contents(data_dir) -> dict[str, bytes]:
    folders = [data_dir / step for step in STEPS]
    return {f"{folder.name}/{path.name}": path.read_bytes() for folder in folders for path in folder.iterdir()}


@pytest.mark.slow
def test_ray_makes_the_same_tables(annotated, data_params, monkeypatch):
    command = [sys.executable, "-c", ON_RAY, str(annotated), data_params.model_dump_json()]
    with cluster() as address:
        env = environment(DAFT_RUNNER="ray", RAY_ADDRESS=address)
        made = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=850)
    assert made.returncode == 0, made.stderr
    counts, on_ray = json.loads(made.stdout.splitlines()[-1]), contents(annotated)
    assert len(counts) == len(STEPS) and min(counts) > 2
    for step in STEPS:
        shutil.rmtree(annotated / step)
    monkeypatch.delenv("DAFT_RUNNER", raising=False)
    with monkeypatch.context() as patched:
        assert in_partitions(data_params, annotated, patched.setattr) == counts
    embedded = contents(annotated)
    assert sorted(embedded) == sorted(on_ray)
    assert [name for name in embedded if embedded[name] != on_ray[name]] == []
    assert {f"{step}/rejects.parquet" for step in STEPS} <= on_ray.keys()
