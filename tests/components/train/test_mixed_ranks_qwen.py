"""Ranks of one run that see different modalities under ZeRO-3, where each module gathers its weights from all ranks."""

from pathlib import Path

import pytest
import torch

from components.models import qwen_ego_setup, qwen_vl
from components.train import interpreter, launch_command
from components.train.ego_queries import NAME
from flows import supervisor
from tests.components.qwen_with_tokens import write_places
from tests.components.train.conftest import ROOT
from tests.components.train.test_qwen_stages import moved, weights

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
MIXED_RANKS = "tests.components.train.mixed_ranks_qwen"


def drawn(base: Path, count: int) -> torch.Tensor:
    model, processor = qwen_vl.load(base), qwen_vl.load_processor(base, pixels=None)
    return qwen_ego_setup.renewed(model, processor, count, seed=0).get_parameter(NAME).detach()


@pytest.mark.parametrize("tokens", [0, 2])
def test_ranks_with_text_alone_and_with_videos_do_not_wait(tokens, warm_python, monkeypatch, tmp_path):
    """Also where a clip has ego-adaptive tokens, which have layers of their own."""
    base = write_places(tmp_path / "base", "qwen2_vl")
    monkeypatch.setenv(interpreter.VARIABLE, str(warm_python))
    command = launch_command.command(
        recipe=Path("none"), stage="mixed", ranks=2, parents={}, data=tmp_path, output=tmp_path, run_id="none",
        provenance={},
    )  # fmt: skip
    command = [*command[: command.index("components.train")], MIXED_RANKS, str(base), str(tmp_path), str(tokens)]
    environment = launch_command.environment(ROOT, threads=1)
    supervisor.supervise(command, environment, log_path=tmp_path / "log.txt", timeout_s=850, cwd=ROOT)
    frames = [(tmp_path / f"rank{rank}.txt").read_text().split() for rank in range(2)]
    assert len(frames[0]) >= 3 and set(frames[0]) == {"0"} and "0" not in frames[1]
    after = weights(tmp_path / "model")
    queries = after.get(NAME)
    assert (queries is not None) == bool(tokens), "0: the model without"
    assert queries is None or not torch.equal(queries, drawn(base, tokens))
    plain = {name: value for name, value in after.items() if "ego_tokens" not in name}
    assert moved(weights(base), plain) == {"language_model", "merger", "vision_encoder"}
    assert all(torch.isfinite(value).all() for value in after.values())
