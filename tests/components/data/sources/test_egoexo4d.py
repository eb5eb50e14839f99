import json
import shutil
from collections import Counter

import pandas as pd
import pytest

from components import records
from components.data.sources import egoexo4d
from components.data.sources.egoexo4d import takes
from components.prompts.kitchen_grammar import parse_narration
from components.video import Probe, VideoError, probe
from tests.components.data.sources.written import gathered_tables


def read(root, *, probe):
    return gathered_tables(egoexo4d.read(root, probe=probe))


@pytest.fixture
def release(tiny_world, tmp_path):
    """A copy that may be broken: the metadata copied, the films linked."""
    root = tmp_path / "egoexo4d"
    shutil.copytree(tiny_world.params.sources.egoexo4d, root)
    return root


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def reasons(rejects):
    return {row["reason"] for row in rejects}


def test_every_stream_and_description_is_a_row_or_a_reject(tiny_world):
    root = tiny_world.params.sources.egoexo4d
    tables, rejects = read(root, probe=probe)
    takes = json.loads((root / "takes.json").read_text())
    streams = sum(len(streams) for take in takes for streams in take["frame_aligned_videos"].values())
    described = [json.loads((root / f"annotations/atomic_descriptions_{s}.json").read_text()) for s in ("train", "val")]
    said = sum(len(a["descriptions"]) for d in described for of_take in d["annotations"].values() for a in of_take)
    assert len(tables["videos"]) + len(tables["narrations"]) + len(rejects) == streams + said
    assert len({row["row_id"] for row in rejects}) == len(rejects)


def test_videos_are_one_ego_and_the_exo_cameras_of_train_and_val_takes(tiny_world):
    tables, rejects = read(tiny_world.params.sources.egoexo4d, probe=probe)
    for take in tiny_world.planned:
        views = [row["camera_id"] for row in tables["videos"] if row["take_id"] == take.uid]
        usable = not take.is_dropped and take.split != "test"
        assert views == (["aria01", "cam01", "cam02"] if usable else [])
        splits = {row["split"] for row in tables["videos"] if row["take_id"] == take.uid}
        assert splits == ({{"train": "train", "val": "test"}[take.split]} if usable else set())
    assert {"take_dropped", "test_split", "pseudo_camera", "not_the_ego_stream"} <= reasons(rejects)
    assert all((row["duration_s"], row["fps"]) == (16.0, 8.0) for row in tables["videos"])
    assert all((row["view"] == "ego") == row["path"].endswith("aria01_214-1.mp4") for row in tables["videos"])


def test_narrations_carry_the_facts_of_the_script_and_real_booleans(tiny_world):
    tables, _ = read(tiny_world.params.sources.egoexo4d, probe=probe)
    by_uid = {take.uid: take for take in tiny_world.planned}
    parsed = 0
    for row in tables["narrations"]:
        assert isinstance(row["unsure"], bool) and isinstance(row["ego_visible"], bool)
        facts = parse_narration(row["text"])
        if facts is None or row["time_s"] > 16:
            continue
        take = by_uid[row["take_id"]].take
        parsed += 1
        near = [event for event in take.events if event.start_s <= row["time_s"] < event.end_s]
        truth = take.facts(near[0])
        assert (facts.verb, facts.object) == (truth.verb, truth.object) and facts.hand in (None, truth.hand)
    assert parsed > 30
    assert {row["take_id"] for row in tables["narrations"]} == {t.uid for t in tiny_world.planned if t.is_narrated}


@pytest.mark.parametrize(
    "relative_path, reason",
    [
        ("../../../../secret.mp4", "path_outside_root"),
        ("/etc/passwd", "path_outside_root"),
        ("frame_aligned_videos/cam99.mp4", "file_missing"),
        (None, "null_path"),
    ],
)
def test_a_bad_path_is_a_reject_and_not_a_video(release, relative_path, reason):
    def edit(takes):
        for take in takes:
            take["frame_aligned_videos"]["cam01"]["0"]["relative_path"] = relative_path

    change(release / "takes.json", edit)
    tables, rejects = read(release, probe=probe)
    assert reason in reasons(rejects)
    assert {row["camera_id"] for row in tables["videos"]} == {"aria01", "cam02"}


