"""A served folder is read by the classes that it names, and asks what evaluation would ask."""

import numpy as np
import pandas as pd
import pytest

from components.evaluation import serving
from components.evaluation.replies import Reply
from components.prompts import asked_question

FRAMES = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
STAGE = {"reasoned": False, "max_new_tokens": None, "grpo": None}


@pytest.fixture
def served(model, processor, tmp_path) -> serving.Served:
    model.config.guidance = True
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    return serving._load_pyfunc(str(tmp_path), {"stage": STAGE | {"guidance": True}})


def test_a_folder_of_qwen_answers(qwen_bases):
    stage = STAGE | {"max_frames": 4}
    model = serving._load_pyfunc(str(qwen_bases["qwen2_5_vl"]), {"stage": stage})
    rows = [{"question": "what does C do?", "frames": FRAMES}, {"question": "where is it?", "frames": FRAMES.tolist()}]
    said = model.predict(rows)
    assert len(said) == 2 and all(isinstance(text, str) and "<|" not in text for text in said)


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ({}, serving.MAX_NEW_TOKENS),
        ({"grpo": {"max_completion_length": 40}}, 40),
        ({"grpo": {"max_completion_length": 40}, "max_new_tokens": 9}, 9),
    ],
)
def test_an_answer_may_be_as_long_as_the_stage_says(monkeypatch, said, limit):
    limits = {}

    class Listener:
        def __init__(self, store, **given):
            limits.update(given)

        def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
            return [Reply("")] * len(samples)

    monkeypatch.setattr(serving, "opened", lambda folder, stage: Listener)
    serving._load_pyfunc("folder", {"stage": STAGE | said}).predict([{"question": "who?", "frames": FRAMES}])
    assert limits["max_new_tokens"] == limit


def test_what_a_row_leaves_out_is_not_asked(served, monkeypatch):
    asked = []

    class Listener:
        def __init__(self, store, **limits):
            self.store = store

        def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
            asked.extend((sample, self.store.frames(of)) for sample, of in zip(samples, frames_of, strict=True))
            return [Reply("")] * len(samples)

    table = pd.DataFrame(
        [
            {"question": "what does C do?", "frames": FRAMES[:2].tolist()},
            {"question": "how long?", "frames": FRAMES, "view": "exo", "duration_s": 4.0, "choices": ["2 s", "3 s"]},
            {"question": "what is it?", "frames": np.repeat(FRAMES[:1], 2, axis=0)},
            {"question": "what moves?", "frames": np.repeat(FRAMES[:1], 2, axis=0), "duration_s": 4.0},
        ]
    )
    serving.Served(Listener).predict(table)
    (plain, shown), (full, all_shown), (image, _), (still, _) = asked
    assert [sample["frame_kind"] for sample in (plain, full, image, still)] == ["clip", "clip", "image", "clip"]
    assert (plain["view"], plain["media"], plain["target"]["kind"]) == ("ego", [], "text")
    assert (full["view"], full["media"]) == ("exo", [{"start_s": 0.0, "end_s": 4.0}])
    assert np.array_equal(shown, FRAMES[:2]) and np.array_equal(all_shown, FRAMES)
    times_s = np.array([0.5, 1.5, 2.5, 3.5])
    question = asked_question(full, times_s, reasoned=False)
    assert question == "4 s, frames every 1 s from 0.5 s: how long? Choose one of: 2 s; 3 s."


def test_rows_that_cannot_be_shown_are_refused(served):
    row = {"question": "what does C do?", "frames": FRAMES}
    assert isinstance(served.predict([row])[0], str)
    for change, message in (
        ({"frames": FRAMES[:3]}, "3 frames came, allowed are multiples of tubelet_frames=2"),
        ({"frames": FRAMES[:, :32]}, r"images of shape \[\(32, 64, 3\)\] came, allowed is \(64, 64, 3\)"),
        ({"frames": FRAMES[0]}, r"frames of shape \[\(64, 64, 3\)\] came, allowed is \[T, H, W, 3\]"),
        ({"view": "top"}, r"view 'top' came, allowed are \['ego', 'exo'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            served.predict([row | change])


def test_a_row_beyond_the_context_is_refused(served):
    rows = [{"question": "what does C do?", "frames": FRAMES}, {"question": "C " * 600, "frames": FRAMES}]
    with pytest.raises(ValueError, match=r"rows \[1\] have more frames and text than the model's context holds"):
        served.predict(rows)
