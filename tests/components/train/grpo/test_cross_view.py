"""Both views of a query in one step: who is scored against whom, and plain GRPO as the special case."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.data.frames.times import frame_times
from components.models import build, hub_configs
from components.prompts import think_answer
from components.rewards import CROSS_VIEW
from components.train import algorithms, checkpoints, private_api
from components.train.grpo import trainer
from components.train.grpo.cross_view import with_other_view
from components.train.trainer import arguments
from tests.components.train.conftest import shrunk_recipe

CHOICE = {"kind": "choice", "choices": ["yes", "no"], "answer_index": 0}


def rows(*asked: tuple[str, str]) -> list[dict]:
    return [{"sample_id": f"{query} {view}", "sample": {"query": query, "view": view}} for query, view in asked]


def test_each_completion_meets_all_of_the_other_view():
    inputs = rows(("a", "ego"), ("a", "ego"), ("a", "exo"), ("a", "exo"), ("b", "ego"), ("b", "exo"))
    found = with_other_view(inputs, ["1", "2", "3", "4", "5", "6"])
    others = [row["sample"]["other_view"] for row in found]
    assert others == [["3", "4"], ["3", "4"], ["1", "2"], ["1", "2"], ["6"], ["5"]]
    assert "other_view" not in inputs[0]["sample"]  # the rows of TRL stay as they were


def test_a_pair_that_ranks_tear_apart_is_refused():
    with pytest.raises(ValueError, match="exo sample b exo came to a rank without its ego view; `train_batch"):
        with_other_view(rows(("a", "ego"), ("a", "exo"), ("b", "exo")), ["1", "2", "3"])


class Pairs:
    """Four queries, each asked of both views; `paired` says whether the samples tell so."""

    def __init__(self, *, paired: bool):
        self.paired = paired

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        query, view = index // 2, ("ego", "exo")[index % 2]
        frames = np.random.default_rng(index).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
        media = [{"video_id": view, "view": view, "start_s": 0.0, "end_s": 16.0}]
        question = f"does this happen: C washes the {('cup', 'pan', 'bowl', 'fish')[query]}?"
        answer = think_answer("C washes the red cup", "yes")
        item = {
            "sample_id": f"sample {index}", "question": question, "question_type": "cot", "reasoned": True,
            "target": CHOICE, "answer": answer, "view": view, "turns": [(question, answer)], "frames": frames,
            "times_s": frame_times(media, 2), "media": media,
        }  # fmt: skip
        return item | {"query": f"query {query}"} if self.paired else item

    def describe(self, step: int) -> str:
        return f"step {step}"


def earned(completion_ids, **columns) -> list[float]:
    """A random model earns nothing by words."""
    return [float(sum(ids) % 7) for ids in completion_ids]


@pytest.fixture
def learn(model, processor, tmp_path, monkeypatch):
    """Trains two steps from one base, and returns the weights and what was logged of each."""
    of_name = trainer.reward_function
    monkeypatch.setattr(trainer, "reward_function", lambda name: earned if name == "format" else of_name(name))
    monkeypatch.setattr(earned, "__name__", "format")
    monkeypatch.setattr(trainer, "arguments", lambda *of: arguments(*of) | {"deepspeed": None})
    torch.manual_seed(1)
    with torch.no_grad():  # what a fresh model sees makes too small a difference
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(tmp_path / "base")
    stage = next(stage for stage in shrunk_recipe(tmp_path / "recipe.yaml").stages if stage.grpo)

    def trained(output: Path, weights: dict[str, float], *, paired: bool, **more_changes):
        changes = {"num_generations": 4, "reward_weights": weights, "max_completion_length": 5, "paired_views": paired}
        asked = stage.grpo.model_copy(update=changes | {"beta": 0.04} | more_changes)
        more = {"ranks": 1, "train_batch_size": 4, "per_device_train_batch_size": 2, "max_steps": 2, "grpo": asked}
        torch.manual_seed(0)
        policy = build.EgoflowForConditionalGeneration.from_pretrained(tmp_path / "base")
        parts = hub_configs.parts_of(policy.config)
        checkpoints.prepare(policy, stage.learning_rates, None, parts)
        private_api.set_loaded_from(policy.config, tmp_path / "base")
        groups = algorithms.groups(policy, stage, parts)
        made = trainer.trainer(
            policy, processor, stage.model_copy(update=more), asked, Pairs(paired=paired), groups=groups,
            output=output / "trainer", callbacks=[],
        )  # fmt: skip
        made.train()
        return made.model.state_dict(), [row for row in made.state.log_history if "kl" in row]

    return trained


@pytest.mark.slow
def test_plain_grpo_is_view_grpo_with_the_weights_at_zero(learn, tmp_path):
    plain, _ = learn(tmp_path / "plain", {"format": 1.0}, paired=False)
    silent = {"format": 1.0} | dict.fromkeys(("rationale", "reasoning_consistency", *sorted(CROSS_VIEW)), 0.0)
    weightless, curves = learn(tmp_path / "weightless", silent, paired=True)
    assert plain.keys() == weightless.keys()
    assert all(torch.equal(plain[name], weightless[name]) for name in plain)
    # the rewards were given all the same
    assert curves[0]["rewards/cross_view_structure/mean"] == 0.0 and curves[0]["rewards/rationale/mean"] == 0.0


@pytest.mark.slow
def test_with_gdpo_a_reward_counts_by_its_order_and_not_by_its_size(learn, tmp_path, monkeypatch):
    def learned(size: float, **how) -> torch.Tensor:
        monkeypatch.setitem(trainer.REWARDS, "choice", lambda text, sample: size * (len(text) % 5))
        name = "-".join([str(size), *map(str, how.values())])
        weights, _ = learn(tmp_path / name, {"format": 1.0, "choice": 1.0}, paired=False, **how)
        return torch.cat([value.flatten().float() for value in weights.values()])

    def moved_by_size(**how) -> float:
        return (learned(1.0, **how) - learned(8.0, **how)).abs().mean().item()

    summed, by_itself = moved_by_size(), moved_by_size(multi_objective_aggregation="normalize_then_sum")
    assert by_itself < summed / 20