def test_cameras_that_are_not_ours_are_refused(release):
    def edit(takes):
        for take in takes:
            take["capture"]["cameras"][1]["is_ego"] = True  # a GoPro on the head
            streams = take["frame_aligned_videos"]
            streams["aria02"] = {"rgb": streams["aria01"]["rgb"] | {"cam_id": "aria02"}}
            streams["ghost"] = {"0": streams["cam02"]["0"]}
            take["capture"]["cameras"].append({"cam_id": "aria02", "is_ego": True})

    change(release / "takes.json", edit)
    tables, rejects = read(release, probe=probe)
    assert {row["camera_id"] for row in tables["videos"]} == {"aria01", "cam02"}
    assert {"second_ego_camera", "camera_not_in_capture", "not_the_ego_stream"} <= reasons(rejects)


def test_an_unreadable_film_is_a_reject_that_names_it(release, tiny_world):
    def probe_badly(path):
        if path.name == "cam02.mp4":
            raise VideoError(path, "cannot be opened")
        return Probe(16.0, 8.0, 128)

    tables, rejects = read(release, probe=probe_badly)
    assert {row["camera_id"] for row in tables["videos"]} == {"aria01", "cam01"}
    assert any(row["reason"] == "unreadable_video" and "cam02.mp4" in row["detail"] for row in rejects)


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"unsure": "maybe"}, "bad_flag"),
        ({"ego_visible": 0.5}, "bad_flag"),
        ({"timestamp": None}, "no_timestamp"),
        ({"timestamp": -0.05}, "negative_time"),
    ],
)
def test_a_malformed_description_is_a_reject(release, edit, reason):
    def spoil(content):
        next(iter(content["annotations"].values()))[-1]["descriptions"][0].update(edit)

    before = len(read(release, probe=probe)[0]["narrations"])
    change(release / "annotations/atomic_descriptions_train.json", spoil)
    tables, rejects = read(release, probe=probe)
    assert len(tables["narrations"]) == before - 1 and reason in reasons(rejects)


def first_description(release, **members) -> dict:
    """Return the narration of a description with other members."""
    path = release / "annotations/atomic_descriptions_train.json"
    content = json.loads(path.read_text())
    annotation = next(iter(content["annotations"].values()))[-1]
    said = annotation["descriptions"][0]
    for name in ("subject", "narration_subject"):
        said.pop(name, None)
    said.update(members)
    path.write_text(json.dumps(content))
    tables, _ = read(release, probe=probe)
    made = records.content_id(egoexo4d.SOURCE, f"{annotation['annotation_uid']}/0")
    return next(row for row in tables["narrations"] if row["narration_id"] == made)


def test_a_time_that_a_rounding_put_before_the_start_is_zero(release):
    assert first_description(release, timestamp=-0.04)["time_s"] == 0.0


@pytest.mark.parametrize(
    ("members", "who"),
    [
        ({"subject": "O", "text": "The Man X walks towards C."}, "O"),
        ({"narration_subject": "O", "text": "C opens the drawer."}, "O"),
        ({"subject": None, "narration_subject": "C", "text": "O looks at C."}, "C"),
        ({"text": "O looks at C."}, "O"),
        ({"subject": "", "text": "#Oa man cuts"}, "O"),
        ({"subject": 3, "text": "C cuts"}, "C"),
        ({"text": "Cuts the onion."}, None),
    ],
)
def test_the_subject_is_that_of_the_field_and_without_one_of_the_text(release, members, who):
    said = first_description(release, **members)["subject"]
    assert (None if pd.isna(said) else said) == who


def test_a_flag_that_is_null_or_not_there_is_not_known(release):
    row = first_description(release, ego_visible=None)
    assert row["ego_visible"] is None and row["unsure"] is False


def test_subjects_of_the_miniature_are_those_it_wrote(tiny_world):
    tables, _ = read(tiny_world.params.sources.egoexo4d, probe=probe)
    assert {row["subject"] for row in tables["narrations"]} <= {"C", "O"}


