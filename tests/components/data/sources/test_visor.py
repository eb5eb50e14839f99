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
    "view": "ego",
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
