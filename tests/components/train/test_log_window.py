"""A checkpoint between two records: the record that follows holds the steps before it too."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import TrainingArguments

from components.train.safety.log_window import LogWindow
from components.train.trainer import StageTrainer


def trained(folder: Path, resume: Path | None = None) -> list[dict]:
    """Train six steps with a checkpoint every third and a record every fourth; give the records."""
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    made = StageTrainer(
        losses=lambda model, batch: {"total": model(batch["x"]).square().mean(), "level": batch["x"].mean()},
        groups=[{"params": list(model.parameters()), "lr": 0.1}],
        model=model,
        args=TrainingArguments(
            str(folder), max_steps=6, save_steps=3, logging_steps=4, per_device_train_batch_size=1, use_cpu=True,
            report_to=[], disable_tqdm=True, remove_unused_columns=False,
        ),
        train_dataset=[{"x": torch.tensor([float(number)])} for number in range(1, 7)],
    )  # fmt: skip
    made.train(resume_from_checkpoint=str(resume) if resume else None)
    names = ("step", "loss", "loss/total", "loss/level")
    return [{name: row[name] for name in names} for row in made.state.log_history if "loss" in row]


@pytest.fixture
def whole(tmp_path: Path) -> list[dict]:
    return trained(tmp_path / "whole")


def test_a_resumed_record_is_the_mean_over_all_its_steps(tmp_path: Path, whole):
    assert whole[0]["step"] == 4 and whole[0]["loss/level"] == 2.5
    assert trained(tmp_path / "resumed", tmp_path / "whole" / "checkpoint-3") == whole


def test_without_the_window_it_would_be_the_mean_over_the_rest(tmp_path: Path, whole, monkeypatch):
    monkeypatch.setattr(LogWindow, "_take_up", lambda *_: None)
    [bent] = trained(tmp_path / "resumed", tmp_path / "whole" / "checkpoint-3")
    assert bent["loss/level"] == 4.0 and bent["loss"] != whole[0]["loss"]


def test_with_another_number_of_ranks_the_loss_is_the_mean_over_those_before(tmp_path: Path, whole):
    checkpoint = tmp_path / "whole" / "checkpoint-3"
    shutil.copy(checkpoint / "log_window_0.json", checkpoint / "log_window_1.json")  # as if there had been two
    assert trained(tmp_path / "resumed", checkpoint) == whole
