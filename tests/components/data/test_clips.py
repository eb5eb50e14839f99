"""Ego-ExoClip against a slow reference of the formula, and each reject by its reason."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import records
from components.data import clips
from tests.components.data.conftest import TAKE_S, annotation_tables, write_annotations


def reference(times_by_timeline: dict[str, list[float]], duration_s: float, alpha_s: float) -> dict:
    """The formula of systems §1.1, one narration at a time."""
    spans = {}
    for timeline, times in times_by_timeline.items():
        n = len(times) - 1
        for i, t in enumerate(times):
            if n == 0:
                spans[timeline, t] = (math.nan, math.nan)
                continue
            beta = sum(times[j + 1] - times[j] for j in range(n)) / n
            half = beta / (2 * alpha_s)
            start, end = max(t - half, 0.0), min(t + half, duration_s)
            spans[timeline, t] = (
                max(start, times[i - 1]) if i else start,
                min(end, times[i + 1]) if i < n else end,
            )
    return spans


TIMELINES = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    st.lists(st.integers(0, 16000), min_size=1, max_size=9, unique=True).map(lambda ms: sorted(t / 1000 for t in ms)),
    min_size=1,
    max_size=4,
)


@given(TIMELINES, st.floats(0.05, 10), st.randoms())
def test_windows_equal_the_slow_formula(times_by_timeline, alpha_s, random):
    # interleave the timelines, keeping the order inside each
    tagged = [(random.random(), timeline) for timeline, times in times_by_timeline.items() for _ in times]
    turns = [timeline for _, timeline in sorted(tagged)]
    queue = {timeline: iter(times) for timeline, times in times_by_timeline.items()}
    times = np.array([next(queue[timeline]) for timeline in turns])
    start, end = clips.windows(times, np.full(len(times), TAKE_S), alpha_s, timeline=np.array(turns, dtype=object))
    expected = reference(times_by_timeline, TAKE_S, alpha_s)
    got = list(zip(start, end, strict=True))
    np.testing.assert_allclose(got, [expected[key] for key in zip(turns, times, strict=True)], rtol=0, atol=1e-9)


@given(TIMELINES, st.floats(0.05, 10))
def test_windows_hold_their_narration_and_stay_inside(times_by_timeline, alpha_s):
    times = np.array([t for ts in times_by_timeline.values() for t in ts])
    timeline = np.array([name for name, ts in times_by_timeline.items() for _ in ts], dtype=object)
    start, end = clips.windows(times, np.full(len(times), TAKE_S), alpha_s, timeline=timeline)
    defined = ~np.isnan(start)
    assert ((start >= 0) & (start <= times) & (times <= end) & (end <= TAKE_S))[defined].all()


def test_windows_refuse_equal_times():
    with pytest.raises(ValueError, match="'a'.*strictly increasing"):
        clips.windows(np.array([1.0, 1.0]), np.full(2, 9.0), 1.0, timeline=np.array(["a", "a"], dtype=object))


def test_the_worked_example():
    # beta = (9 - 1) / 2 = 4 s; h = 4 / (2 * 2) = 1 s
    start, end = clips.windows(
        np.array([1.0, 8.5, 9.0]), np.full(3, 9.5), 2.0, timeline=np.array(["a"] * 3, dtype=object)
    )
    assert start.tolist() == [0.0, 7.5, 8.5]
    assert end.tolist() == [2.0, 9.0, 9.5]


def made(data_dir) -> tuple[dict, list[dict], Counter]:
    folder = data_dir / "clips"
    rejects = records.read_table(folder / "rejects.parquet", records.REJECT).to_pylist()
    table = records.read_table(folder / "clips.parquet", records.CLIP).to_pylist()
    return json.loads((folder / "stats.json").read_text()), table, Counter(row["reason"] for row in rejects)


def test_every_view_of_a_moment_has_the_same_span(annotated, data_params):
    clips.run(data_params, annotated)
    _, table, _ = made(annotated)
    by_moment: dict[str, list[dict]] = {}
    for row in table:
        by_moment.setdefault(row["moment_id"], []).append(row)
    for views in by_moment.values():
        assert sorted(row["view"] for row in views) == ["ego", "exo", "exo"]
        assert len({(row["start_s"], row["end_s"], row["text"], row["narration_id"]) for row in views}) == 1
        assert len({row["video_id"] for row in views}) == 3


def test_alpha_is_of_training_takes_only(tmp_path, rows, data_params):
    clips.run(data_params, write_annotations(tmp_path / "a", rows))
    for row in rows["narrations"]:
        if row["split"] == "test":
            row["time_s"] *= 0.5
    clips.run(data_params, write_annotations(tmp_path / "b", rows))
    assert made(tmp_path / "a")[0]["alpha_s"] == made(tmp_path / "b")[0]["alpha_s"]


def test_alpha_is_the_mean_beta(annotated, rows, data_params):
    clips.run(data_params, annotated)
    times: dict[str, list[float]] = {}
    for row in rows["narrations"]:
        if row["split"] == "train":
            times.setdefault(row["take_id"], []).append(row["time_s"])
    mean = np.mean([(max(t) - min(t)) / (len(t) - 1) for t in times.values()])
    assert made(annotated)[0]["alpha_s"] == pytest.approx(mean)


def change(rows: dict, row: int, **values) -> dict:
    rows["narrations"][row].update(values)
    return rows


@pytest.mark.parametrize(
    ("values", "reason", "count"),
    [
        ({"unsure": True}, "unsure", 1),
        ({"text": "O picks up the red cup."}, "not_camera_wearer", 1),
        ({"text": "#O O picks up the red cup."}, "not_camera_wearer", 1),
        ({"text": "  "}, "empty_text", 1),
        ({"time_s": 16.5}, "outside_video", 1),
        ({"take_id": "unknown"}, "no_video", 1),
        ({"ego_visible": False}, "not_visible_in_ego", 1),
    ],
)
def test_a_bad_narration_is_rejected_by_its_reason(tmp_path, rows, data_params, values, reason, count):
    clips.run(data_params, write_annotations(tmp_path, change(rows, 4, **values)))
    stats, table, rejects = made(tmp_path)
    assert rejects[reason] == stats["rejects"][reason] == count
    if reason == "not_visible_in_ego":
        hidden = [row["view"] for row in table if row["narration_id"] == rows["narrations"][4]["narration_id"]]
        assert hidden == ["exo", "exo"]


def test_equal_times_collapse_to_the_usable_narration(tmp_path, rows, data_params):
    first, second = (
        row for row in rows["narrations"][:6] if row["take_id"] == "take-0" and "n1" in row["narration_id"]
    )
    first.update(unsure=True)
    second.update(time_s=first["time_s"])
    clips.run(data_params, write_annotations(tmp_path / "a", rows))
    _, table, rejects = made(tmp_path / "a")
    assert rejects["unsure"] == 1 and rejects["equal_time"] == 0
    assert second["narration_id"] in {row["narration_id"] for row in table}
    first.update(unsure=False)
    clips.run(data_params, write_annotations(tmp_path / "b", rows))
    assert made(tmp_path / "b")[2]["equal_time"] == 1


def test_a_take_with_one_narration_has_no_clips(tmp_path, rows, data_params):
    kept = [row for row in rows["narrations"] if row["take_id"] != "take-0"]
    single = next(row for row in rows["narrations"] if row["take_id"] == "take-0")
    clips.run(data_params, write_annotations(tmp_path, rows | {"narrations": [*kept, single]}))
    _, table, rejects = made(tmp_path)
    assert rejects["single_narration"] == 1
    assert "take-0" not in {row["take_id"] for row in table}


def test_short_clips_are_rejected_per_view(tmp_path, rows, data_params):
    rows["narrations"][1]["time_s"] = rows["narrations"][0]["time_s"] + 0.1
    rows["narrations"][2]["time_s"] = rows["narrations"][0]["time_s"] + 0.15
    clips.run(data_params, write_annotations(tmp_path, rows))
    _, table, rejects = made(tmp_path)
    assert rejects["under_min_frames"] == 3
    assert all((row["end_s"] - row["start_s"]) * 8 >= 2 - 1e-6 for row in table)


def test_per_annotator_timelines_are_longer(tmp_path, rows, data_params):
    separate = data_params.model_copy(
        update={"clips": data_params.clips.model_copy(update={"annotators": "per_annotator"})}
    )
    clips.run(data_params, write_annotations(tmp_path / "merged", rows))
    clips.run(separate, write_annotations(tmp_path / "each", rows))
    assert made(tmp_path / "each")[0]["alpha_s"] > made(tmp_path / "merged")[0]["alpha_s"]


def test_nothing_is_lost(annotated, data_params):
    for _what, before, after, rejected in clips.run(data_params, annotated)["ledger"]:
        assert before == after + rejected > 0


def test_same_bytes_whatever_the_row_order(tmp_path, data_params):
    rows = annotation_tables()
    clips.run(data_params, write_annotations(tmp_path / "a", rows))
    clips.run(data_params, write_annotations(tmp_path / "b", {name: table[::-1] for name, table in rows.items()}))
    assert made(tmp_path / "a")[:2] == made(tmp_path / "b")[:2]
    clips.run(data_params, write_annotations(tmp_path / "c", rows))
    for name in ("clips.parquet", "rejects.parquet", "stats.json"):
        assert (tmp_path / "a/clips" / name).read_bytes() == (tmp_path / "c/clips" / name).read_bytes()
