"""A stage that shows fewer frames than the data was made for leaves out what they cannot tell, and says so."""

import logging

import numpy as np
import pyarrow as pa
import pytest

from components import records
from components.data.time_resolution import is_resolvable
from components.metrics import temporal_iou
from components.models.frame_choice import evenly
from components.prompts import format_span, parse_span
from components.train.time_resolution import leave_out

KEY = "egore/ground_temporal/ego"
FRAMES = {"clip": 4, "window": 32}


def row(number: int, target: dict, *, frame_kind: str = "window", end_s: float = 26.0) -> dict:
    span = {"video_id": "v", "view": "ego", "start_s": 10.0, "end_s": end_s}
    corpus, task, view = KEY.split("/")
    made = {"sample_id": f"s{number}", "corpus": corpus, "task": task, "view": view, "split": "train"}
    return made | {"frame_kind": frame_kind, "media": [span], "paired": [], "target": target}


def table(spans: list[tuple[float, float]]) -> pa.Table:
    rows = [row(0, {"kind": "text", "text": "a cup"}, frame_kind="clip")]
    for number, (start_s, end_s) in enumerate(spans, start=1):
        rows.append(row(number, {"kind": "span", "span": {"start_s": start_s, "end_s": end_s}}))
    return pa.Table.from_pylist(rows, records.SAMPLE)


@pytest.mark.parametrize("most", [None, 16, 7])
def test_what_is_kept_is_what_a_perfect_seer_of_the_frames_shown_answers(most):
    rng = np.random.default_rng(0)
    starts_s = rng.uniform(0, 10, 60)
    spans = [(start_s, start_s + length_s) for start_s, length_s in zip(starts_s, rng.uniform(1, 6, 60), strict=True)]
    shown = {kind: (count, evenly(count, most)) for kind, count in FRAMES.items()}
    fine = is_resolvable(table(spans), shown=shown, time_step_s=0.25)
    every = {None: 0.5, 16: 1.0, 7: 2.5}[most]
    times_s = np.arange(0.25, 16, every)
    assert fine[0], "a question whose answer is no time"
    for is_fine, (start_s, end_s) in zip(fine[1:], spans, strict=True):
        seen = np.flatnonzero((start_s <= times_s) & (times_s < end_s))
        if not len(seen):
            seen = [np.abs(times_s - (start_s + end_s) / 2).argmin()]
        edges_s = [0.0, *(times_s[1:] + times_s[:-1]) / 2, 16.0]
        spans_s = (times_s[seen[0]], times_s[seen[-1]]), (edges_s[seen[0]], edges_s[seen[-1] + 1])
        answers = [parse_span(format_span(*span_s, 0.25)) for span_s in spans_s]
        assert is_fine == (min(temporal_iou(answer, (start_s, end_s)) for answer in answers) >= 0.8)
    assert fine.mean() > 0.5 if most is None else fine.mean() < 0.5


def test_what_is_left_out_is_counted_and_a_stage_without_any_is_refused(caplog):
    samples = table([(2.0, 5.0), (2.5, 13.0), (6.0, 6.9)])
    shown = {"n_frames": FRAMES, "most_frames": 7, "time_step_s": 0.25}
    with caplog.at_level(logging.WARNING):
        kept = leave_out(samples, {KEY: 1.0}, **shown)
    assert kept["sample_id"].to_pylist() == ["s0", "s2"]
    assert f"{KEY}: 2 of 4 samples are left out, whose time 7 frames cannot tell" in caplog.text
    with pytest.raises(ValueError, match=rf"`max_frames` 7 came.*any of the 2 events of {KEY}.*up to 32; mend"):
        leave_out(samples.take([1, 3]), {KEY: 1.0}, **shown)