@pytest.mark.parametrize("downscaled", [0, 1, 2, 3])
def test_a_video_is_read_where_it_lies(release, downscaled):
    whole, _ = read(release, probe=probe)
    for folder in release.glob("takes/*/frame_aligned_videos"):
        for film in sorted(folder.glob("*.mp4"))[:downscaled]:
            small = folder / "downscaled/448" / film.name
            small.parent.mkdir(parents=True, exist_ok=True)
            film.rename(small)
    tables, _ = read(release, probe=probe)
    moved = sum("/downscaled/448/" in row["path"] for row in tables["videos"])
    assert moved == downscaled * len(whole["videos"]) / 3
    assert all((release / row["path"]).is_file() for row in tables["videos"])
    at_full_size = [row | {"path": row["path"].replace("/downscaled/448", "")} for row in tables["videos"]]
    assert at_full_size == whole["videos"]


def test_a_video_that_is_there_twice_is_read_in_full_size(release):
    for folder in release.glob("takes/*/frame_aligned_videos"):
        shutil.copytree(folder, folder / "downscaled/448")
    assert not any("downscaled" in row["path"] for row in read(release, probe=probe)[0]["videos"])


def test_a_video_that_is_nowhere_names_both_places(release):
    film = next(release.glob("takes/*/frame_aligned_videos/cam01.mp4"))
    film.unlink()
    _, rejects = read(release, probe=probe)
    place = str(film.relative_to(release).parent)
    detail = f"neither {place}/cam01.mp4 nor {place}/downscaled/448/cam01.mp4 is there"
    assert (("file_missing", detail)) in [(row["reason"], row["detail"]) for row in rejects]


def test_a_rejected_annotation_gives_no_narration(release):
    def refuse(content):
        for of_take in content["annotations"].values():
            for annotation in of_take:
                annotation.update(rejected=True, reject_reason="drift")

    change(release / "annotations/atomic_descriptions_train.json", refuse)
    tables, rejects = read(release, probe=probe)
    assert {row["split"] for row in tables["narrations"]} == {"test"}
    assert "annotation_rejected" in reasons(rejects)


def test_descriptions_of_no_take_and_of_a_take_without_video_have_their_reasons(release):
    path = release / "annotations/atomic_descriptions_train.json"
    uids = list(json.loads(path.read_text())["annotations"])
    said = {
        uid: sum(len(a["descriptions"]) for a in of_take)
        for uid, of_take in json.loads(path.read_text())["annotations"].items()
    }
    change(path, lambda content: content["annotations"].update(nobody=content["annotations"].pop(uids[0])))

    def edit(takes):
        next(take for take in takes if take["take_uid"] == uids[1])["frame_aligned_videos"] = {}

    change(release / "takes.json", edit)
    tables, rejects = read(release, probe=probe)
    details = Counter((row["reason"], row["detail"]) for row in rejects)
    assert details["no_take", "nobody"] == said[uids[0]] > 0
    assert details["no_video", uids[1]] == said[uids[1]] > 0
    assert not {uids[0], uids[1]} & {row["take_id"] for row in tables["narrations"]}


def test_a_missing_file_is_an_error_that_says_where_to_mend_it(release):
    (release / "annotations/splits.json").unlink()
    with pytest.raises(ValueError, match=r"splits.json is missing.*params/data.yaml"):
        read(release, probe=probe)


def test_a_take_that_cannot_be_read_or_stands_twice_is_listed_once(release):
    def spoil(listed):
        listed[0].pop("parent_task_name")
        listed[1].pop("is_dropped")
        listed.extend([None, listed[0]])

    before = takes(release)
    change(release / "takes.json", spoil)
    listed = takes(release)
    assert listed[0] == before[0] | {"scenario": "unknown"} and listed[1] == before[1] | {"refused": "bad_member"}
    assert listed[2:-1] == before[2:]
    assert listed[-1] == {"take_id": f"takes.json:{len(before)}", "scenario": "unknown", "refused": "bad_member"}
