"""What TRL is given: prompts in the order of the steps, frames when asked for, rewards as they are."""

import numpy as np
import pytest

from components.data.frames import FrameStore
from components.rewards import REWARDS
from components.train.batch import SampleDataset
from components.train.grpo import prompts_of, reward_function

BOX = {"kind": "box", "box_xyxy": [0.0, 0.0, 20.0, 20.0], "span": None}
SPAN = {"kind": "span", "box_xyxy": None, "span": {"start_s": 2.0, "end_s": 6.0}}
CHOICE = {"kind": "choice", "box_xyxy": None, "span": None}


class Samples:
    """Three samples that remember which of them were asked for."""

    def __init__(self):
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict:
        self.asked.append(index)
        frames = np.random.default_rng(index).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
        return {"question": f"question {index}", "frames": frames, "target": (BOX, SPAN, CHOICE)[index]}


def columns(completions: list[str], targets: list[dict]) -> dict:
    """The keyword arguments with which TRL calls a reward."""
    spans = [target["span"] for target in targets]
    return {
        "prompts": [[{"role": "user", "content": "?"}]] * len(targets),
        "completions": [[{"role": "assistant", "content": text}] for text in completions],
        "completion_ids": [[1]] * len(targets),
        "kind": [target["kind"] for target in targets],
        "box_xyxy": [target["box_xyxy"] for target in targets],
        "span_s": [None if span is None else (span["start_s"], span["end_s"]) for span in spans],
    }


HALF_BOX = "<think>left</think><answer>[0, 0, 20, 10]</answer>"
HALF_SPAN = "<think>C cuts</think><answer>(2, 4)</answer>"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("box_iou", [0.5, 0.0, None]), ("temporal_iou", [None, None, 0.5]), ("format", [1.0, 0.0, 1.0])],
)
def test_rewards_keep_their_numbers_and_their_none(name, expected):
    reward = reward_function(name)
    assert reward(**columns([HALF_BOX, "[0, 0, 20, 10]", HALF_SPAN], [BOX, BOX, SPAN])) == expected
    assert reward.__name__ == name  # TRL names the curve after it


def test_a_reward_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"reward 'iou' is unknown, allowed are \[.*\]; mend the recipe"):
        reward_function("iou")
    assert set(REWARDS) == {"format", "box_iou", "temporal_iou", "choice"}


def test_prompts_are_read_when_asked_for_and_not_before():
    samples = Samples()
    prompts = prompts_of(samples)
    assert len(prompts) == 3 and samples.asked == []
    row = prompts[1]
    assert samples.asked == [1]
    assert set(row) == {"prompt", "images", "kind", "box_xyxy", "span_s"}
    assert row["prompt"] == [{"role": "user", "content": "question 1"}]
    assert (row["kind"], row["box_xyxy"], row["span_s"]) == ("span", None, (2.0, 6.0))
    assert [image.size for image in row["images"]] == [(64, 64)] * 2
    assert np.array_equal(np.stack([np.asarray(image) for image in row["images"]]), samples[1]["frames"])
    assert prompts[0]["box_xyxy"] == BOX["box_xyxy"]


def test_prompts_follow_the_order_of_the_steps(tiny_data):
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    mixture = {"egore/ground_spatial/ego": 1.0}
    samples = SampleDataset(tiny_data, mixture, steps=3, batch=4, seed=5, guidance=False, paired=False, contract=digest)
    prompts = prompts_of(samples)
    assert len(prompts) == 12
    drawn = [samples[index] for index in range(12)]
    assert [row["prompt"][0]["content"] for row in prompts] == [sample["question"] for sample in drawn]
    assert [list(row["box_xyxy"]) for row in prompts] == [list(sample["target"]["box_xyxy"]) for sample in drawn]
    # the true answer, as it is trained on, earns the full format reward and nearly all of the overlap
    batch = columns([sample["answer"] for sample in drawn], [sample["target"] for sample in drawn])
    assert reward_function("format")(**batch) == [1.0] * 12
    assert min(reward_function("box_iou")(**batch)) > 0.5
