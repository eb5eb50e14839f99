"""What TRL is given: prompts in the order of the steps, frames when asked for, rewards as they are."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from trl import GRPOConfig

from components import params
from components.data.frames.store import FrameStore
from components.data.frames.times import frame_times
from components.models import qwen_vl
from components.models.processing import conversation
from components.prompts import cite_frames, reasons
from components.train.dataset import SampleDataset
from components.train.grpo import trainer
from components.train.grpo.trainer import prompts_of, reward_function, rewarded_part, sampling

BOX = {"kind": "box", "box_xyxy": [0.0, 0.0, 20.0, 20.0]}
SPAN = {"kind": "span", "span": {"start_s": 2.0, "end_s": 6.0}}
CHOICE = {"kind": "choice", "choices": ["the red cup", "the blue pan"], "answer_index": 0}
TYPES = ("spatial_object", "temporal", "cot")


class Samples:
    """Three samples that remember which of them were asked for."""

    def __init__(self):
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict:
        self.asked.append(index)
        frames = np.random.default_rng(index).integers(0, 255, (8, 64, 64, 3), dtype=np.uint8)
        media = [{"video_id": "v", "view": "ego", "start_s": 0.0, "end_s": 16.0}]
        asked = {
            "sample_id": f"s{index}",
            "question": f"question {index}",
            "question_type": TYPES[index],
            "answer": "",
            "target": (BOX, SPAN, CHOICE)[index],
        }
        turns = [(asked["question"], "")]
        return {
            **asked,
            "reasoned": reasons(asked, reasoned=False),
            "view": "ego",
            "turns": turns,
            "frames": frames,
            "times_s": frame_times(media, 8),
            "media": media,
        }


def columns(completions: list[str], samples: list[dict]) -> dict:
    """The keyword arguments with which TRL calls a reward."""
    return {
        "prompts": [[{"role": "user", "content": "?"}]] * len(samples),
        "completions": [[{"role": "assistant", "content": text}] for text in completions],
        "completion_ids": [[1]] * len(samples),
        "sample": [rewarded_part(sample) for sample in samples],
    }


def question(row: dict) -> str:
    return row["prompt"][0]["content"][-1]["text"]


HALF_BOX = "<think>left</think><answer>[0, 0, 20, 10]</answer>"
HALF_SPAN = "<think>C cuts <frames>1, 2</frames></think><answer>(2, 4)</answer>"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("box_iou", [0.5, 0.0, None, None]),
        ("temporal_iou", [None, None, 0.5, None]),
        ("choice", [None, None, None, 1.0]),
        ("format", [1.0, 0.0, 1.0, 1.0]),
        ("key_frames_cite", [None, None, 1.0, None]),
    ],
)
def test_rewards_keep_their_numbers_and_their_none(name, expected):
    reward, (box, span, cot) = reward_function(name), (Samples()[index] for index in range(3))
    right = "<think>C holds it</think><answer>the red cup</answer>"
    assert reward(**columns([HALF_BOX, "[0, 0, 20, 10]", HALF_SPAN, right], [box, box, span, cot])) == expected
    assert reward.__name__ == name  # TRL names the curve after it


def test_a_reward_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"reward 'iou' is unknown, allowed are \[.*\]; mend the recipe"):
        reward_function("iou")


def test_vllm_by_config(monkeypatch):
    with pytest.raises(ValueError, match=r"`grpo.vllm` asks for vLLM \(colocate\), which is not installed"):
        sampling(params.Vllm(mode="colocate"), [7])
    assert sampling(None, [7]) == {"generation_kwargs": {"suppress_tokens": [7]}}
    monkeypatch.setattr(trainer, "is_vllm_available", lambda: True)
    colocated = sampling(params.Vllm(mode="colocate", gpu_memory_utilization=0.4), [7])
    assert colocated["use_vllm"] and colocated["vllm_gpu_memory_utilization"] == 0.4
    assert colocated["generation_kwargs"] == {"logit_bias": {7: -100}}
    served = sampling(params.Vllm(mode="server"), [7])
    assert served["vllm_server_base_url"] == "http://127.0.0.1:8000"
    assert {*colocated, *served} <= {field.name for field in fields(GRPOConfig)}


def test_prompts_are_read_when_asked_for_and_not_before():
    samples = Samples()
    prompts = prompts_of(samples)
    assert len(prompts) == 3 and samples.asked == []
    row = prompts[1]
    assert samples.asked == [1]
    assert set(row) == {"sample_id", "prompt", "images", "sample"}
    assert row["prompt"] == conversation("question 1", "ego", 8)
    # 2 s a frame: the second and the third lie in the event from 2 s to 6 s
    assert row["sample"] == {
        "target": SPAN, "question_type": "temporal", "answer": "", "media": samples[1]["media"], "reasoned": True,
        "salient_frames": [1, 2],
    }  # fmt: skip
    assert np.array_equal(np.stack(row["images"]), samples[1]["frames"])
    assert prompts[0]["sample"] == {
        "target": BOX, "question_type": "spatial_object", "answer": "", "media": samples[0]["media"], "reasoned": True,
        "salient_frames": None,
    }  # fmt: skip


def test_a_prompt_is_read_once_for_its_group():
    samples = Samples()
    rows = prompts_of(samples).__getitems__([2, 2, 2, 0, 0])  # as a data loader asks
    assert samples.asked == [2, 0]
    assert [question(row) for row in rows] == ["question 2"] * 3 + ["question 0"] * 2


def test_key_frames_are_asked_for_where_they_are_known():
    prompts = prompts_of(Samples(), cite=True)
    asked = [question(row) for row in prompts]
    assert asked == ["question 0", cite_frames("question 1", 8), "question 2"]


def test_every_sample_of_egovlm_is_rewarded_for_its_form_and_for_its_answer(tiny_data):
    recipe = params.load(Path("params/recipes/egovlm.yaml"), params.Recipe)
    [stage] = recipe.stages
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    options = {"steps": 4, "batch": 8, "seed": 5, "exo_views": None, "contract": digest}
    shown = partial(qwen_vl.shown, most_frames=stage.max_frames)
    samples = SampleDataset(tiny_data, stage.mixture, shown=shown, reasoned=stage.reasoned, **options)
    drawn = [samples[index] for index in range(len(samples))]
    assert {item["question_type"] for item in drawn} > {"action"}
    letters = [f"<think>so</think><answer>{'ABCD'[item['target']['answer_index']]}</answer>" for item in drawn]
    for name in ("format", "choice"):
        assert reward_function(name)(**columns(letters, drawn)) == [1.0] * len(drawn)
        bare = reward_function(name)(**columns([item["answer"].split(">")[-1] for item in drawn], drawn))
        assert bare == [0.0] * len(drawn)


def test_prompts_follow_the_order_of_the_steps(tiny_data):
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    mixture = {"egore/ground_spatial/ego": 1.0}
    options = {"seed": 5, "exo_views": None, "contract": digest}
    samples = SampleDataset(tiny_data, mixture, steps=3, batch=4, **options)
    prompts = prompts_of(samples)
    assert len(prompts) == 12
    drawn = [samples[index] for index in range(12)]
    assert [question(row) for row in prompts] == [sample["turns"][0][0] for sample in drawn]
    boxes = [list(row["sample"]["target"]["box_xyxy"]) for row in prompts]
    assert boxes == [list(sample["target"]["box_xyxy"]) for sample in drawn]
    # the answer that is taught earns the full format reward and, but for its grid, the whole overlap
    batch = columns([sample["answer"] for sample in drawn], drawn)
    assert reward_function("format")(**batch) == [1.0] * 12
    assert min(reward_function("box_iou")(**batch)) > 0.6
