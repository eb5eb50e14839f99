import csv
import json
from pathlib import Path

import pytest

from components.prompts import kitchen_grammar
from components.world import egoexo4d, egoexolearn, visor
from components.world.narrate import ANNOTATORS, JITTER_S, annotate
from components.world.plan import WorldPlan, plan_takes

SEED, FPS = 7, 8


def planned(seed=SEED, takes=240):
    return plan_takes(seed, takes=takes, take_s=16.0, val_fraction=0.15, test_fraction=0.03)


def write_all(folder: Path, seed: int, takes: int = 30) -> dict[str, bytes]:
    plan = WorldPlan(seed, planned(seed, takes), FPS, size_px=64)
    for name, writer in (("egoexo4d", egoexo4d), ("visor", visor), ("egoexolearn", egoexolearn)):
        writer.write(folder / name, plan)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def annotations():
    """[(planned take, its annotations)] of a world that is large enough for every defect."""
    return [(take, annotate(take, seed=SEED)) for take in planned()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    write_all(folder, SEED, takes=240)
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    first, second = write_all(tmp_path / "a", 7), write_all(tmp_path / "b", 7)
    assert first == second
    other = write_all(tmp_path / "c", 8)
    assert not [name for name in first if name in other and first[name] == other[name] and "participants" not in name]


def test_splits_have_the_shares_asked_and_defects_fall_on_train_takes():
    world = planned()
    count = {split: sum(take.split == split for take in world) for split in ("train", "val", "test")}
    assert count == {"train": 197, "val": 36, "test": 7}
    odd = [take for take in world if take.is_dropped or (not take.is_narrated and take.split != "test")]
    assert len(odd) == 4 + 5 and {take.split for take in odd} == {"train"}
    assert len({take.uid for take in world}) == len({take.name for take in world}) == 240


def test_a_world_without_a_train_take_is_an_error():
    with pytest.raises(ValueError, match="leaves no train take"):
        plan_takes(7, takes=2, take_s=16.0, val_fraction=0.5, test_fraction=0.5)


def test_the_first_annotator_says_every_event_near_its_middle(annotations):
    for take, of_take in annotations:
        dense = next(a for a in of_take if a["annotator_id"] == ANNOTATORS[0] and not a["rejected"])
        said = {kitchen_grammar.parse_narration(row["text"]): row["timestamp"] for row in dense["descriptions"]}
        for event in take.take.events:
            middle_s = (event.start_s + event.end_s) / 2
            assert abs(said[take.take.facts(event)] - middle_s) <= JITTER_S[0] + 1e-5


def test_the_second_annotator_says_less_and_often_leaves_the_hand_out(annotations):
    events = sum(len(take.take.events) for take, _ in annotations)
    sparse = [a for _, of_take in annotations for a in of_take if a["annotator_id"] == ANNOTATORS[1]]
    facts = [kitchen_grammar.parse_narration(row["text"]) for a in sparse for row in a["descriptions"]]
    facts = [fact for fact in facts if fact is not None]
    assert 0.55 < len(facts) / events < 0.66
    assert 0.25 < sum(fact.hand is None for fact in facts) / len(facts) < 0.35


def test_the_real_defects_are_there(annotations):
    flat = [a for _, of_take in annotations for a in of_take]
    rows = [row for a in flat for row in a["descriptions"]]
    assert {a["rejected"] for a in flat} == {True, False}
    assert all((a["reject_reason"] is not None) == a["rejected"] for a in flat)
    assert {type(row["unsure"]) for row in rows} == {type(row["ego_visible"]) for row in rows} == {bool, str}
    assert {row["unsure"] for row in rows} == {True, False, "0", "1"}
    subjects = [row.get("subject", row.get("narration_subject")) for row in rows]
    assert {"subject" in row for row in rows} == {True, False} and set(subjects) == {"C", "O"}
    assert any(row["best_exo"] is None for row in rows)
    assert any(row["timestamp"] > 16 for row in rows)


def test_the_layout_of_takes_has_pseudo_cameras_null_paths_and_a_phone(written):
    takes = json.loads((written / "egoexo4d/takes.json").read_text())
    captures = json.loads((written / "egoexo4d/captures.json").read_text())
    assert all({"aria01", "cam01", "cam02", "collage", "best_exo"} == set(t["frame_aligned_videos"]) for t in takes)
    assert all(take["frame_aligned_videos"]["best_exo"]["0"]["relative_path"] is None for take in takes)
    assert any(take["frame_aligned_videos"]["cam02"]["0"]["relative_path"] is None for take in takes)
    assert all("mobile" in [camera["cam_id"] for camera in capture["cameras"]] for capture in captures)
    participants = json.loads((written / "egoexo4d/participants.json").read_text())
    assert isinstance(json.loads(participants[0]["metadata"]), dict)


def test_no_annotation_names_a_test_or_dropped_take(written):
    hidden = {take.uid for take in planned() if take.is_dropped or take.split == "test"}
    names = {take.name for take in planned() if take.uid in hidden}
    for split in ("train", "val"):
        for kind in ("atomic_descriptions", "keystep"):
            content = json.loads((written / f"egoexo4d/annotations/{kind}_{split}.json").read_text())
            assert content["annotations"] and not hidden & set(content["annotations"])
    with (written / "egoexolearn" / egoexolearn.FILE).open() as file:
        assert not hidden & {row["video_uid"] for row in csv.DictReader(file)}
    assert not names & {path.stem for path in (written / "visor").rglob("*.json")}


def test_keysteps_are_the_events(written):
    content = json.loads((written / "egoexo4d/annotations/keystep_val.json").read_text())
    take = next(take for take in planned() if take.split == "val")
    spans = [(s["start_time"], s["end_time"]) for s in content["annotations"][take.uid]["segments"]]
    assert spans == [(event.start_s, event.end_s) for event in take.take.events]
    ids = {str(s["step_unique_id"]) for a in content["annotations"].values() for s in a["segments"]}
    assert ids <= set(content["vocabulary"])


def test_visor_masks_lie_in_the_picture_and_name_contacts_of_their_frame(written):
    frames = [
        frame
        for path in (written / "visor").rglob("*.json")
        for frame in json.loads(path.read_text())["video_annotations"]
    ]
    masks = [mask for frame in frames for mask in frame["annotations"]]
    points = [point for mask in masks for polygon in mask["segments"] for point in polygon]
    assert all(0 <= x <= 1920 and 0 <= y <= 1080 for x, y in points)
    names = [mask["name"] for mask in masks]
    assert {"left hand", "right hand", "rigth hand"} <= set(names) and names.count("rigth hand") < 10
    assert any(len(polygon) < 3 for mask in masks for polygon in mask["segments"])
    assert {mask["exhaustive"] for mask in masks} == {"y", "n", "inconclusive"}
    touching = 0
    for frame in frames:
        ids = {mask["id"] for mask in frame["annotations"]}
        for mask in frame["annotations"]:
            assert (mask["class_id"] in (300, 301)) == ("in_contact_object" in mask)
            contact = mask.get("in_contact_object", "hand-not-in-contact")
            assert contact == "hand-not-in-contact" or contact in ids
            touching += contact in ids
    assert touching > 100


def test_each_take_has_6_to_8_outlined_frames(written):
    counts = {len(json.loads(path.read_text())["video_annotations"]) for path in (written / "visor").rglob("*.json")}
    assert counts == {6, 7, 8}
