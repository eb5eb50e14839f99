"""Windows around events: inside the video, at every place, with the event once, and with frames that can tell when."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import video
from components.data.egore.perfect_seer import LEAST_IOU, perfect_iou, seen_spans
from components.data.egore.temporal_windows import WindowRules, cut
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
    """The perfect seer by the project's own sampling, writing, reading and scoring, one question at a time."""
    start_s, end_s, fps = row.start_s, row.end_s, row.fps
    frames = {"fps": fps, "n_frames": rules.n_frames, "total_frames": round(row.duration_s * fps)}
    times_s = video.sample_frame_indices(start_s, end_s, **frames) / fps - start_s
    seen = np.flatnonzero((row.from_s <= times_s) & (times_s < row.to_s))
    if not len(seen):
        seen = [np.abs(times_s - (row.from_s + row.to_s) / 2).argmin()]
    spacing_s = (end_s - start_s) / rules.n_frames
    answer = parse_span(format_span(seen[0] * spacing_s, (seen[-1] + 1) * spacing_s, rules.time_step_s))
    return temporal_iou(answer, (row.from_s, row.to_s))


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
    assert reasons.tolist() == ["", ""] and len(windows) == 6


def test_a_short_video_is_shown_whole_and_once():
    windows, _ = cut(table([(3.0, 6.0), (8.0, 10.0)], duration_s=16.0), RULES)
    assert windows[["start_s", "end_s", "from_s", "to_s"]].to_numpy().tolist() == [[0, 16, 3, 6], [0, 16, 8, 10]]


def test_events_stand_at_every_place_of_their_windows_and_windows_have_many_lengths():
    spans = [(20.0 * number, 20.0 * number + 4.0) for number in range(150)]
    windows, reasons = cut(table(spans, duration_s=3000.0), RULES)
    assert Counter(reasons) == {"": 150} and len(windows) > 440, "two windows at the edge of the video may be the same"
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
    """What a perfect seer has of events of 2 to 3 s."""
    rng = np.random.default_rng(0)
    from_s = rng.uniform(0, window_s - 3, 4000)
    to_s = from_s + rng.uniform(2, 3.3, 4000)
    times_s = video.middles(np.full(4000, window_s), n_frames)
    frames = {"shown_s": times_s, "told_s": times_s, "window_s": np.full(4000, window_s)}
    assert perfect_iou(from_s, to_s, time_step_s=0.25, **frames).mean() == pytest.approx(found, abs=0.04)


def test_a_frame_stands_for_the_time_around_it():
    times_s = np.array([[0.25, 0.75, 1.25, 1.75]])
    frames = {"shown_s": times_s, "told_s": times_s, "window_s": np.array([2.0])}
    assert seen_spans(np.array([0.6]), np.array([1.4]), **frames).tolist() == [[0.5, 1.5]]
    assert seen_spans(np.array([0.8]), np.array([1.1]), **frames).tolist() == [[0.5, 1.0]], "between two frames"
    assert seen_spans(np.array([1.3]), np.array([2.0]), **frames).tolist() == [[1.5, 2.0]]
