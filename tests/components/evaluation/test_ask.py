"""A question about a video file or a folder of images is answered by the tiny model, as evaluation would ask it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from components import params, video
from components.data.frames.step import contract_of
from components.data.frames.times import frame_times
from components.evaluation import ask
from components.evaluation.replies import Reply
from components.models import export
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
        "params": {"guidance": False, "reasoned": False, "max_new_tokens": 3, "grpo": None},
        "frames_contract": contract_of(data.frames)["digest"],
    }
    checkpoints.save(model, processor, tmp_path / "stage1-k", provenance)
    return tmp_path / "stage1-k"


@pytest.fixture
def film(tmp_path) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (32, 64, 64, 3), dtype=np.uint8)
    video.write(tmp_path / "film.mp4", frames, fps=8, size_px=64)
    return tmp_path / "film.mp4"


def test_a_film_is_answered_alike_by_a_checkpoint_and_its_export(checkpoint, data, film, tmp_path):
    export.export(checkpoint, tmp_path / "exported")
    answers = [
        ask.ask(film, QUESTION, folder, data, view="ego", max_new_tokens=8)
        for folder in (checkpoint, tmp_path / "exported")
    ]
    assert answers[0].answer == answers[1].answer and answers[0].answer
    n_frames = data.frames.clip_frames
    expected = video.sample_frame_indices(0.0, 4.0, fps=8, n_frames=n_frames, total_frames=32)
    assert answers[0].frames == expected.tolist() and answers[0].times_s == [n / 8 for n in answers[0].frames]


def test_a_question_about_time_is_asked_with_the_times_of_the_frames(checkpoint, data, film, monkeypatch):
    asked = []

    class Listener:
        def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
            asked.extend(samples)
            return [Reply("")]

    monkeypatch.setattr(ask, "answerer_of", lambda *arguments, **limits: Listener())
    answer = ask.ask(film, "when is it that C cuts the fish?", checkpoint, data, view="ego", max_new_tokens=4)
    question = timed_question(asked[0], frame_times(asked[0]["media"], len(answer.frames)))
    assert question == "4 s, frames every 1 s from 0.5 s: when is it that C cuts the fish?"
    assert answer.times_s == [0.5, 1.5, 2.5, 3.5]


def test_images_are_a_video_and_one_image_is_a_still(checkpoint, data, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(40):
        cv2.imwrite(str(folder / f"{number:03}.png"), np.full((48, 64, 3), 6 * number, np.uint8))
        if number == 0:
            one = ask.ask(folder, QUESTION, checkpoint, data, view="exo", max_new_tokens=4)
            assert one.frames == [0] * data.frames.image_frames and one.view == "exo"
    many = ask.ask(folder, QUESTION, checkpoint, data, view="ego", max_new_tokens=4)
    assert len(many.frames) == data.frames.window_frames, "as long as a window"


def test_what_cannot_be_asked_is_refused(checkpoint, data, film, tmp_path):
    with pytest.raises(ValueError, match="holds no whole model; allowed are"):
        ask.ask(film, QUESTION, tmp_path, data, view="ego", max_new_tokens=4)
    export.export(checkpoint, tmp_path / "part", part="language_model")
    with pytest.raises(ValueError, match="holds no whole model"):
        ask.ask(film, QUESTION, tmp_path / "part", data, view="ego", max_new_tokens=4)
    with pytest.raises(ValueError, match="no such film.mp4"):
        ask.ask(tmp_path / "no such film.mp4", QUESTION, checkpoint, data, view="ego", max_new_tokens=4)
    other = data.model_copy(update={"frames": data.frames.model_copy(update={"clip_frames": 2})})
    with pytest.raises(ValueError, match="was trained under the sampling contract"):
        ask.ask(film, QUESTION, checkpoint, other, view="ego", max_new_tokens=4)
