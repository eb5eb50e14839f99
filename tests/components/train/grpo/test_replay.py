"""A GRPO step in two halves learns what a whole one learns, and a step that is off policy stops."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from components.data.frames.times import frame_times
from components.models import build, hub_configs
from components.train import algorithms, checkpoints, private_api
from components.train.grpo import replay, rollout_files, trainer
from components.train.grpo.rollout_files import Rollout, RolloutsWrittenError, file_of, numbered
from components.train.safety.errors import TrainingError
from components.train.trainer import arguments
from tests.components.train.conftest import shrunk_recipe

CHOICE = {"kind": "choice", "choices": ["the red cup", "the hand"], "answer_index": 0}


class Samples:
    """Prompts that differ in question and frames."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        frames = np.random.default_rng(index).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
        media = [{"video_id": "v", "view": "ego", "start_s": 0.0, "end_s": 16.0}]
        question = f"what does C do with the {('cup', 'hand')[index % 2]}?"
        return {
            "sample_id": f"sample {index}", "question": question, "question_type": "background", "reasoned": False,
            "target": CHOICE, "answer": "the red cup",
            "view": "ego", "turns": [(question, "")], "frames": frames, "times_s": frame_times(media, 2),
            "media": media,
        }  # fmt: skip

    def describe(self, step: int) -> str:
        return f"step {step}"


def earned(completion_ids, **columns) -> list[float]:
    """A random model earns nothing by words."""
    return [float(sum(ids) % 7) for ids in completion_ids]


@pytest.fixture
def make(model, processor, tmp_path, monkeypatch) -> Callable[..., trainer.OrderedGRPOTrainer]:
    """Makes a trainer of two steps with two micro-batches each; every one begins with the same weights."""
    earned.__name__ = "format"
    monkeypatch.setattr(trainer, "reward_function", lambda name: earned)
    monkeypatch.setattr(trainer, "arguments", lambda *of: arguments(*of) | {"deepspeed": None})
    torch.manual_seed(1)
    with torch.no_grad():  # what a fresh model sees makes too small a difference
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(tmp_path / "base")
    recipe = shrunk_recipe(tmp_path / "recipe.yaml")
    stage = next(stage for stage in recipe.stages if stage.grpo)
    asked = stage.grpo.model_copy(
        update={"num_generations": 4, "reward_weights": {"format": 1.0}, "beta": 0.04, "max_completion_length": 5}
    )
    changes = {"ranks": 1, "train_batch_size": 4, "per_device_train_batch_size": 2, "max_steps": 2, "save_steps": 1}
    stage = stage.model_copy(update={"grpo": asked, **changes})

    def built(output: Path, half=None) -> trainer.OrderedGRPOTrainer:
        torch.manual_seed(stage.seed)
        policy = build.EgoflowForConditionalGeneration.from_pretrained(tmp_path / "base")
        parts = hub_configs.parts_of(policy.config)
        checkpoints.prepare(policy, stage.learning_rates, None, parts)
        private_api.set_loaded_from(policy.config, tmp_path / "base")
        groups = algorithms.groups(policy, stage, parts)
        return trainer.trainer(
            policy, processor, stage, asked, Samples(), groups=groups, output=output / "trainer", callbacks=[],
            half=half,
        )  # fmt: skip

    return built


def weights(made: trainer.OrderedGRPOTrainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in made.model.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_two_steps_in_halves_end_in_the_same_bits(make, tmp_path):
    whole = make(tmp_path / "whole")
    start = weights(whole)
    whole.train()
    output, ended, resume = tmp_path / "halves", [], None
    for step in (1, 2):
        with pytest.raises(RolloutsWrittenError, match=f"16 rollouts of step {step} are in"):
            make(output, "rollouts").train(resume_from_checkpoint=resume)
        learns = make(output, "train")
        learns.train(resume_from_checkpoint=resume)
        assert learns.state.global_step == step
        ended.append(weights(learns))
        resume = str(output / "trainer" / f"checkpoint-{step}")
    assert equal(ended[1], weights(whole)) and not equal(ended[0], ended[1]) and not equal(start, ended[0])
    rows = [row for row in whole.state.log_history if "kl" in row]
    assert abs(rows[0]["kl"]) < 1e-6 < rows[1]["kl"]

    table = pq.read_table(file_of(output, 1))
    assert table.num_rows == 16 and set(table["generation"].to_pylist()) == {0, 1, 2, 3}
    asked = set(table["sample_id"].to_pylist())
    assert asked == {f"sample {index}" for index in range(4)}
    # another step's rollouts, and none at all
    file_of(output, 2).rename(file_of(output, 1))
    with pytest.raises(ValueError, match="holds the rollouts of another step: of 16 completions 16 are not there"):
        make(output, "train").train()
    with pytest.raises(ValueError, match="--train-only needs .*step-000001.parquet, which is not there"):
        make(tmp_path / "empty", "train").train()


@pytest.mark.slow
def test_rollouts_of_another_policy_are_no_first_step(make, tmp_path):
    with pytest.raises(RolloutsWrittenError):
        make(tmp_path, "rollouts").train()
    learns = make(tmp_path, "train")
    with torch.no_grad():
        learns.model.get_output_embeddings().weight.add_(0.5 * torch.randn_like(learns.model.lm_head.weight))
    with pytest.raises(TrainingError, match="step 1 is not on policy: .* from that by the policy that sampled"):
        learns.train()
    whole = make(tmp_path)
    with torch.no_grad():
        whole.model.get_output_embeddings().weight.add_(0.5 * torch.randn_like(whole.model.lm_head.weight))
    with pytest.raises(TrainingError, match="from that by the reference model, allowed in float32 is 0.0001"):
        whole.train()


def rollouts() -> list[Rollout]:
    keys = numbered(["a", "a", "b"])
    return [Rollout(*key, [1, 2], "x y", {"format": 1.0, "box_iou": None}, 0.5, [-0.25, -1.0 / 3]) for key in keys]


def test_rollouts_come_back_in_the_order_that_is_asked(tmp_path):
    path = file_of(tmp_path, 3)
    rollout_files.write(path, rollouts(), [b"\x00\xff"])
    found, states = rollout_files.read(path, [("b", 0), ("a", 1), ("a", 0)], ["box_iou", "format"])
    assert [(each.sample_id, each.generation) for each in found] == [("b", 0), ("a", 1), ("a", 0)]
    assert found[0].rewards == {"format": 1.0, "box_iou": None} and states == [b"\x00\xff"]
    assert np.array_equal(np.float32(found[0].old_log_probs), np.float32([-0.25, -1.0 / 3]))


def test_rollouts_of_other_rewards_or_samples_are_refused(tmp_path):
    path = file_of(tmp_path, 1)
    rollout_files.write(path, rollouts(), [])
    with pytest.raises(ValueError, match=r"has the rewards \['box_iou', 'format'\], the stage has \['choice'\]"):
        rollout_files.read(path, numbered(["a", "a", "b"]), ["choice"])
    with pytest.raises(ValueError, match=r"of 3 completions 1 are not there .*\[\('c', 0\)\]\), and 1 belong to none"):
        rollout_files.read(path, numbered(["a", "a", "c"]), ["format", "box_iou"])


def test_padding_is_no_difference():
    one = torch.tensor([[-1.0, -2.0, 7.0]])
    assert replay.off_policy(one, torch.tensor([[-1.0, -2.5, 0.0]]), torch.tensor([[1, 1, 0]])) == 0.25
