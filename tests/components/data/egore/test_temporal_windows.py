"""Windows around events: inside the video, at every place, with the event once, and with frames that can tell when."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import video
from components.data.egore.perfect_seer import LEAST_IOU, perfect_iou, seen_spans
from components.data.egore.temporal_windows import WindowRules, cut
from components.data.quality.near_duplicates import near_duplicates
from components.metrics import temporal_iou
from components.prompts import format_span, parse_span

FPS = 30.0
RULES = WindowRules(max_s=120.0, per_event=3, n_frames=32, time_step_s=0.25, seed=7)


def table(spans: list[tuple[float, float]], *, duration_s: float, fps: float = FPS, texts: list[str] | None = None):
    named = texts or [f"event {number}" for number in range(len(spans))]
    frame = pd.DataFrame(spans, columns=["start_s", "end_s"], dtype=float).assign(event=named)
    ids = [f"i{number}" for number in range(len(spans))]
    return frame.assign(interval_id=ids, source="epic100", video_id="v", duration_s=duration_s, fps=fps)


def oracle(row, rules: WindowRules) -> float:
    """The worst answer of the perfect seer by the project's own sampling, writing, reading and scoring, one by one."""
    start_s, end_s, fps = row.start_s, row.end_s, row.fps
    frames = {"fps": fps, "n_frames": rules.n_frames, "total_frames": round(row.duration_s * fps)}
    shown_s = video.sample_frame_indices(start_s, end_s, **frames) / fps - start_s
    spacing_s = (end_s - start_s) / rules.n_frames
    told_s = spacing_s * (np.arange(rules.n_frames) + 0.5)
    found = []
    for times_s in (shown_s, told_s):
        seen = np.flatnonzero((row.from_s <= times_s) & (times_s < row.to_s))
        if not len(seen):
            seen = [np.abs(times_s - (row.from_s + row.to_s) / 2).argmin()]
        for around_s in (0.0, spacing_s / 2):
            said = format_span(told_s[seen[0]] - around_s, told_s[seen[-1]] + around_s, rules.time_step_s)
            found.append(temporal_iou(parse_span(said), (row.from_s, row.to_s)))
    return min(found)


EVENTS = st.lists(
    st.tuples(st.floats(0, 3500), st.floats(0.3, 90)).map(lambda span: (span[0], span[0] + span[1])),
    min_size=1, max_size=8,
)  # fmt: skip
SOME_RULES = st.builds(
    WindowRules,
    max_s=st.sampled_from([16.0, 60.0, 120.0]), per_event=st.integers(1, 3), n_frames=st.sampled_from([7, 16, 32]),
    time_step_s=st.sampled_from([0.25, 1.0]), seed=st.integers(0, 9),
)  # fmt: skip


@given(EVENTS, SOME_RULES, st.sampled_from([10.0, 200.0, 3600.0]), st.sampled_from([1.0, 8.0, 29.97]), st.booleans())
def test_every_window_holds_its_event_once_and_its_frames_tell_when(spans, rules, duration_s, fps, alike):
    events = table(spans, duration_s=duration_s, fps=fps, texts=["C cuts"] * len(spans) if alike else None)
    windows, reasons = cut(events, rules)
    told = events.set_index("interval_id")
    assert set(windows["interval_id"]) == set(events["interval_id"][reasons == ""])
    of_event = windows.assign(corpus="", task="", question_type="", question=windows["interval_id"], answer="")
    assert not near_duplicates(of_event).any()
    for row in windows.itertuples():
        span = told.loc[row.interval_id]
        assert (row.start_s + row.from_s, row.start_s + row.to_s) == pytest.approx((span.start_s, span.end_s))
        assert 0 <= row.start_s and row.end_s <= duration_s + 1e-6 and row.end_s - row.start_s <= rules.max_s + 1e-6
        assert -1e-6 <= row.from_s < row.to_s <= row.end_s - row.start_s + 1e-6
        assert oracle(row, rules) >= LEAST_IOU - 1e-9
        if alike:
            shown = (told["start_s"] < row.end_s) & (told["end_s"] > row.start_s)
            assert shown.sum() == 1


def test_the_reasons_say_why_an_event_has_no_window():
    spans = [(10.0, 12.0), (11.0, 13.0), (50.0, 50.1), (100.0, 300.0), (390.0, 401.0), (200.0, 203.0)]
    texts = ["twice", "twice", "short", "long", "outside", "fine"]
    _, reasons = cut(table(spans, duration_s=400.0, texts=texts), RULES)
    assert reasons.tolist() == [
        "event_repeats", "event_repeats", "unresolvable", "longer_than_window", "outside_video", "",
    ]  # fmt: skip


def test_an_event_that_comes_again_later_is_asked_for_in_windows_that_hold_it_once():
    windows, reasons = cut(table([(10.0, 14.0), (300.0, 304.0)], duration_s=400.0, texts=["C cuts"] * 2), RULES)
    assert reasons.tolist() == ["", ""] and windows["interval_id"].nunique() == 2


