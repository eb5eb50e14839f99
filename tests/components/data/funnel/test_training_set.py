"""The classifier learns from whatever has a known view, the detector from whatever ego video has boxes."""

import pytest

from components import records
from components.data.funnel import training_set
from tests.components.data.conftest import annotation_tables, write_annotations

CLIP = {"moment_id": "m", "narration_id": "n", "source": "egoexo4d", "start_s": 2.0, "end_s": 3.0, "text": "cuts"}


def written(folder, tables: dict, *, clips=(), media=()):
    data_dir = write_annotations(folder / "data", annotation_tables() | tables)
    records.write_table(data_dir / "clips/clips.parquet", clips, records.CLIP)
    records.write_table(data_dir / "media/videos.parquet", media, records.VIDEO)
    return data_dir


def of_take(row: dict, take: str) -> dict:
    return row | {"take_id": take, "video_id": f"{take}-{row['camera_id']}", "path": f"{take}/{row['camera_id']}.mp4"}


def test_takes_of_both_views_with_boxes_come_first(tmp_path, rows):
    more = [of_take(row, f"take-{n}x") for n, row in enumerate(rows["videos"])]  # without clips and boxes
    clips = [
        CLIP | {name: row[name] for name in ("take_id", "video_id", "view", "split")} | {"clip_id": row["video_id"]}
        for row in rows["videos"]
    ]
    data_dir = written(tmp_path, {"videos": more + rows["videos"]}, clips=clips)
    drawn = training_set.sample_videos(data_dir, takes=4, split="train", needs_boxes=True, seed=1)
    takes = {video.take_id for video in drawn}
    assert len(drawn) == 8 and len(takes) == 4 and not any(take.endswith("x") for take in takes)
    assert all(len(video.stills) == (5 if video.is_ego else 0) for video in drawn)
    assert {video.spans for video in drawn} == {((0.5, 4.5),)}
    again = training_set.sample_videos(data_dir, takes=4, split="train", needs_boxes=True, seed=1)
    assert again == drawn != training_set.sample_videos(data_dir, takes=4, split="train", needs_boxes=True, seed=2)


def test_views_and_boxes_may_come_from_different_corpora(tmp_path, rows):
    """EPIC-KITCHENS has ego videos, some with boxes, and no exo view; stock videos show the exo view."""
    ego = [row | {"source": "epic100"} for row in rows["videos"] if row["view"] == "ego"]
    exo = [row | {"source": "webvid"} for row in rows["videos"] if row["camera_id"] == "cam01"]
    exo = [of_take(row, f"web{number}") for number, row in enumerate(exo)]
    image = of_take(exo[0], "image") | {"duration_s": 0.04}
    boxes = [row for row in rows["boxes"] if row["take_id"] in ("take-1", "take-3")]
    data_dir = written(tmp_path, {"videos": ego, "boxes": boxes}, media=[image, *exo])
    for split, boxed, views in (("train", "take-1", 10), ("test", "take-3", 2)):
        drawn = training_set.sample_videos(data_dir, takes=20, split=split, needs_boxes=True, seed=1)
        assert sorted(video.is_ego for video in drawn) == [False] * views + [True] * views
        assert {video.source for video in drawn if not video.is_ego} == {"webvid"}
        assert [video.take_id for video in drawn if video.stills] == [boxed]
        assert all(video.spans == ((2.0, 6.0), (10.0, 14.0)) for video in drawn)
    (first,) = [
        video
        for video in training_set.sample_videos(data_dir, takes=1, split="train", needs_boxes=True, seed=1)
        if video.is_ego
    ]
    assert first.take_id == "take-1"  # the one that the detector can learn from


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"boxes": []}, "{'ego': 10, 'exo': 10} of known view, 0 of them with boxes"),
        ({"videos": "ego"}, "{'ego': 10} of known view, 10 of them with boxes"),
    ],
)
def test_what_there_is_to_learn_from_is_counted_where_it_is_too_little(tmp_path, rows, kept, said):
    if "videos" in kept:
        kept = {"videos": [row for row in rows["videos"] if row["view"] == kept["videos"]]}
    with pytest.raises(ValueError, match="funnel: the split train has videos") as error:
        training_set.sample_videos(written(tmp_path, kept), takes=4, split="train", needs_boxes=True, seed=1)
    assert said in str(error.value)


def test_a_detector_that_learns_nothing_needs_no_boxes(tmp_path):
    data_dir = written(tmp_path, {"boxes": []})
    drawn = training_set.sample_videos(data_dir, takes=4, split="train", needs_boxes=False, seed=1)
    assert sorted(video.is_ego for video in drawn) == [False] * 4 + [True] * 4
    assert not any(video.stills or video.boxes for video in drawn)
