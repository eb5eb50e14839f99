"""EPIC-KITCHENS-100, VISOR and Ego4D as the world writes them, read by the real readers: the truth is the script."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from components import params, video
from components.data import annotations
from components.prompts.kitchen_grammar import parse_narration
from components.video.killable_worker import KillableWorker
from components.world import ego4d, epic100, films, visor
from components.world.plan import WorldPlan
from components.world.shapes import ego_shapes
from tests.components.data.sources import written
from tests.conftest import PROJECT

SEED, SIZE_PX = 7, 32


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the step told, its tables, and the folder of the releases."""
    folder = tmp_path_factory.mktemp("releases")
    plan = WorldPlan(SEED, [], fps=8, size_px=SIZE_PX, is_egoexo4d_written=False, is_epic100_written=True)
    for name, writer in (("epic100", epic100), ("visor", visor), ("ego4d", ego4d)):
        (folder / name).mkdir()
        for film in writer.write(folder / name, plan):
            films.make(film, size_px=SIZE_PX)
    data = params.load(PROJECT / "params/data.yaml", params.Data)
    sources = params.Sources(**{name: folder / name for name in ("epic100", "visor", "ego4d")})
    told = annotations.run(data.model_copy(update={"sources": sources}), folder / "data")
    tables = {path.stem: pq.read_table(path).to_pylist() for path in (folder / "data/annotations").glob("*.parquet")}
    return told, tables, folder


def of_source(rows, source):
    return [row for row in rows if row["source"] == source]


def test_every_row_is_read_or_rejected_with_its_reason(made):
    told, tables, _ = made
    assert all(rows_in == kept + rejected for _, rows_in, kept, rejected in told["row_counts"])
    reasons = told["counts"]["reasons"]
    assert {name: count for name, count in reasons.items() if "no_video" not in name and "visor" not in name} == {
        "epic100/file_missing": 1,
        "epic100/frames_in_archive": 1,
        "epic100/frames_missing": 1,
        "epic100/wrong_frame_count": 1,
        "ego4d/redacted": 1,
        "ego4d/no_narrations": 1,
    }
    unread = [each for each in epic100.plan_videos(SEED) if each.defect]
    assert reasons["epic100/no_video"] == sum(len(each.take.events) for each in unread)
    lost = list(ego4d.scripts(SEED).values())[ego4d.MISSING]
    assert reasons["ego4d/no_video"] == 2 * (len(lost.events) + 1)
    assert tables["captions"] == tables["point_narrations"] == []


def test_videos_have_the_rate_and_length_at_which_they_are_shown(made):
    _, tables, folder = made
    rows = {row["take_name"]: row for row in of_source(tables["videos"], "epic100")}
    whole = {each.video_id: each for each in epic100.plan_videos(SEED) if not each.defect}
    assert set(rows) == set(whole)
    for name, each in whole.items():
        row, is_folder = rows[name], each.film_fps is None
        assert row["fps"] == pytest.approx(each.images_per_s if is_folder else float(each.film_fps), abs=1e-9)
        assert row["duration_s"] == pytest.approx(epic100.TAKE_S + each.early_images / row["fps"], abs=1 / row["fps"])
        assert row["split"] == {"train": "train", "val": "test"}[each.split]
        assert row["path"].endswith(f"rgb_frames/{name}" if is_folder else f"videos/{name}.MP4")
        last = round(row["duration_s"] * row["fps"]) - 1
        assert video.decode(folder / "epic100" / row["path"], np.array([0, last]), size_px=16).shape[0] == 2


def test_boxes_are_of_the_very_frame_of_films_of_every_rate_and_of_folders(made):
    _, tables, _ = made
    videos = {row["video_id"]: row for row in tables["videos"]}
    plan = {each.video_id: each for each in epic100.plan_videos(SEED)}
    told_apart = Counter()
    for row in tables["boxes"]:
        fps, each = videos[row["video_id"]]["fps"], plan[row["take_id"]]
        assert row["time_s"] == pytest.approx(row["frame"] / fps)
        differ = {
            step: off_percent(row, each.take, (row["frame"] + step - each.early_images) / fps) for step in (-1, 0, 1)
        }
        assert differ[0] <= 0.01, (each.video_id, row)
        told_apart[each.video_id] += min(differ[-1], differ[1]) > 0.01
    # what moves would lie elsewhere one frame before and after
    assert {name: count > 5 for name, count in told_apart.items()} == {
        name: True for name, each in plan.items() if not each.defect
    }