def test_a_short_video_is_shown_whole_and_once():
    windows, _ = cut(table([(3.0, 6.0), (8.0, 11.0)], duration_s=16.0), RULES)
    assert windows[["start_s", "end_s", "from_s", "to_s"]].to_numpy().tolist() == [[0, 16, 3, 6], [0, 16, 8, 11]]


def test_events_stand_at_every_place_of_their_windows_and_windows_have_many_lengths():
    spans = [(20.0 * number, 20.0 * number + 4.0) for number in range(150)]
    windows, reasons = cut(table(spans, duration_s=3000.0), RULES)
    assert Counter(reasons) == {"": 150} and len(windows) > 390, "two windows of an event may nearly be the same"
    lengths_s = windows["end_s"] - windows["start_s"]
    places = windows["from_s"] / (lengths_s - (windows["to_s"] - windows["from_s"]))
    assert np.histogram(places, bins=5, range=(0, 1))[0].min() > 60
    hundredths = lengths_s / RULES.n_frames * 100
    assert lengths_s.nunique() > 100 and np.allclose(hundredths, hundredths.round(), atol=1e-6)


def test_the_order_of_the_rows_changes_no_window():
    events = table([(20.0 * number, 20.0 * number + 4.0) for number in range(9)], duration_s=3000.0)
    one, other = cut(events, RULES)[0], cut(events[::-1], RULES)[0]
    keys = ["interval_id", "start_s"]
    assert one.sort_values(keys).reset_index(drop=True).equals(other.sort_values(keys).reset_index(drop=True))


def test_no_event_gives_no_window():
    windows, reasons = cut(table([], duration_s=16.0), RULES)
    assert len(windows) == len(reasons) == 0


@pytest.mark.parametrize(("window_s", "n_frames", "found"), [(60.0, 7, 0.31), (640.0, 32, 0.14), (16.0, 32, 0.9)])
def test_few_frames_of_a_long_window_tell_little(window_s, n_frames, found):
    """What a perfect seer has of events of 2 to 3 s, by the better of its answers."""
    rng = np.random.default_rng(0)
    from_s = rng.uniform(0, window_s - 3, 4000)
    to_s = from_s + rng.uniform(2, 3.3, 4000)
    times_s, lengths_s = video.middles(np.full(4000, window_s), n_frames), np.full(4000, window_s)
    _, answers = seen_spans(from_s, to_s, seen_s=times_s, told_s=times_s, window_s=lengths_s)
    iou = [temporal_iou(answer, truth) for answer, truth in zip(answers, np.stack([from_s, to_s], 1), strict=True)]
    assert np.mean(iou) == pytest.approx(found, abs=0.04)
    frames = {"shown_s": times_s, "told_s": times_s, "window_s": lengths_s}
    assert (perfect_iou(from_s, to_s, time_step_s=0.01, **frames) <= np.array(iou) + 0.02).all(), "the worst counts"


def test_a_frame_is_an_instant_or_the_time_around_it():
    times_s = np.array([[0.25, 0.75, 1.25, 1.75]])
    frames = {"seen_s": times_s, "told_s": times_s, "window_s": np.array([2.0])}

    def answers(from_s: float, to_s: float) -> list:
        return [answer[0].tolist() for answer in seen_spans(np.array([from_s]), np.array([to_s]), **frames)]

    assert answers(0.6, 1.4) == [[0.75, 1.25], [0.5, 1.5]]
    assert answers(0.8, 1.1) == [[0.75, 0.75], [0.5, 1.0]], "between two frames"
    assert answers(1.3, 2.0) == [[1.75, 1.75], [1.5, 2.0]]


def test_the_released_intervals_of_egoexolearn_keep_nearly_all_their_questions():
    path = Path("../shared/data/egoexolearn_fine_annotation_test.csv")
    if not path.is_file():
        pytest.skip(f"{path} is not there: the released table is not part of the project")
    columns = {"annotation_id": "interval_id", "video_uid": "video_id", "start_sec": "start_s", "end_sec": "end_s"}
    events = pd.read_csv(path).rename(columns=columns).iloc[:4000]
    last_s = events.groupby("video_id")["end_s"].transform("max")
    events = events.assign(source="egoexolearn", event=events["interval_id"], duration_s=last_s, fps=FPS)
    windows, reasons = cut(events, RULES)
    assert (reasons == "").mean() > 0.95 and set(reasons) <= {"", "unresolvable", "longer_than_window"}
    assert min(oracle(row, RULES) for row in windows.iloc[::10].itertuples()) >= LEAST_IOU - 1e-9
    whole, _ = cut(events, WindowRules(max_s=120.0, per_event=1, n_frames=32, time_step_s=1.0, seed=7))
    assert len(whole) < 0.8 * len(events), "whole seconds are too coarse for them"
