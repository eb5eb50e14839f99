"""The times of frames in a prompt: those of the frames that are decoded, and only where time is asked for."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import video
from components.data.frames.times import frame_times
from components.models.frame_choice import evenly
from components.models.processing import build_tokenizer
from components.prompts import (
    NO,
    YES,
    format_span,
    parse_span,
    split_think_answer,
    temporal_answer,
    temporal_question,
    time_line,
    timed_question,
    verification_question,
)
from tests.components import tiny_qwen
from tests.components.video import numbered_films as films
from tests.components.video.numbered_films import Kind

_LINE = re.compile(r"^(?P<window>[\d.]+) s, frames every (?P<every>[\d.]+) s from (?P<first>[\d.]+) s:")


def told_s(line: str, n_frames: int) -> np.ndarray:
    """Read the times of the frames off a prompt."""
    window_s, every_s, first_s = map(float, _LINE.match(line).groups())
    times_s = first_s + every_s * np.arange(n_frames)
    assert times_s[-1] < window_s + 1e-3 <= times_s[-1] + every_s + 1e-2, "the window ends before another would come"
    return times_s


@given(st.floats(0.5, 3600), st.integers(1, 64))
def test_the_line_determines_the_time_of_every_frame(window_s, n_frames):
    times_s = video.middles(window_s, n_frames)
    assert np.allclose(told_s(time_line(window_s, times_s), n_frames), times_s, atol=0.0035)


@given(st.floats(1, 120), st.integers(1, 64), st.integers(1, 64))
def test_the_line_is_true_of_some_of_the_frames_too(window_s, stored, most):
    times_s = video.middles(window_s, stored)[evenly(stored, most)]
    line = time_line(window_s, times_s)
    every_s, first_s = (float(_LINE.match(line)[name]) for name in ("every", "first"))
    assert len(times_s) <= most and np.allclose(first_s + every_s * np.arange(len(times_s)), times_s, atol=0.0035)


@pytest.mark.parametrize("is_constant", [True, False], ids=["constant rate", "variable rate"])
@pytest.mark.parametrize(("start_s", "end_s", "n_frames"), [(0.0, None, 7), (0.31, 1.43, 8), (0.9, None, 16)])
def test_the_times_that_are_told_are_those_of_the_frames_that_are_decoded(
    tmp_path, is_constant, start_s, end_s, n_frames
):
    """To the end of a film too, whatever the length of its last frame."""
    kind = Kind("h264", "mp4", "closed", True, is_constant, 0, 0)
    path = films.write(tmp_path, kind)
    probe = video.probe(path)
    media = [{"start_s": start_s, "end_s": probe.duration_s if end_s is None else end_s}]
    asked = {"question": temporal_question("C washes the red cup"), "answer": "", "target": {"kind": "span"}}
    prompt = timed_question(asked | {"media": media}, frame_times(media, n_frames))
    indices = video.sample_frame_indices(
        *media[0].values(), fps=probe.fps, n_frames=n_frames, total_frames=probe.index_count
    )
    shown = [films.number_in(frame) for frame in video.decode(path, indices, size_px=films.SIDE_PX)]
    edges_s = np.array([*films.times(kind)[:-1], probe.duration_s], dtype=float)  # the container ends the last frame
    times_s = start_s + told_s(prompt, n_frames)
    for time_s, number in zip(times_s, shown, strict=True):
        middle_s, half_s = edges_s[number : number + 2].mean(), np.diff(edges_s[number : number + 2])[0] / 2
        assert abs(time_s - middle_s) <= half_s + 2e-3, f"{time_s} s, frame {number}"


CHOICE = {"kind": "choice", "choices": [YES, NO], "answer_index": 0}
TEXT = {"kind": "text", "text": "a cup"}


@pytest.mark.parametrize(
    ("question", "answer", "target", "is_timed"),
    [
        (temporal_question("C cuts"), "(3, 6)", {"kind": "span"}, True),
        (temporal_question("C cuts"), "", TEXT, True),
        ("answer in a word. when did I open the fridge?", "at noon", TEXT, True),
        ("what happens at 12.5 s?", "a cup falls", TEXT, True),
        ("what is done first?", "at 3 s", {"kind": "choice", "choices": ["at 3 s", "at 9 s"]}, True),
        ("how long does C stir?", "long", TEXT, True),
        (verification_question("C cuts"), YES, CHOICE, False),
        ("what does C do?", "C cuts the red carrot.", TEXT, False),
        ("where is the cup when one enters?", "on the 2 shelves", TEXT, False),
    ],
)
def test_times_are_told_where_time_is_asked_for_and_nowhere_else(question, answer, target, is_timed):
    sample = {"question": question, "answer": answer, "target": target, "media": [{"start_s": 3.0, "end_s": 19.0}]}
    times_s = frame_times(sample["media"], 32)
    told = f"16 s, frames every 0.5 s from 0.25 s: {question}" if is_timed else question
    assert timed_question(sample, times_s) == told


def test_a_line_cannot_tell_of_several_spans():
    media = [{"start_s": 0.0, "end_s": 2.0}, {"start_s": 8.0, "end_s": 9.0}]
    sample = {"question": "when is it that C cuts?", "answer": "", "target": {"kind": "span"}, "media": media}
    assert frame_times(media, 4) is None and timed_question(sample, None) == sample["question"]


TOKENIZERS = {
    "word pieces": build_tokenizer([temporal_answer("C cuts", 0.0, 1.0, 1.0), time_line(16.0, [0.25, 0.75])]),
    "bytes": tiny_qwen.tokenizer(),
}


@pytest.mark.parametrize("name", TOKENIZERS)
@given(st.floats(0, 3600), st.floats(0, 3600), st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0]))
def test_times_survive_writing_the_tokenizer_and_reading(name, one, other, step_s):
    start_s, end_s = sorted((one, other))
    tokenizer, answer = TOKENIZERS[name], temporal_answer("C cuts", start_s, end_s, step_s)
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids or name == "bytes"
    _, said = split_think_answer(tokenizer.decode(ids, skip_special_tokens=True))
    assert parse_span(said) == parse_span(format_span(start_s, end_s, step_s))
    back = parse_span(said)
    assert abs(back[0] - start_s) <= step_s / 2 + 1e-6 and back[0] < back[1]
    assert back[1] - max(end_s, back[0] + step_s) <= step_s / 2 + 1e-6


def test_small_numbers_are_one_token_as_before_and_large_ones_are_pieces():
    tokenizer = TOKENIZERS["word pieces"]

    def pieces(text: str) -> list[str]:
        return tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"])

    assert pieces("(3, 100)") == ["(", "3", ",", "100", ")"]
    assert pieces("1203.05") == ["12", "##0", "##3", ".", "0", "##5"]
    assert len(pieces(time_line(16.0, [0.25, 0.75]))) == 15, "tokens that the line costs"
