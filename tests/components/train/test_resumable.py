"""A damaged last trainer checkpoint gives way to the one before."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from components.train.safety import resumable

OPTIMISER = "global_step4/zero_pp_rank_0_mp_rank_00_optim_states.pt"


def write(folder: Path, step: int) -> Path:
    """Write what the trainer and DeepSpeed write, in their order."""
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / f"global_step{step}").mkdir(parents=True)
    save_file({"weight": np.ones(8, np.float32)}, checkpoint / "model.safetensors")
    torch.save({"exp_avg": torch.ones(64)}, checkpoint / OPTIMISER.replace("4", str(step), 1))
    (checkpoint / "latest").write_text(f"global_step{step}")
    torch.save(torch.ones(4), checkpoint / "rng_state.pth")
    resumable.note_sizes(checkpoint)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return checkpoint


def cut(name: str, keep: int = -20) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def zeros(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(bytes((folder / name).stat().st_size))


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def of_another_step(folder: Path) -> None:
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 3}))


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights cut off": (cut("model.safetensors"), r"model.safetensors has \d+ bytes, written were \d+"),
    "weights of zeros": (zeros("model.safetensors"), "model.safetensors cannot be read"),
    "optimiser states cut off": (cut(OPTIMISER), r"optim_states.pt has [\d,]+ bytes"),
    "optimiser states of zeros": (zeros(OPTIMISER), "optim_states.pt cannot be read"),
    "optimiser states gone": (gone(OPTIMISER), "optim_states.pt is gone"),
    "`latest` missing": (gone("latest"), "latest is gone"),
    "`latest` of another step": (lambda folder: (folder / "latest").write_text("global_step3"), "names 'global_step3'"),
    "random states gone": (gone("rng_state.pth"), "rng_state.pth is gone"),
    "of another step": (of_another_step, "trainer_state.json is of step 3"),
    "state cut off": (cut("trainer_state.json", 5), "missing or cut off"),
    "killed while it was saved": (gone("trainer_state.json"), "missing or cut off"),
    "sizes gone": (gone("files.json"), "missing or cut off"),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(damage, told: str, tmp_path: Path):
    before, last = write(tmp_path, 2), write(tmp_path, 4)
    assert resumable.newest(tmp_path) == last and resumable.drop_damaged(tmp_path) is None
    damage(last)
    assert resumable.newest(tmp_path) == before and last.is_dir(), "who only asks changes nothing"
    said = resumable.drop_damaged(tmp_path)
    assert re.fullmatch(rf"checkpoint-4: .*{told}.*\. Removed; goes on from checkpoint-2", said), said
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_without_another_the_stage_starts_anew(tmp_path: Path):
    shutil.rmtree(write(tmp_path, 4) / "global_step4")
    assert resumable.drop_damaged(tmp_path).endswith("goes on from step 0, no other was saved")
    assert resumable.newest(tmp_path) is None


def test_one_bit_of_the_optimiser_states_is_found_on_demand(tmp_path: Path):
    last = write(tmp_path, 4)
    content = (last / OPTIMISER).read_bytes()
    at = content.index(np.ones(64, np.float32).tobytes())
    (last / OPTIMISER).write_bytes(content[:at] + b"\1" + content[at + 1 :])
    assert resumable.problem(last) is None
    assert resumable.problem(last, whole=True) == f"{OPTIMISER} cannot be read"
