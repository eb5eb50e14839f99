import shutil

import numpy as np
import pytest

from components import video
from components.data.sources import epic100
from components.video import Probe, VideoError
from tests.components.data.sources.written import RELEASED, delimited, gathered_tables, refuses_missing

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
FIRST = "P01_11_0,P01,P01_11,00:00:00.560,00:00:00.00,00:00:01.89,1,113,take plate,take,0,plate,2,['plate'],[2]"
GOOD = dict(zip(HEADER.split(","), FIRST.split(","), strict=True))
HELD_OUT = GOOD | {"narration_id": "P01_12_0", "video_id": "P01_12"}
TRAIN, VALIDATION = epic100.FILES
HOUR = Probe(3600.0, 59.94, 215_784)


def write(root, *rows, validation=(HELD_OUT,)):
    delimited(root / TRAIN, rows)
    delimited(root / VALIDATION, validation)
    for row in (*rows, *validation):
        film = root / "P01/videos" / f"{row['video_id']}.MP4"
        if row["video_id"].startswith("P01"):
            film.parent.mkdir(parents=True, exist_ok=True)
            film.write_bytes(b"a film")
    return root


def read(root, probe=lambda path, fps: HOUR):
    tables, rejects = gathered_tables(epic100.read(root, probe=probe))
    assert set(tables) <= {"videos", "narrations"}
    return tables["videos"], tables["narrations"], rejects


def test_a_line_of_the_real_file_becomes_a_narration_with_a_span(tmp_path):
    videos, narrations, rejects = read(write(tmp_path, GOOD))
    assert rejects == []
    assert [(row["take_id"], row["path"], row["view"], row["split"]) for row in videos] == [
        ("P01_11", "P01/videos/P01_11.MP4", "ego", "train"),
        ("P01_12", "P01/videos/P01_12.MP4", "ego", "test"),
    ]
    assert [row["split"] for row in narrations] == ["train", "test"]
    row = narrations[0]
    assert (row["take_id"], row["text"], row["subject"], row["annotator_id"]) == ("P01_11", "take plate", "C", "P01")
    assert (row["time_s"], row["start_s"], row["end_s"]) == (0.56, 0.0, 1.89)


@pytest.mark.parametrize(
    ("spoken", "time_s"),
    [("", 3723.45), ("01:02:04.000", 3724.0), ("01:02:00.000", 3723.45), ("01:09:15.970", 3724.5)],
)
def test_the_time_is_the_moment_of_the_action_nearest_to_the_words(tmp_path, spoken, time_s):
    edit = {"narration_timestamp": spoken, "start_timestamp": "01:02:03.45", "stop_timestamp": "01:02:04.5"}
    _, narrations, rejects = read(write(tmp_path, GOOD | edit), lambda path, fps: Probe(4000.0, 50.0, 200_000))
    assert rejects == []
    row = narrations[0]
    assert (row["time_s"], row["start_s"], row["end_s"]) == pytest.approx((time_s, 3723.45, 3724.5))


def test_colons_stay_in_the_nouns_and_a_span_ends_with_its_video(tmp_path):
    edit = {"narration": "pick up garbage bag", "noun": "bag:garbage", "all_nouns": "['bag:garbage', 'a, b']"}
    _, narrations, _ = read(write(tmp_path, GOOD | edit), lambda path, fps: Probe(1.5, 50.0, 75))
    assert (narrations[0]["text"], narrations[0]["end_s"]) == ("pick up garbage bag", 1.5)


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"start_timestamp": "00:00:02.00"}, "end_before_start"),
        ({"start_timestamp": "00:00:01.89"}, "zero_span"),
        ({"start_timestamp": "01:00:00.00", "stop_timestamp": "01:00:01.00"}, "outside_video"),
        ({"start_timestamp": "-00:00:01.00"}, "not_a_time"),
        ({"stop_timestamp": "113"}, "not_a_time"),
        ({"stop_timestamp": "00:61:00.0"}, "not_a_time"),
        ({"stop_timestamp": "nan"}, "not_a_time"),
        ({"narration_timestamp": "soon"}, "not_a_time"),
        ({"narration": ""}, "empty_text"),
        ({"narration_id": ""}, "no_id"),
        ({"narration_id": "P01_11_0"}, "repeated_id"),
        ({"video_id": ""}, "no_video"),
    ],
)
def test_a_bad_line_is_a_reject(tmp_path, edit, reason):
    _, narrations, rejects = read(write(tmp_path, GOOD, GOOD | {"narration_id": "P01_11_1"} | edit))
    assert len(narrations) == 2 and [row["reason"] for row in rejects] == [reason]


def no_film(path, fps):
    raise VideoError(path, "no film")


@pytest.mark.parametrize(
    "edit, probe, reason",
    [
        ({"video_id": "P07_01", "participant_id": "P07"}, None, "file_missing"),
        ({"video_id": "P01_12"}, None, "in_two_splits"),
        ({}, no_film, "unreadable_video"),
        ({"participant_id": "../a"}, None, "path_outside_root"),
        ({"participant_id": "/etc"}, None, "path_outside_root"),
    ],
)
def test_a_video_that_is_not_there_is_a_reject_and_so_are_its_narrations(tmp_path, edit, probe, reason):
    row = GOOD | edit
    validation = [HELD_OUT, HELD_OUT | {"narration_id": "P01_13_0", "video_id": "P01_13"}]
    probes = {"P01_11.MP4": probe} if probe else {}
    videos, narrations, rejects = read(
        write(tmp_path, row, validation=validation), lambda path, fps: probes.get(path.name, lambda *_: HOUR)(path, fps)
    )
    assert {"P01_13"} <= {row["take_id"] for row in narrations} == {row["take_id"] for row in videos}
    assert rejects[0]["reason"] == reason and {row["reason"] for row in rejects[1:]} == {"no_video"}


