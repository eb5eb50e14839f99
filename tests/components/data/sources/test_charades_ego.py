import csv

import pytest

from components.data.sources import charades_ego
from components.video import Probe, probe
from components.world import charades_ego as world
from components.world import films
from components.world.plan import WorldPlan, plan_takes
from tests.components.data.sources.written import gathered_tables

GOOD = {
    "id": "ABCDE",
    "script": "A person opens a door.",
    "actions": "c008 1.00 4.50;c006 2.00 11.90",
    "length": "12.00",
}


def tell(path, fps=None):
    """The length of any film."""
    return Probe(12.0, 8.0, 96)


def write(root, rows, *, films=("ABCDE",), classes="c006 Closing a door\nc008 Opening a door\n", columns=tuple(GOOD)):
    folder = root / "CharadesEgo"
    folder.mkdir(parents=True)
    (folder / "Charades_v1_classes.txt").write_text(classes)
    for split, content in (("train", rows), ("test", [])):
        with (folder / f"CharadesEgo_v1_{split}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(content)
    for film in films:
        path = root / "CharadesEgo_v1_480" / f"{film}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return root


def read(root, probe=tell):
    tables, rejects = gathered_tables(charades_ego.read(root, probe=probe))
    return tables["videos"], tables["intervals"], rejects


def test_each_film_is_a_video_and_each_action_an_interval_in_the_words_of_its_class(tmp_path):
    videos, intervals, rejects = read(write(tmp_path, [GOOD]))
    assert rejects == []
    (video,) = videos
    assert (video["take_id"], video["camera_id"], video["view"], video["split"]) == ("ABCDE", "exo", "exo", "train")
    assert (video["path"], video["duration_s"]) == ("CharadesEgo_v1_480/ABCDE.mp4", 12.0)
    assert [(row["start_s"], row["end_s"], row["text"]) for row in intervals] == [
        (1.0, 4.5, "Opening a door"),
        (2.0, 11.9, "Closing a door"),
    ]
    assert {row["video_id"] for row in intervals} == {video["video_id"]}


def test_a_script_acted_out_twice_is_one_take_of_two_videos_with_intervals_of_their_own(tmp_path):
    worn = GOOD | {"id": "ABCDEEGO", "actions": "c008 3.00 5.00"}
    videos, intervals, _ = read(write(tmp_path, [GOOD, worn], films=("ABCDE", "ABCDEEGO")))
    assert {(row["take_id"], row["view"]) for row in videos} == {("ABCDE", "exo"), ("ABCDE", "ego")}
    assert len({row["video_id"] for row in videos}) == 2
    ego = next(row["video_id"] for row in videos if row["view"] == "ego")
    assert [row["start_s"] for row in intervals if row["video_id"] == ego] == [3.0]


def test_a_film_without_actions_is_only_a_video(tmp_path):
    videos, intervals, rejects = read(write(tmp_path, [GOOD | {"actions": ""}]))
    assert (len(videos), intervals, rejects) == (1, [], [])


def test_an_action_that_goes_on_at_the_end_is_cut_there(tmp_path):
    _, intervals, rejects = read(write(tmp_path, [GOOD | {"actions": "c008 9.00 13.10;c006 1.00 90.00"}]))
    assert [(row["start_s"], row["end_s"]) for row in intervals] == [(9.0, 12.0)]
    assert [row["reason"] for row in rejects] == ["outside_video"]


@pytest.mark.parametrize(
    "actions, reason",
    [
        ("c999 1.0 2.0", "unknown_class"),
        ("c008 one 2.0", "not_a_time"),
        ("c008 1.0", "not_a_time"),
        ("c008 1.0 nan", "not_a_time"),
        ("c008 3.0 3.0", "end_before_start"),
        ("c008 12.5 13.0", "outside_video"),
        ("c008 -2.0 3.0", "outside_video"),
    ],
)
def test_a_bad_action_is_a_reject_and_no_other(tmp_path, actions, reason):
    _, intervals, rejects = read(write(tmp_path, [GOOD | {"actions": f"{actions};c006 1.0 2.0"}]))
    assert len(intervals) == 1 and [row["reason"] for row in rejects] == [reason]


def test_the_actions_of_a_film_that_is_not_there_are_rejects_too(tmp_path):
    videos, intervals, rejects = read(write(tmp_path, [GOOD, GOOD | {"id": "../../x"}], films=()))
    assert videos == intervals == []
    assert [row["reason"] for row in rejects] == ["file_missing", "path_outside_root", *["no_video"] * 4]


def test_the_tables_of_version_0_lie_without_a_folder(tmp_path):
    root = write(tmp_path, [GOOD])
    for path in (root / "CharadesEgo").iterdir():
        path.rename(root / path.name.replace("Ego_v1", "Ego_v0"))
    (root / "CharadesEgo").rmdir()
    assert len(read(root)[1]) == 2


def test_a_missing_file_or_column_and_a_broken_class_are_errors_that_name_it(tmp_path):
    with pytest.raises(ValueError, match=r"CharadesEgo_v\[01\]_train.csv is missing.*params/data.yaml"):
        read(tmp_path)
    with pytest.raises(ValueError, match="missing .*actions.*mend sources.charades_ego"):
        read(write(tmp_path / "columns", [GOOD], columns=("id", "script")))
    with pytest.raises(ValueError, match="Charades_v1_classes.txt: .*c008.*allowed are lines"):
        read(write(tmp_path / "classes", [GOOD], classes="c008\n"))


def test_the_films_of_the_world_show_the_intervals_read_of_them(tmp_path):
    """Each interval is the event of the script at the time of its film, and each row is a row out or a reject."""
    plan = WorldPlan(7, plan_takes(7, takes=8, take_s=16.0, val_fraction=0.2, test_fraction=0.0), fps=8, size_px=32)
    for film in world.write(tmp_path, plan):
        films.make(film, size_px=32)
    videos, intervals, rejects = read(tmp_path, probe)
    assert [row["reason"] for row in rejects if row["reason"] != "no_video"] == ["file_missing", "unreadable_video"]
    assert len(videos) == 16 - 2 and {row["split"] for row in videos} == {"train", "test"}
    takes = {row["take_id"]: row["split"] for row in videos}
    assert all(takes[row["take_id"]] == row["split"] for row in videos)
    length_s = {row["video_id"]: row["duration_s"] for row in videos}
    assert set(length_s.values()) == {12.0, 10.75}
    assert all(row["end_s"] <= length_s[row["video_id"]] for row in intervals)
    listed = [
        row
        for split in ("train", "test")
        for row in csv.DictReader((tmp_path / f"CharadesEgo/CharadesEgo_v1_{split}.csv").open(newline=""))
    ]
    actions = [action for row in listed for action in row["actions"].split(";") if action]
    assert len(listed) + len(actions) == len(videos) + len(intervals) + len(rejects)
    ego = {row["video_id"] for row in videos if row["view"] == "ego"}
    seen = {(row["take_id"], row["text"], row["start_s"]) for row in intervals if row["video_id"] not in ego}
    worn = [row for row in intervals if row["video_id"] in ego and row["start_s"] > 0]
    both = {take for take, *_ in seen}
    matched = [
        (row["take_id"], row["text"], row["start_s"] + world.EGO_STARTS_S) in seen
        for row in worn
        if row["take_id"] in both
    ]
    assert len(matched) > 10 and all(matched)