def off_percent(row, take, at_s):
    """How far a box is from the outline of its object at a time, percent of the frame; 100 where it is not in sight."""
    shapes = {shape.name: shape for shape in ego_shapes(take, max(0.0, at_s)) if shape.visible}
    if row["name"] not in shapes:
        return 100.0
    points = np.clip(np.concatenate(shapes[row["name"]].polygons), 0, 1) * 100
    return float(np.abs(np.array(row["box_xyxy"]) - [*points.min(0), *points.max(0)]).max())


def test_epic_narrations_are_the_events_of_the_script(made):
    _, tables, _ = made
    plan = {each.video_id: each for each in epic100.plan_videos(SEED)}
    rows = of_source(tables["narrations"], "epic100")
    assert len(rows) == sum(len(each.take.events) for each in plan.values() if not each.defect)
    told = Counter()
    for row in rows:
        take = plan[row["take_id"]].take
        event = take.events[told[row["take_id"]]]
        told[row["take_id"]] += 1
        assert row["text"] == f"{epic100.PHRASES[event.verb]} {take.facts(event).object}"
        assert abs(row["start_s"] - event.start_s) < 0.16 and abs(row["end_s"] - event.end_s) < 0.16
        assert row["start_s"] <= row["time_s"] <= row["end_s"] <= epic100.TAKE_S + 0.06
        assert (row["subject"], row["ego_visible"], row["unsure"]) == ("C", True, False)


def test_ego4d_narrations_fall_into_their_events_and_say_whose_action_it_is(made):
    _, tables, _ = made
    scripts = ego4d.scripts(SEED)
    videos = of_source(tables["videos"], "ego4d")
    missing = list(scripts)[ego4d.MISSING]
    assert {row["take_id"] for row in videos} == set(scripts) - {missing}
    assert {row["take_id"] for row in videos if row["split"] == "test"} == {list(scripts)[ego4d.HELD_OUT]}
    rows = of_source(tables["narrations"], "ego4d")
    assert Counter(row["subject"] for row in rows)["O"] == sum(row["text"].startswith("#O") for row in rows) > 2
    for row in rows:
        facts = parse_narration(row["text"])
        if facts is not None:
            take = scripts[row["take_id"]]
            (event,) = [event for event in take.events if take.facts(event) == facts]
            assert event.start_s <= row["time_s"] <= event.end_s and row["subject"] == "C"
            assert row["start_s"] is None and row["end_s"] is None


def test_a_large_film_has_the_time_that_a_slow_disk_takes_to_read_it(tmp_path, monkeypatch):
    said = {"timestamp_sec": 1.0, "narration_text": "#C C cuts"}
    sizes = {"short": 1_000_000, "hours": 10_000_000_000}
    written.as_json(tmp_path / "narration.json", {uid: {"narration_pass_1": {"narrations": [said]}} for uid in sizes})
    (tmp_path / "full_scale").mkdir()
    for uid, size in sizes.items():
        with (tmp_path / f"full_scale/{uid}.mp4").open("wb") as film:
            film.truncate(size)
    allowed_s = {}

    def call(self, function, path, fps):
        allowed_s[path.stem] = self.timeout_s
        return video.Probe(9.0, 30.0, 270)

    monkeypatch.setattr(KillableWorker, "call", call)
    data = params.load(PROJECT / "params/data.yaml", params.Data)
    annotations.run(data.model_copy(update={"sources": params.Sources(ego4d=tmp_path)}), tmp_path / "data")
    assert allowed_s == {"short": pytest.approx(30.05), "hours": pytest.approx(530.0)}