def images(root, video_id, numbers):
    folder = root / "P01/rgb_frames" / video_id
    video.write_images(folder, (np.full((8, 8, 3), 9, np.uint8) for _ in range(max(numbers))))
    for path in folder.iterdir():
        if int(path.stem[-10:]) not in numbers:
            path.unlink()


@pytest.mark.parametrize(("video_id", "fps"), [("P01_11", 60.0), ("P01_101", 50.0)])
def test_a_folder_of_images_has_the_rate_at_which_they_were_extracted(tmp_path, video_id, fps):
    write(tmp_path, GOOD | {"video_id": video_id})
    (tmp_path / f"P01/videos/{video_id}.MP4").unlink()
    images(tmp_path, video_id, range(1, 151))
    videos, _, rejects = read(tmp_path, lambda path, fps: video.probe(path, fps) if path.is_dir() else HOUR)
    assert rejects == []
    row = next(row for row in videos if row["take_id"] == video_id)
    assert (row["path"], row["fps"], row["duration_s"]) == (f"P01/rgb_frames/{video_id}", fps, 150 / fps)


@pytest.mark.parametrize(
    ("numbers", "reason", "said"),
    [
        ((1, 2, 4), "frames_missing", "image 3 should come where frame_0000000004.jpg is"),
        ((2, 3), "frames_not_from_one", "has no frame_0000000001.jpg"),
        (None, "frames_in_archive", "unpack P01/rgb_frames/P01_11.tar"),
    ],
)
def test_images_that_are_not_as_released_are_a_reject_of_their_own(tmp_path, numbers, reason, said):
    write(tmp_path, GOOD)
    (tmp_path / "P01/videos/P01_11.MP4").unlink()
    if numbers:
        images(tmp_path, "P01_11", numbers)
    else:
        (tmp_path / "P01/rgb_frames").mkdir()
        (tmp_path / "P01/rgb_frames/P01_11.tar").write_bytes(b"an archive")
    _, _, rejects = read(tmp_path, lambda path, fps: video.probe(path, fps) if path.is_dir() else HOUR)
    assert [row["reason"] for row in rejects] == [reason, "no_video"]
    assert said in rejects[0]["detail"]


@pytest.mark.parametrize(("count", "is_whole"), [(150, True), (170, True), (89, False), (211, False)])
def test_images_are_as_many_as_the_film_lasts_where_a_file_says_how_long(tmp_path, count, is_whole):
    write(tmp_path, GOOD)
    (tmp_path / "P01/videos/P01_11.MP4").unlink()
    images(tmp_path, "P01_11", range(1, count + 1))
    delimited(tmp_path / epic100.INFO_FILE, [{"video_id": name, "duration": 2.5} for name in ("P01_11", "P01_12")])
    videos, _, rejects = read(tmp_path, lambda path, fps: video.probe(path, fps) if path.is_dir() else HOUR)
    assert [row["take_id"] for row in videos] == ["P01_11", "P01_12"][not is_whole :]  # a film has a length of its own
    assert [row["reason"] for row in rejects] == [] if is_whole else ["wrong_frame_count", "no_video"]


def test_a_line_of_lengths_that_cannot_be_read_is_a_reject(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / epic100.INFO_FILE).write_bytes(b"video_id,duration\nP01_11,3600\nP01_12,36\xff00\nP01_13\n")
    videos, narrations, rejects = read(tmp_path)
    assert (len(videos), len(narrations)) == (2, 2)
    assert [(row["row_id"], row["reason"]) for row in rejects] == [
        ("EPIC_100_video_info.csv:3", "not_utf8"),
        ("EPIC_100_video_info.csv:4", "malformed_line"),
    ]


def test_a_missing_file_or_column_is_an_error_that_names_it(tmp_path):
    refuses_missing(read, tmp_path, "EPIC_100_train.csv is missing")
    write(tmp_path, {name: value for name, value in GOOD.items() if name != "narration"})
    refuses_missing(read, tmp_path, "EPIC_100_train.csv: .*missing .*'narration'")


def test_every_line_of_a_released_file_is_a_narration(tmp_path):
    released = RELEASED / "benchmarks/epic100_retrieval_test.csv"
    if not released.is_file():
        pytest.skip(f"{released} is not there; it is a copy of retrieval_annotations/EPIC_100_retrieval_test.csv")
    shutil.copy(released, tmp_path / VALIDATION)
    (tmp_path / TRAIN).write_text(HEADER + "\n")
    videos, narrations, rejects = read(tmp_path)
    assert (len(videos), len(narrations)) == (0, 0)
    reasons = [row["reason"] for row in rejects]
    assert (reasons.count("file_missing"), reasons.count("no_video"), len(reasons)) == (138, 9668, 138 + 9668)
    for row in rejects[:138]:
        film = tmp_path / row["detail"].split(" or ")[0]
        film.parent.mkdir(parents=True, exist_ok=True)
        film.write_bytes(b"a film")
    videos, narrations, rejects = read(tmp_path, lambda path, fps: Probe(8000.0, 59.94, 479_520))
    assert (len(videos), len(narrations), rejects) == (138, 9668, [])
    assert all(row["start_s"] <= row["time_s"] <= row["end_s"] for row in narrations)
