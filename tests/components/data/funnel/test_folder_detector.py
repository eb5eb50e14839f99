"""A Hugging Face folder as hand detector: which labels are hands, what is counted, what is judged, what is refused."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from components import records
from components.data.funnel import clip_reader, filters, folder_detector, scoring, step, train_models
from components.data.funnel.candidates import CANDIDATE
from components.world import web
from tests.components.data.conftest import annotation_tables, changed, write_annotations

LABELS = ("left hand", "Right_Hand", "hand", "handbag")
LEFT, RIGHT, HAND, BAG, NOTHING = range(5)
QUERIES = 4
DECODING = clip_reader.Decoding(frames=8, size_px=32, timeout_s=60)


def saved(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    """A detection model of one layer with random weights."""
    from transformers import YolosConfig, YolosForObjectDetection
    from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"image_size": [32, 32], "patch_size": 16, "num_detection_tokens": QUERIES}
    YolosForObjectDetection(YolosConfig(**sizes, id2label=dict(enumerate(labels)))).save_pretrained(folder)
    YolosImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return saved(tmp_path / "hands")


def answering(monkeypatch, seen_in) -> None:
    """Let every forward pass answer, for the frame of each number in its batch, boxes (label, x, y, width, height)."""
    from transformers import YolosForObjectDetection

    def forward(self, pixel_values: torch.Tensor, **_) -> SimpleNamespace:
        logits = torch.zeros(len(pixel_values), QUERIES, len(LABELS) + 1)
        logits[..., NOTHING] = 9
        boxes = torch.full((len(pixel_values), QUERIES, 4), 0.5)
        for frame in range(len(pixel_values)):
            for query, (label, *box) in enumerate(seen_in(frame)):
                logits[frame, query, label] = 20 - query
                boxes[frame, query] = torch.tensor(box)
        return SimpleNamespace(logits=logits, pred_boxes=boxes)

    monkeypatch.setattr(YolosForObjectDetection, "forward", forward)


def moving_hand(frame: int) -> list[tuple]:
    """A left hand that moves by a fiftieth of the width a frame, a bag found twice, once a second hand."""
    found = [(LEFT, 0.3 + 0.02 * frame, 0.5, 0.2, 0.2), (BAG, 0.7, 0.2, 0.2, 0.2), (BAG, 0.71, 0.2, 0.2, 0.2)]
    return [*found, (HAND, 0.9, 0.9, 0.4, 0.4)] if frame == 3 else found


def videos_in(root: Path, *, boxes: bool) -> dict[str, Path]:
    """Annotations of takes that all show the same two films, and a candidate of the ego one; return the roots."""
    planned = {each.kind: each for each in web.plan_videos(0, 40)}
    for view, kind in (("ego", "hands_at_work"), ("exo", "whole_room")):
        web.film(planned[kind], root / f"films/{view}.mp4", fps=8, size_px=96)
    tables = annotation_tables()
    tables["videos"] = [
        row | {"path": f"{row['view']}.mp4", "duration_s": web.VIDEO_S, "fps": 8.0} for row in tables["videos"]
    ]
    tables["boxes"] = [row for row in tables["boxes"] if boxes and row["frame"] < 60]
    data_dir = write_annotations(root / "data", tables)
    records.write_table(data_dir / "clips/clips.parquet", [], records.CLIP)
    clip = {"clip_id": "c", "parent": "p", "source": "egoexo4d", "take_id": "t", "path": "ego.mp4", "text": "cuts"}
    table = pa.Table.from_pylist([clip | {"start_s": 1.0, "end_s": 5.0}], CANDIDATE)
    records.write_table(root / "candidates/part-00000.parquet", table, CANDIDATE)
    return {"egoexo4d": root / "films"}


def trained(root: Path, roots: dict[str, Path], detector: str) -> dict:
    takes = {"train": 3, "test": 2}
    return train_models.train(
        root / "data", root / "funnel", roots, encoder="grid", detector=detector, decoding=DECODING, takes=takes, seed=0
    )


def scored_by(root: Path, roots: dict[str, Path], detector: str) -> tuple[bool, dict]:
    """Whether the part was there already, and its row."""
    part, target = root / "candidates/part-00000.parquet", root / "scores.parquet"
    folders = {name: str(path) for name, path in roots.items()}
    with scoring.worker(str(root / "funnel"), folders, "grid", detector, DECODING) as score:
        was_there = score({"part": str(part), "scores": str(target)})
    return was_there, pq.read_table(target).to_pylist()[0]


def test_hands_objects_and_motion_are_counted_without_any_boxes_to_learn_from(tmp_path, folder, monkeypatch, caplog):
    answering(monkeypatch, moving_hand)
    roots, detector = videos_in(tmp_path, boxes=False), str(folder)
    told = trained(tmp_path, roots, detector)
    unknown = {"precision": None, "recall": None}
    assert told["detector"] == {
        "name": "hands",
        "train_frames": 0,
        "test_frames": 0,
        "hand": unknown,
        "object": unknown,
    }
    assert told["classifier"]["accuracy"]["value"] > 0.5
    assert "no held-out video has boxes" in caplog.text
    assert [path.name for path in (tmp_path / "funnel/models").iterdir()] == ["classifier.safetensors"]
    _, row = scored_by(tmp_path, roots, detector)
    assert (row["reason"], row["hands"], row["objects"], row["frames"]) == ("", 2, 8, 8)
    assert row["motion"] == pytest.approx(7 * 0.02)
    assert [
        reasons.tolist() for reasons in filters.reasons(pq.read_table(tmp_path / "scores.parquet").to_pandas())
    ] == [
        [""],
        [""],
    ]


def test_it_is_judged_by_held_out_boxes_as_a_learned_one_is(tmp_path, folder, monkeypatch):
    # the boxes of the annotations, and a hand that nobody has seen
    truth = [(LEFT, 0.6, 0.75, 0.2, 0.3), (BAG, 0.3, 0.425, 0.2, 0.25), (RIGHT, 0.1, 0.1, 0.1, 0.1)]
    answering(monkeypatch, lambda frame: truth)
    roots = videos_in(tmp_path, boxes=True)
    learned = trained(tmp_path, roots, "learned")["detector"]
    assert learned["name"] == "learned" and learned["train_frames"] == 9 and learned["test_frames"] == 6
    told = trained(tmp_path, roots, str(folder))["detector"]
    assert (told["train_frames"], told["test_frames"]) == (0, 6)
    assert {name: value["value"] for name, value in told["hand"].items()} == {"precision": 0.5, "recall": 1.0}
    assert {name: value["value"] for name, value in told["object"].items()} == {"precision": 1.0, "recall": 1.0}
    assert told["hand"]["precision"]["n"] == 12 and learned.keys() == told.keys()
    assert not (tmp_path / "funnel/models/detector.safetensors").exists()  # of the one that was learned before


def test_other_weights_score_again_and_the_same_do_not(tmp_path, folder):
    roots = videos_in(tmp_path, boxes=False)
    before = trained(tmp_path, roots, str(folder))["made_from"]
    assert [scored_by(tmp_path, roots, str(folder))[0] for _ in range(2)] == [False, True]
    moved = folder.rename(tmp_path / "elsewhere")
    assert scored_by(tmp_path, roots, str(moved))[0] and trained(tmp_path, roots, str(moved))["made_from"] == before
    (moved / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "YolosImageProcessor"}))
    assert not scored_by(tmp_path, roots, str(moved))[0] and trained(tmp_path, roots, str(moved))["made_from"] != before


def test_frames_go_through_the_real_model_and_batches_do_not_change_what_is_seen(folder, monkeypatch):
    monkeypatch.setattr(folder_detector, "THRESHOLD", 0.0)
    frames = np.random.default_rng(0).integers(0, 255, (folder_detector.BATCH + 3, 48, 48, 3), dtype=np.uint8)
    detect = folder_detector.opened(folder)
    seen, last = detect(frames), detect(frames[-1:])
    assert len(seen.hands) == len(seen.sides) == len(seen.objects) == len(frames)
    assert all(hands or objects for hands, objects in zip(seen.hands, seen.objects, strict=True))
    assert np.allclose(seen.hands[-1] + seen.objects[-1], last.hands[0] + last.objects[0], atol=1e-5)
    assert detect(frames[:0]) == ([], [], [])


def test_a_hand_without_a_side_has_the_one_on_which_it_lies():
    def sides(*hands: tuple[float, int]) -> list[int]:
        found = [(0.9, (x - 0.1, 0.4, x + 0.1, 0.6), side) for x, side in hands]
        return [side for _, _, side in folder_detector.with_sides(found)]

    unknown = folder_detector.UNKNOWN_SIDE
    assert sides((0.3, unknown)) == [0] and sides((0.6, unknown)) == [1]
    assert sides((0.9, unknown), (0.6, unknown)) == [1, 0]
    assert sides((0.2, 1), (0.8, 0)) == [1, 0] and sides() == []


def spoiled(folder: Path, **values) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def without_head(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("class_labels")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "has no preprocessor_config.json"),
        (as_pickle, "no weights in safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: spoiled(folder, architectures=["YolosModel"]), r"\['YolosModel'\], none of them for object"),
        (lambda folder: spoiled(folder, backbone="a/b"), "names the backbone 'a/b' without a backbone_config"),
        (lambda folder: spoiled(folder, id2label={"0": "cup", "1": "handbag"}), "'cup', 'handbag'.* names a hand"),
        (lambda folder: spoiled(folder, id2label={"1": "hand"}), "are not numbered from 0 on"),
    ],
)
def test_a_folder_that_cannot_serve_is_refused_before_anything_is_loaded(tmp_path, folder, monkeypatch, spoil, said):
    monkeypatch.setattr("transformers.AutoModelForObjectDetection.from_pretrained", None)
    spoil(folder)
    with pytest.raises(ValueError, match=f"funnel.hand_detector is .*{said}.*mend it in params/data.yaml"):
        folder_detector.opened(folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: os.truncate(folder / "model.safetensors", 50), "invalid header length"),
        (without_head, r"its weights lack \['class_labels_classifier"),
        (lambda folder: spoiled(folder, model_type="vit"), "ViTConfig"),
        (
            lambda folder: (folder / "preprocessor_config.json").write_text(
                '{"image_processor_type": "ViTImageProcessor"}'
            ),
            "ViTImageProcessorPil of its preprocessor_config.json is for no detection model",
        ),
    ],
)
def test_what_only_loading_shows_is_refused_too(folder, spoil, said):
    spoil(folder)
    with pytest.raises(ValueError, match=f"funnel.hand_detector is (?s:.*){said}"):
        folder_detector.opened(folder)


def test_the_step_says_so_before_it_touches_what_an_earlier_run_left(tmp_path, data_params):
    parameters = changed(data_params, "funnel", hand_detector="models/none")
    with pytest.raises(ValueError, match="models/none': it has no config.json and no preprocessor_config.json"):
        step.run(parameters, tmp_path / "data")
    assert not (tmp_path / "data").exists()
