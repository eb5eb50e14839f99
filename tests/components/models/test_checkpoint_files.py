"""A checkpoint that is not what its stage left is refused, with the file, what it should be, and what to do."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from components.models import checkpoint_files
from components.models.checkpoint_files import MEMBERS, DamagedError, check, finish

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
BIG = np.zeros(2**19, np.float32)  # two MiB: no shard is digested whole unless that is asked


def write(folder: Path, stage: str = "stage1", algorithm: str = "supervised") -> Path:
    """Write a tiny checkpoint of two shards, of equal size."""
    (folder / "model").mkdir(parents=True)
    for number, shard in enumerate(SHARDS):
        save_file({f"layer.{number}": BIG + number}, folder / "model" / shard)
    weight_map = {f"layer.{number}": shard for number, shard in enumerate(SHARDS)}
    (folder / "model" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "model" / "config.json").write_text('{"model_type": "egoflow"}')
    (folder / "history.jsonl").write_text('{"step": 1, "time_s": 1.0, "loss": 2.0}\n')
    finish(folder, dict.fromkeys(MEMBERS) | {"stage": stage, "params": {"algorithm": algorithm}})
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("whole") / "stage1-0123")


@pytest.fixture
def checkpoint(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / whole.name)


def cut(name: str, keep: int = -100) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def exchange_shards(folder: Path) -> None:
    first, second = (folder / "model" / shard for shard in SHARDS)
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)


def without(member: str) -> Callable[[Path], None]:
    def take_out(folder: Path) -> None:
        made = json.loads((folder / "stage.json").read_text())
        del made[member]
        (folder / "stage.json").write_text(json.dumps(made))

    return take_out


def of_another_stage(folder: Path) -> None:
    shutil.rmtree(folder)
    write(folder, "base_lm", "text")


def of_another_algorithm(folder: Path) -> None:
    shutil.rmtree(folder)
    write(folder, "stage1", "grpo")


def other_architecture(folder: Path) -> None:
    (folder / "model/config.json").write_text('{"model_type": "qwen2_vl"}')


def same_size(folder: Path) -> None:
    (folder / "model/config.json").write_text('{"model_type": "EGOFLOW"}')


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights cut off": (cut(f"model/{SHARDS[1]}"), rf"{SHARDS[1]} has [\d,]+ bytes, it should be one of [\d,]+"),
    "weights of zero bytes": (cut(f"model/{SHARDS[0]}", 0), f"{SHARDS[0]} has 0 bytes"),
    "a shard gone": (lambda folder: (folder / "model" / SHARDS[0]).unlink(), f"{SHARDS[0]} is gone"),
    "two shards exchanged": (exchange_shards, f"{SHARDS[0]} holds 1 tensors of another shard"),
    "index of the shards cut off": (cut("model/model.safetensors.index.json", 20), "index.json has 20 bytes"),
    "another architecture": (other_architecture, "config.json has 26 bytes, it should be one of 25"),
    "another config of the same size": (same_size, "config.json has other content"),
    "history gone": (lambda folder: (folder / "history.jsonl").unlink(), "history.jsonl is gone"),
    "history of zero bytes": (cut("history.jsonl", 0), "history.jsonl has 0 bytes"),
    "stage.json of zero bytes": (cut("stage.json", 0), r"stage.json is no JSON \(0 bytes\)"),
    "stage.json cut off": (cut("stage.json"), "stage.json is no JSON"),
    "stage.json gone": (lambda folder: (folder / "stage.json").unlink(), "stage.json is not there"),
    "stage.json that is a list": (lambda folder: (folder / "stage.json").write_text("[]"), "stage.json has no stage,"),
    "another stage": (of_another_stage, "stage.json is of 'base_lm', it should be of 'stage1', as the recipe asks"),
    "another algorithm": (of_another_algorithm, "stage.json is of 'grpo', it should be of 'supervised'"),
    **{f"stage.json without {name}": (without(name), f"stage.json has no {name}") for name in MEMBERS},
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damage_is_found_before_the_checkpoint_is_used(damage, told: str, checkpoint: Path):
    assert check(checkpoint, stage="stage1", algorithm="supervised")["stage"] == "stage1"
    damage(checkpoint)
    with pytest.raises(DamagedError, match=told) as raised:
        check(checkpoint, stage="stage1", algorithm="supervised")
    words = str(raised.value)
    assert re.search(f"take {checkpoint} away and run the pipeline", words) and "copy it again" in words


def test_one_byte_in_a_large_file_is_found_on_demand(checkpoint: Path):
    path = checkpoint / "model" / SHARDS[1]
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    check(checkpoint)
    with pytest.raises(DamagedError, match=f"{SHARDS[1]} has other content, it should be that of sha256"):
        check(checkpoint, whole=True)


def test_a_checkpoint_of_an_earlier_version_is_read_without_digests(checkpoint: Path):
    without("files")(checkpoint)
    assert "files" not in check(checkpoint, whole=True)
    cut(f"model/{SHARDS[1]}")(checkpoint)
    with pytest.raises(DamagedError, match=f"{SHARDS[1]} cannot be read .*whole weights"):
        check(checkpoint)


def test_what_comes_later_is_not_vouched_for(checkpoint: Path):
    (checkpoint / "evaluation").mkdir()
    (checkpoint / "evaluation" / "metrics.json").write_text("{}")
    assert checkpoint_files.digests(checkpoint) == check(checkpoint)["files"]
