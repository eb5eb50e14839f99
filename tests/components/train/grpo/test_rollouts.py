"""The share of groups that teach nothing, and the page that shows what was sampled."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from transformers import TrainerState

from components.train.grpo.rollouts import PROMPTS, Rollouts, totals, zero_spread

NAN = float("nan")
rewards = arrays(np.float64, (12, 2), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, NAN]))


@given(rewards, st.sampled_from([2, 3, 4, 6]))
def test_a_group_counts_exactly_where_all_its_sums_are_equal(values, group):
    sums = np.nan_to_num(values) @ np.array([1.0, 0.5])
    expected = np.mean([len(set(sums[start : start + group])) == 1 for start in range(0, 12, group)])
    assert zero_spread(values, np.array([1.0, 0.5]), group) == pytest.approx(expected)


def test_what_does_not_apply_adds_nothing():
    assert totals(np.array([[1.0, NAN], [NAN, 0.5], [NAN, NAN]]), np.array([1.0, 2.0])).tolist() == [1.0, 1.0, 0.0]


class Log:
    def __init__(self):
        self.attached = []

    def attach(self, path, folder):
        self.attached.append((path.name, folder))


def trainer(prompts: int = 6, group: int = 2) -> SimpleNamespace:
    """TRL's table after a step: the last prompt of it has a spread, the others have none."""
    frames = [Image.fromarray(np.full((8, 8, 3), 40 * shade, np.uint8)) for shade in (0, 0, 1, 2)]
    parts = [{"type": "image", "image": frame} for frame in frames]
    rows = prompts * group
    said = ["<think>a</think>"] * (rows - 1) + ["<b>bold</b>"]
    boxes = [NAN] * (rows - 1) + [1.0]
    return SimpleNamespace(
        reward_weights=torch.tensor([1.0, 0.5]),
        reward_func_names=["format", "box_iou"],
        num_generations=group,
        _metrics={"train": defaultdict(list, frac_reward_zero_std=[0.25, 0.0])},
        _logs={
            "prompt": [
                [{"role": "user", "content": [*parts, {"type": "text", "text": f"where is cup {row // group}?"}]}]
                for row in range(rows)
            ],
            "completion": [[{"role": "assistant", "content": text}] for text in said],
            "rewards": {"format": [1.0] * rows, "box_iou": boxes},
            "advantages": [0.0] * (rows - 2) + [-1.5, 1.5],
        },
    )


def step(made: SimpleNamespace, folder, *, number: int = 20, every: int = 10, log: Log | None) -> None:
    rollouts = Rollouts(made, num_generations=made.num_generations, stage="grpo", every=every, folder=folder, log=log)
    rollouts.on_step_end(None, TrainerState(global_step=number), None)


def test_the_share_of_the_step_is_put_right_and_earlier_steps_stay(tmp_path):
    made = trainer()
    step(made, tmp_path, every=0, log=Log())
    assert made._metrics["train"]["frac_reward_zero_std"] == [0.25, pytest.approx(5 / 6)]
    assert not list(tmp_path.iterdir())


def test_a_page_shows_the_first_prompts_whole(tmp_path):
    log = Log()
    step(trainer(), tmp_path, log=log)
    page = (tmp_path / "step-000020.html").read_text()
    assert log.attached == [("step-000020.html", "rollouts")]
    assert page.count("<article>") == PROMPTS and page.count("<tr><td>") == PROMPTS * 2
    assert "where is cup 0?" in page and "where is cup 3?" in page and "where is cup 4?" not in page
    # of four frames two are the same
    assert page.count("data:image/jpeg;base64,") == PROMPTS * 3
    assert "://" not in page and "<script" not in page


def test_a_page_shows_each_reward_the_sum_and_the_advantage_and_runs_nothing_that_was_said(tmp_path):
    step(trainer(prompts=1), tmp_path, log=Log())
    page = (tmp_path / "step-000020.html").read_text()
    first, second = page.split("<tbody>")[1].split("</tr>")[:2]
    assert "&lt;think&gt;a&lt;/think&gt;" in first and "<td>1.000</td><td>–</td>" in first and "-1.500" in first
    assert "&lt;b&gt;bold" in second and "<td>1.500</td>" in second and 'class="up">+1.500' in second


@pytest.mark.parametrize(("number", "log"), [(21, Log()), (20, None)])
def test_other_steps_and_other_ranks_write_nothing(tmp_path, number, log):
    step(trainer(), tmp_path, number=number, log=log)
    assert not list(tmp_path.iterdir())


def test_a_resumed_run_takes_over_the_pages_of_the_steps_it_has(tmp_path):
    for number in (10, 20, 30):
        (tmp_path / f"step-{number:06d}.html").write_text("")
    log = Log()
    rollouts = Rollouts(trainer(), num_generations=2, stage="grpo", every=10, folder=tmp_path, log=log)
    rollouts.on_train_begin(None, TrainerState(global_step=20), None)
    assert log.attached == [("step-000010.html", "rollouts"), ("step-000020.html", "rollouts")]
