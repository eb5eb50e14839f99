"""A question about a video file or a folder of images is answered by the tiny model, as evaluation would ask it."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from components import params, records, video
from components.data.frames.step import contract_of
from components.data.frames.times import frame_times
from components.evaluation import ask, drawing
from components.evaluation.film import Film
from components.evaluation.one_question import target_kind_of
from components.evaluation.replies import Reply
from components.models import build, export
from components.models.processing import conversation
from components.prompts import timed_question
from components.train import checkpoints

ROOT = Path(__file__).parents[3]
QUESTION = "what does C do?"


@pytest.fixture
def data(model) -> params.Data:
    found = params.load(ROOT / "params/data.yaml", params.Data)
    assert found.frames.size_px == model.config.vision_config.image_size
    return found


@pytest.fixture
def checkpoint(model, processor, data, tmp_path) -> Path:
    provenance = {
        "params": {"guidance": False, "reasoned": False, "max_new_tokens": 3, "grpo": None, "parents": {}},
        "frames_contract": contract_of(data.frames)["digest"],
    }
    checkpoints.save(model, processor, tmp_path / "stage1-k", provenance)
    return tmp_path / "stage1-k"


@pytest.fixture
def film(tmp_path) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (32, 64, 64, 3), dtype=np.uint8)
    video.write(tmp_path / "film.mp4", frames, fps=8, size_px=64)
    return tmp_path / "film.mp4"


@pytest.fixture
def opened(checkpoint, data) -> ask.Model:
    return ask.open_model(checkpoint, data, max_new_tokens=8)


class Says:
    """A model that says what it is told to say, and keeps what it was asked."""

    def __init__(self, words: str):
        self.words = words
        self.asked: list[dict] = []

    def __call__(self, *, store: Film, **limits: int):
        self.shown = store.frames("any")
        return self

    def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
        self.asked += samples
        return [Reply(self.words)]


def saying(opened: ask.Model, words: str) -> tuple[ask.Model, Says]:
    says = Says(words)
    return replace(opened, made=says), says


def test_a_film_is_answered_alike_by_a_checkpoint_and_its_export(checkpoint, data, film, tmp_path):
    export.export(checkpoint, tmp_path / "exported")
    answers = [
        ask.ask(ask.open_model(folder, data, max_new_tokens=8), film, QUESTION, view="ego")[0]
        for folder in (checkpoint, tmp_path / "exported")
    ]
    assert answers[0] == answers[1] and answers[0].completion
    n_frames = data.frames.clip_frames
    expected = video.sample_frame_indices(0.0, 4.0, fps=8, n_frames=n_frames, total_frames=32)
    assert answers[0].frames == expected.tolist() and answers[0].times_s == [n / 8 for n in answers[0].frames]


@pytest.mark.parametrize(
    ("question", "target_kind", "frame_kind"),
    [
        (QUESTION, "text", "clip"),
        ("where is the green cup?", "box", "image"),
        ("when is it that C cuts?", "span", "window"),
    ],
)
def test_the_question_says_how_many_frames_are_shown(opened, data, film, question, target_kind, frame_kind):
    model, says = saying(opened, "")
    answer, _ = ask.ask(model, film, question, view="ego")
    counts = {"image": data.frames.image_frames, "clip": data.frames.clip_frames, "window": data.frames.window_frames}
    assert (answer.target_kind, answer.frame_kind) == (target_kind, frame_kind)
    assert len(says.shown) == len(answer.frames) == counts[frame_kind]
    assert says.asked[0]["target"] == {"kind": target_kind} and says.asked[0]["frame_kind"] == frame_kind


def test_every_kind_of_question_is_shown_what_its_samples_in_the_data_are(tiny_data):
    samples = records.read_table(tiny_data / "dataset/samples.parquet", records.SAMPLE).to_pandas()
    grounded = samples[samples["task"].isin(["ground_spatial", "ground_temporal"])]
    shown = {
        (target_kind_of(row["question"]), row["target"]["kind"], row["frame_kind"]) for _, row in grounded.iterrows()
    }
    assert shown == {("box", "box", "image"), ("span", "span", "window")}
    assert {target_kind_of(one) for one in set(samples["question"]) - set(grounded["question"])} == {"text"}


def test_a_question_about_time_is_asked_with_the_times_of_the_frames(opened, data, film):
    model, says = saying(opened, "<think>C cuts</think><answer>(1, 2)</answer>")
    answer, _ = ask.ask(model, film, "when is it that C cuts the fish?", view="ego", start_s=1.0, end_s=3.0)
    question = timed_question(says.asked[0], frame_times(says.asked[0]["media"], len(answer.frames)))
    assert question.startswith("2 s, frames every 0.0625 s from 0.0312 s: when is it")
    assert answer.thought == "C cuts" and answer.answer == "(1, 2)"
    assert answer.span_s == (2.0, 3.0), "in seconds of the film, not of the part"
    assert answer.part_s == (1.0, 3.0) and answer.notes == []


def test_a_box_is_of_the_frame_in_the_middle_of_the_part(opened, film):
    model, _ = saying(opened, "<think>here</think><answer>[12, 32, 40, 56]</answer>")
    answer, _ = ask.ask(model, film, "where is the green cup?", view="ego", start_s=2.0, end_s=3.0)
    assert answer.box_xyxy == (12, 32, 40, 56) and set(answer.times_s) == {2.5}
    assert ask.ask(model, film, "what is there?", view="ego", target_kind="box")[0].box_xyxy is not None


@pytest.mark.parametrize(
    ("question", "said", "note"),
    [
        ("where is the cup?", "on the left", "no box can be read from the answer"),
        ("when does C cut?", "<think></think><answer>(3, 2)</answer>", "no interval can be read from the answer"),
        ("when does C cut?", "<think></think><answer>(3, 9)</answer>", "the interval ends behind the 4 s"),
    ],
)
def test_an_answer_that_cannot_be_drawn_says_so(opened, film, question, said, note):
    answer, _ = ask.ask(saying(opened, said)[0], film, question, view="ego")
    assert [each for each in answer.notes if note in each]


def test_a_window_longer_than_training_shows_says_so(opened, data, tmp_path):
    frames = np.zeros((130, 16, 16, 3), np.uint8)
    video.write(tmp_path / "long.mp4", frames, fps=1, size_px=16)
    model = replace(
        opened, data=data.model_copy(update={"egore": data.egore.model_copy(update={"window_max_s": 120.0})})
    )
    answer, _ = ask.ask(saying(model, "")[0], tmp_path / "long.mp4", "what does C do?", view="ego")
    assert answer.notes == ["130 s were shown by 32 frames, training shows at most 120 s: ask about a part"]


def test_images_are_a_video_and_one_image_is_a_still(opened, data, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(40):
        cv2.imwrite(str(folder / f"{number:03}.png"), np.full((48, 64, 3), 6 * number, np.uint8))
        if number == 0:
            for still in (folder, folder / "000.png"):
                one, _ = ask.ask(opened, still, QUESTION, view="exo")
                assert one.frames == [0] * data.frames.image_frames and one.view == "exo" and one.completion
    many, _ = ask.ask(opened, folder, QUESTION, view="ego")
    assert len(many.frames) == data.frames.window_frames, "as long as a window"


def test_what_cannot_be_asked_is_refused(checkpoint, opened, data, film, tmp_path):
    with pytest.raises(ValueError, match="holds no whole model; allowed are"):
        ask.open_model(tmp_path, data, max_new_tokens=4)
    export.export(checkpoint, tmp_path / "part", part="language_model")
    with pytest.raises(ValueError, match="holds no whole model"):
        ask.open_model(tmp_path / "part", data, max_new_tokens=4)
    other = data.model_copy(update={"frames": data.frames.model_copy(update={"clip_frames": 2})})
    with pytest.raises(ValueError, match="was trained under the sampling contract"):
        ask.open_model(checkpoint, other, max_new_tokens=4)
    (checkpoint / "model/config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"config\.json has 2 bytes, it should be one of"):
        ask.open_model(checkpoint, data, max_new_tokens=4)
    with pytest.raises(ValueError, match="no such film.mp4"):
        ask.ask(opened, tmp_path / "no such film.mp4", QUESTION, view="ego")
    with pytest.raises(ValueError, match="from 5 to 4 s came, allowed are parts of its 4 s"):
        ask.ask(opened, film, QUESTION, view="ego", start_s=5.0)
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="one picture, in which nothing has a time"):
        ask.ask(opened, tmp_path / "one.png", "when does C cut?", view="ego")
    with pytest.raises(ValueError, match=r"taught to see \['ego'\] alone, 'exo' came"):
        ask.ask(replace(opened, views=("ego",)), film, QUESTION, view="exo")


@pytest.mark.parametrize(
    ("parents", "views"),
    [
        ({}, ("ego", "exo")),
        ({"all": "stage1"}, ("ego", "exo")),
        ({"language_model": "base_lm", "ego_encoder": "base_encoder"}, ("ego",)),
    ],
)
def test_a_view_whose_tower_was_never_trained_is_not_known(checkpoint, data, parents, views):
    made = json.loads((checkpoint / "stage.json").read_text())
    made["params"]["parents"] = parents
    (checkpoint / "stage.json").write_text(json.dumps(made))
    assert ask.open_model(checkpoint, data, max_new_tokens=4).views == views


def test_a_finished_model_is_read_by_transformers_own_classes(checkpoint, tmp_path):
    export.export(checkpoint, tmp_path / "exported")
    processor = AutoProcessor.from_pretrained(tmp_path / "exported")
    frames = list(np.full((2, 64, 64, 3), 99, np.uint8))
    prompt = processor.apply_chat_template(
        conversation(QUESTION, "ego", len(frames)), tokenize=False, add_generation_prompt=True
    )
    inputs = processor(images=frames, text=prompt, return_tensors="pt")
    ours = build.load_processor({"all": tmp_path / "exported"})(images=frames, text=prompt, return_tensors="pt")
    assert all(torch.equal(inputs[name], ours[name]) for name in ("input_ids", "pixel_values"))


def test_the_page_about_asking_runs(checkpoint, film, tmp_path, monkeypatch, capsys):
    export.export(checkpoint, tmp_path / "exported")
    shutil.copytree(ROOT / "params", tmp_path / "params")
    shutil.copy(film, tmp_path / "outside.mp4")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/asking.md").read_text(), re.DOTALL | re.MULTILINE)
    exec("\n".join(blocks), {})
    assert "[0.5, 1.5, 2.5, 3.5]\n" in capsys.readouterr().out
    with Image.open(tmp_path / "both.png") as drawn:
        assert drawn.width > 2 * drawing.WIDTH
