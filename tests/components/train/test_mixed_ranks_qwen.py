"""Ranks of one run that see different modalities under ZeRO-3, where each module gathers its weights from all ranks."""

from pathlib import Path

import pytest
import torch

from components.train import interpreter, launch_command
from flows import supervisor
from tests.components.train.conftest import ROOT
from tests.components.train.test_qwen_stages import moved, weights

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
MIXED_RANKS = "tests.components.train.mixed_ranks_qwen"


def test_ranks_with_text_alone_and_with_videos_do_not_wait(qwen_bases, warm_python, monkeypatch, tmp_path):
    base = qwen_bases["qwen2_vl"]
    monkeypatch.setenv(interpreter.VARIABLE, str(warm_python))
    command = launch_command.command(
        recipe=Path("none"), stage="mixed", ranks=2, parents={}, data=tmp_path, output=tmp_path, run_id="none",
        provenance={},
    )  # fmt: skip
    command = [*command[: command.index("components.train")], MIXED_RANKS, str(base), str(tmp_path)]
    environment = launch_command.environment(ROOT, threads=1)
    supervisor.supervise(command, environment, log_path=tmp_path / "log.txt", timeout_s=850, cwd=ROOT)
    frames = [(tmp_path / f"rank{rank}.txt").read_text().split() for rank in range(2)]
    assert len(frames[0]) >= 3 and set(frames[0]) == {"0"} and "0" not in frames[1]
    after = weights(tmp_path / "model")
    assert moved(weights(base), after) == {"language_model", "merger", "vision_encoder"}
    assert all(torch.isfinite(value).all() for value in after.values())
