import json

import numpy as np
import pyarrow as pa
import pytest

from components.data.sources import egoexo4d, visor
from components.video import probe
from components.world.shapes import ego_shapes
from tests.components.data.sources.written import gathered, gathered_tables

VIDEO = {
    "video_id": "v",
    "take_id": "t",
    "take_name": "kitchen_1",
    "source": "egoexo4d",
    "view": "ego",
    "path": "takes/kitchen_1/frame_aligned_videos/aria01_214-1.mp4",
    "duration_s": 16.0,
    "fps": 8.0,
    "split": "train",
}
SQUARE = [[192.0, 108.0], [384.0, 108.0], [384.0, 540.0]]


def read(root, videos=(VIDEO,)):
    return gathered(visor.read(root, videos=pa.Table.from_pylist(list(videos))))


def write(root, masks, *, video="kitchen_1", name="kitchen_1_frame_0000000042.jpg"):
    frame = {"image": {"name": name, "video": video}, "annotations": masks}
    path = root / visor.ANNOTATIONS / "train/kitchen_1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"video_annotations": [frame]}))
    return root


def mask(segments, name="red cup"):
    return {"id": "m", "name": name, "segments": segments}


def test_a_box_is_the_percent_hull_of_all_polygons(tmp_path):
    far = [[960.0, 864.0], [1152.0, 864.0], [1152.0, 972.0]]
    (box,), rejects = read(write(tmp_path, [mask([SQUARE, far, [[0, 0]]])]))
    assert rejects == []
    assert box["box_xyxy"] == pytest.approx([10, 10, 60, 90])
    assert (box["frame"], box["time_s"], box["video_id"], box["split"]) == (42, 5.25, "v", "train")


def test_the_known_misspelling_is_mended(tmp_path):
    boxes, _ = read(write(tmp_path, [mask([SQUARE], "rigth hand")]))
    assert boxes[0]["name"] == "right hand"


@pytest.mark.parametrize(
    "segments, where, reason",
    [
        ([[[1, 1], [5, 5]]], {}, "under_three_points"),
        ([], {}, "under_three_points"),
        ([[[1, 1], [1, 5], [1, 9]]], {}, "empty_box"),
        ([SQUARE], {"video": "kitchen_2"}, "no_video"),
        ([SQUARE], {"name": "kitchen_1.jpg"}, "bad_image_name"),
        ([SQUARE], {"name": "kitchen_1_frame_0000000128.jpg"}, "outside_video"),
    ],
)
def test_a_bad_mask_is_a_reject(tmp_path, segments, where, reason):
    boxes, rejects = read(write(tmp_path, [mask(segments)], **where))
    assert boxes == [] and [row["reason"] for row in rejects] == [reason]


def test_a_mask_belongs_to_the_first_ego_video_of_its_name(tmp_path):
    exo, later = VIDEO | {"video_id": "x", "view": "exo"}, VIDEO | {"video_id": "w", "take_id": "u"}
    (box,), _ = read(write(tmp_path, [mask([SQUARE])]), [exo, VIDEO, later])
    assert (box["video_id"], box["take_id"]) == ("v", "t")


def epic(name, path, fps):
    video = {"source": "epic100", "take_id": name, "take_name": name, "path": path, "fps": fps, "duration_s": 2000.0}
    return VIDEO | video


def released(root, mapping):
    (root / visor.MAPPING).write_text(json.dumps({"P01_01": mapping}))
    return root


@pytest.mark.parametrize(
    ("name", "fps", "number", "frame"),
    [
        ("P01_101", 50.0, 60_001, 60_000),
        ("P01_01", 60_000 / 1001, 60_001, 59_940),
        ("P01_01", 30_000 / 1001, 60_001, 29_970),
        ("P01_01", 60_000 / 1001, 1, 0),
        ("P02_02", 60_000 / 1001, 2, 0),
    ],
)
def test_an_image_of_an_epic_film_is_the_frame_shown_at_its_time(tmp_path, name, fps, number, frame):
    write(tmp_path, [mask([SQUARE])], video=name, name=f"{name}_frame_{number:010d}.jpg")
    (box,), rejects = read(tmp_path, [epic(name, f"P01/videos/{name}.MP4", fps)])
    assert rejects == []
    assert (box["frame"], box["time_s"]) == (frame, pytest.approx(frame / fps))
    image_s = (number - (2 if name == "P02_02" else 1)) / (50 if "_1" in name else 60)
    assert abs(box["time_s"] - image_s) <= 1 / fps


def test_an_image_of_an_epic_folder_is_the_released_image_that_the_mapping_names(tmp_path):
    masks, name = [mask([SQUARE])], "P01_01_frame_0000000140.jpg"
    released(write(tmp_path, masks, video="P01_01", name=name), {name: "frame_0000000145.jpg"})
    (tmp_path / visor.ANNOTATIONS / "train/kitchen_1.json").rename(tmp_path / visor.ANNOTATIONS / "train/P01_01.json")
    (box,), _ = read(tmp_path, [epic("P01_01", "P01/rgb_frames/P01_01", 60.0)])
    assert (box["frame"], box["time_s"]) == (144, 2.4)
    for mapping, reason in (
        ({}, "not_in_frame_mapping"),
        ({name: "145"}, "bad_image_name"),
        ({name: None}, "bad_image_name"),
        ({name: "frame_0000120001.jpg"}, "outside_video"),
    ):
        _, rejects = read(released(tmp_path, mapping), [epic("P01_01", "P01/rgb_frames/P01_01", 60.0)])
        assert [row["reason"] for row in rejects] == [reason]


def test_without_the_mapping_only_folders_of_images_are_an_error(tmp_path):
    path = write(tmp_path, [mask([SQUARE])], video="P01_01", name="P01_01_frame_0000000140.jpg") / visor.ANNOTATIONS
    (path / "train/kitchen_1.json").rename(path / "train/P01_01.json")
    assert len(read(tmp_path, [epic("P01_01", "P01/videos/P01_01.MP4", 59.94)])[0]) == 1
    with pytest.raises(ValueError, match=r"frame_mapping.json is missing: .*P01_01 is a folder .*params/data.yaml"):
        read(tmp_path, [epic("P01_01", "P01/rgb_frames/P01_01", 60.0)])


def test_no_annotation_at_all_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"mend sources.visor"):
        read(tmp_path)


def test_boxes_are_those_of_the_script_and_every_mask_is_accounted_for(tiny_world):
    videos = gathered_tables(egoexo4d.read(tiny_world.params.sources.egoexo4d, probe=probe))[0]["videos"]
    root = tiny_world.params.sources.visor
    boxes, rejects = read(root, videos)
    raw = [
        mask
        for path in root.rglob("*.json")
        for frame in json.loads(path.read_text())["video_annotations"]
        for mask in frame["annotations"]
    ]
    assert len(boxes) + len(rejects) == len(raw) and len(boxes) > 100
    by_uid = {take.uid: take.take for take in tiny_world.planned}
    for row in boxes:
        shapes = {shape.name: shape for shape in ego_shapes(by_uid[row["take_id"]], row["time_s"])}
        points = np.clip(np.concatenate(shapes[row["name"]].polygons), 0, 1) * 100
        assert shapes[row["name"]].visible
        assert row["box_xyxy"] == pytest.approx([*points.min(0), *points.max(0)], abs=0.01)
