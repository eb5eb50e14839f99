"""The command line on two ranks, killed and started again, ends where one rank does that was left alone."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from components import records
from components.train import launch_command

ROOT = Path(__file__).parents[3]
TASKS = ("caption_ego", "qa", "ground_spatial", "ground_temporal")


@pytest.fixture(params=["egoflow", "qwen2_5_vl"])
def checkpoint(request, tmp_path, tiny_data) -> Path:
    """A folder as a stage leaves it."""
    folder = tmp_path / "one"
    if request.param == "egoflow":
        model, processor = (request.getfixturevalue(name) for name in ("model", "processor"))
        model.save_pretrained(folder / "model")
        processor.save_pretrained(folder / "model")
    else:
        shutil.copytree(request.getfixturevalue("qwen_bases")[request.param], folder / "model")
    stage = {"params": {"guidance": False, "reasoned": False, "max_frames": 4}}
    contract = json.loads((tiny_data / "frames" / "contract.json").read_text())
    (folder / "stage.json").write_text(json.dumps(stage | {"frames_contract": contract["digest"]}))
    return folder


@pytest.fixture
def settings(tmp_path) -> Path:
    yaml = YAML()
    values = yaml.load((ROOT / "params" / "eval.yaml").read_text())
    values["limits"] = dict.fromkeys(TASKS, 40)
    values["controls"] = {"other_frames": 20, "grey": 10, "mean_frame": 10, "guesser": 40}
    yaml.dump(values, tmp_path / "eval.yaml")
    return tmp_path / "eval.yaml"


@pytest.fixture
def started(warm_python, tiny_data, settings) -> Callable[..., subprocess.Popen]:
    def start(checkpoint: Path, *, ranks: int) -> subprocess.Popen:
        words = ["--checkpoint", str(checkpoint), "--data", str(tiny_data), "--params", str(settings)]
        return subprocess.Popen(
            [*launch_command.evaluation(ranks=ranks, python=str(warm_python)), *words, "--tasks", *TASKS],
            cwd=ROOT,
            env=launch_command.environment(ROOT, threads=1, gpu_ids=()),
        )

    return start


def items(checkpoint: Path) -> list[tuple]:
    files = (checkpoint / "evaluation" / "items").rglob("*.jsonl")
    return [tuple(json.loads(line)["item"]) for file in files for line in file.read_text().split("\n")[:-1]]


def result(checkpoint: Path) -> tuple:
    folder = checkpoint / "evaluation"
    rows = records.read_table(folder / "predictions.parquet", records.PREDICTION).drop_columns(["seconds"])
    return rows.to_pylist(), *(json.loads((folder / f"{name}.json").read_text()) for name in ("metrics", "skipped"))


@pytest.mark.long
def test_two_ranks_killed_and_resumed_end_where_one_rank_does(checkpoint, started, tmp_path):
    alone = Path(shutil.copytree(checkpoint, tmp_path / "alone"))
    assert started(alone, ranks=1).wait(600) == 0
    first = started(checkpoint, ranks=2)
    try:
        while not items(checkpoint):
            assert first.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        # torchrun starts each rank in a session of its own
        for process in [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]:
            process.kill()
        first.wait()
    kept = items(checkpoint)
    assert not (checkpoint / "evaluation" / "metrics.json").exists() and len(kept) < len(items(alone))
    assert started(checkpoint, ranks=2).wait(600) == 0
    assert result(checkpoint) == result(alone)
    made = items(checkpoint)
    assert set(kept) <= set(made) and len(made) == len(set(made)) == len(items(alone)), "an item was answered twice"
