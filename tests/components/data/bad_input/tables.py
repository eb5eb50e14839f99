"""Defects of VISOR, EgoExoLearn and of corpora whose media are not takes."""

import csv
import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.components.data.bad_input.case import Case, Spoil, edited, narrated, put, recoded, replaced_by_folder

LEARN = "raw/egoexolearn/annotations/fine_annotation_trainval_en.csv"
WEBVID, EGO4D, OPENEQA = (
    "raw/webvid/results_2M_train.csv",
    "raw/ego4d/narration.json",
    "raw/openeqa/data/open-eqa-v0.json",
)
DCI, INTERNVID = "raw/dci/annotations/1.json", "raw/internvid/InternVid.jsonl"
CORNER = [[0.0, 0.0], [1920.0, 0.0], [1920.0, 1080.0]]
BAD_POLYGON, EMPTY_BOX = {"visor/bad_polygon": 1}, {"visor/empty_box": 1}
BAD = {"visor/bad_member": 1}


def outlines(change: Callable[[list[dict]], None]) -> Spoil:
    """Change the frames of the first narrated training take."""

    def spoil(folder: Path) -> None:
        path = f"raw/visor/GroundTruth-SparseAnnotations/annotations/train/{narrated(folder)['take_name']}.json"
        edited(path, lambda content: change(content["video_annotations"]))(folder)

    return spoil


def mask(**members: object) -> Spoil:
    return outlines(lambda frames: frames[0]["annotations"][0].update(members))


def one_more(change: Callable[[dict], dict | None]) -> Spoil:
    """Add a frame with one mask: the first of them, under another id, changed."""

    def add(frames: list[dict]) -> None:
        said = frames[0] | {"annotations": [frames[0]["annotations"][0] | {"id": "another"}]}
        frames.append(change(json.loads(json.dumps(said))))

    return outlines(add)


def one_more_at_nan(said: dict) -> None:
    narrations = said["v"]["narration_pass_1"]["narrations"]
    narrations.append(narrations[0] | {"timestamp_sec": float("nan")})


def image(**members: object) -> Spoil:
    return one_more(lambda frame: frame | {"image": frame["image"] | members})


def visor_file(change: Callable[[Path], None]) -> Spoil:
    return lambda folder: change(
        next((folder / "raw/visor/GroundTruth-SparseAnnotations/annotations/train").glob("*.json"))
    )


def moved_to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def line(**cells: str) -> Spoil:
    """Add a line to EgoExoLearn: the first of the first narrated training take, under another id, changed."""

    def spoil(folder: Path) -> None:
        with (folder / LEARN).open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = next(row for row in rows if row["video_uid"] == narrated(folder)["take_uid"] and row["view"] == "ego")
        with (folder / LEARN).open("a", newline="") as file:
            csv.DictWriter(file, list(found)).writerow(found | {"annotation_uid": "another"} | cells)

    return spoil


def more(path: str, content: bytes) -> Spoil:
    return recoded(path, lambda came: came + content)


def mend(file: str, words: str, source: str) -> str:
    return rf"{file}.*{words}.*mend sources.{source} in params/data.yaml"


CASES = [
    Case(
        "outlines cut off",
        visor_file(lambda path: path.write_bytes(path.read_bytes()[:99])),
        error="json.*sources.visor",
    ),
    Case(
        "outlines missing in their file",
        visor_file(lambda path: path.write_text("{}")),
        error="'video_annotations' is m",
    ),
    Case("folder named like outlines", visor_file(moved_to_folder), error="json.*directory.*sources.visor"),
    Case("outlines: frame null", outlines(lambda frames: frames.append(None)), BAD, rows=1),
    Case("outlines: frame without image", one_more(lambda frame: frame | {"image": None}), BAD, rows=1),
    Case("outlines: frame of a listed video", image(video=["a"]), BAD, rows=1),
    Case("outlines: mask null", one_more(lambda frame: frame | {"annotations": [None]}), BAD, rows=1),
    Case("outlines: masks null", one_more(lambda frame: frame | {"annotations": None}), BAD, rows=1),
    Case("outlines: mask without id", mask(id=None), BAD),
    Case("outlines: name empty", mask(name=" "), {"visor/empty_text": 1}),
    Case("outlines: name a number", mask(name=3), BAD),
    Case("outlines: polygons null", mask(segments=None), BAD),
    Case("outlines: polygon a number", mask(segments=[7]), BAD_POLYGON),
    Case("outlines: points NaN", mask(segments=[[*CORNER, [float("nan"), 3.0]]]), BAD_POLYGON),
    Case("outlines: points infinite", mask(segments=[[*CORNER, [float("inf"), 3.0]]]), BAD_POLYGON),
    Case("outlines: points of 400 digits", mask(segments=[[*CORNER, [10**400, 3.0]]]), BAD_POLYGON),
    Case("outlines: points of words", mask(segments=[[["a", "b"]] * 3]), BAD_POLYGON),
    Case("outlines: points of three numbers", mask(segments=[[[1.0, 2.0, 3.0]] * 3]), BAD_POLYGON),
    Case("outlines: points null", mask(segments=[[None, None, None]]), BAD_POLYGON),
    Case("outlines: outside the image", mask(segments=[[[2000.0, 5.0], [2100.0, 5.0], [2100.0, 9.0]]]), EMPTY_BOX),
    Case("outlines: partly outside the image", mask(segments=[[[-500.0, -500.0], [9999.0, 5.0], [9.0, 9999.0]]])),
    Case("outlines: without area", mask(segments=[[[5.0, 5.0]] * 3]), EMPTY_BOX),
    Case("outlines: two points", mask(segments=[CORNER[:2]]), {"visor/under_three_points": 1}),
    Case("outlines: frame beyond the video", image(name="a_frame_0000009999.jpg"), {"visor/outside_video": 1}, rows=1),
    Case(
        "outlines: frame of 5000 digits", image(name=f"a_frame_{'9' * 5000}.jpg"), {"visor/bad_image_name": 1}, rows=1
    ),
    Case(
        "outlines: mask twice",
        outlines(lambda frames: frames[0]["annotations"].append(frames[0]["annotations"][0])),
        {"visor/repeated_id": 1},
        rows=1,
    ),
    Case("intervals of zero bytes", put(LEARN, b""), error=mend("trainval_en.csv", "columns are", "egoexolearn")),
    Case(
        "intervals gzipped",
        recoded(LEARN, partial(gzip.compress, mtime=0)),
        error=mend("trainval_en.csv", "missing", "egoexolearn"),
    ),
    Case("header with a lone return", put(LEARN, b"a\rb,c\n"), error=mend("en.csv", "missing", "egoexolearn")),
    Case("header of 200,000 characters", put(LEARN, b"a" * 200_000), error=mend("en.csv", "missing", "egoexolearn")),
    Case("intervals are a folder", replaced_by_folder(LEARN), error="trainval_en.csv is missing.*params/data.yaml"),
    Case("intervals with CRLF", recoded(LEARN, lambda came: came.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))),
    Case("intervals with a byte order mark", recoded(LEARN, lambda came: b"\xef\xbb\xbf" + came)),
    Case("interval not UTF-8", more(LEARN, b"t,a,train,ego,1,2,caf\xe9\n"), {"egoexolearn/not_utf8": 1}, rows=1),
    Case("interval with cells missing", more(LEARN, b"t,a,train\n"), {"egoexolearn/malformed_line": 1}, rows=1),
    Case("interval with cells too many", more(LEARN, b"t," * 40 + b"\n"), {"egoexolearn/malformed_line": 1}, rows=1),
    Case("interval of NUL bytes", more(LEARN, b"\0" * 9 + b"\n"), {"egoexolearn/malformed_line": 1}, rows=1),
    Case("interval with NUL and control characters", line(narration_en="C \0cuts\x1b it"), rows=1),
    Case("interval with single and curly quotes", line(narration_en="'C cuts' \u201cit"), rows=1),
    Case("interval of zero length", line(start_sec="2", end_sec="2"), {"egoexolearn/end_before_start": 1}, rows=1),
    Case("interval that ends first", line(start_sec="3", end_sec="2"), {"egoexolearn/end_before_start": 1}, rows=1),
    Case("interval beyond the video", line(end_sec="9999"), {"egoexolearn/outside_video": 1}, rows=1),
    Case("interval before the video", line(start_sec="-1"), {"egoexolearn/outside_video": 1}, rows=1),
    Case("interval from NaN", line(start_sec="NaN"), {"egoexolearn/not_a_time": 1}, rows=1),
    Case("interval to infinity", line(end_sec="1e999"), {"egoexolearn/not_a_time": 1}, rows=1),
    Case("interval of words", line(start_sec="soon"), {"egoexolearn/not_a_time": 1}, rows=1),
    Case("interval without words", line(narration_en=" \t"), {"egoexolearn/empty_text": 1}, rows=1),
    Case("interval of an unknown split", line(subset="dev"), {"egoexolearn/split_conflict": 1}, rows=1),
    Case(
        "interval of an unknown video",
        line(video_uid="x" * 99),
        {"egoexolearn/file_missing": 1, "egoexolearn/no_video": 1},
        rows=2,
    ),
    Case(
        "interval of a video outside the root",
        line(video_uid="../../../etc/x"),
        {"egoexolearn/path_outside_root": 1, "egoexolearn/no_video": 1},
        rows=2,
    ),
    Case(
        "interval of a video that no file can be named after",
        line(video_uid="x" * 9999),
        {"egoexolearn/unreadable_video": 1, "egoexolearn/no_video": 1},
        rows=2,
    ),
    Case(
        "interval twice",
        lambda folder: [line()(folder) for _ in range(2)],
        {"egoexolearn/repeated_id": 1},
        rows=2,
    ),
    Case(
        "gzip bomb where a CSV belongs",
        put(WEBVID, gzip.compress(bytes(50_000_000))),
        error=mend("csv", "miss", "webvid"),
    ),
    Case("CSV is a folder", replaced_by_folder(WEBVID), error=mend("csv", "missing", "webvid")),
    Case("CSV line that names a path upwards", more(WEBVID, b"9,../..,x\n"), {"webvid/path_outside_root": 1}, rows=1),
    Case("CSV line without words", more(WEBVID, b"9,a,\x07\n"), {"webvid/empty_text": 1}, rows=1),
    Case("CSV line not UTF-8", more(WEBVID, b"9,a,\xff\n"), {"webvid/not_utf8": 1}, rows=1),
    Case(
        "CSV line with a quote that never closes",
        more(WEBVID, b'9,a,"x\n10,a,y\n'),
        {"webvid/malformed_line": 1},
        rows=2,
    ),
    Case("CSV line twice", more(WEBVID, b"9,a,x\n9,a,y\n"), {"webvid/repeated_id": 1}, rows=2),
    Case(
        "JSON lines: nested 100,000 deep",
        more(INTERNVID, b"[" * 100_000 + b"\n"),
        {"internvid/malformed_line": 1},
        rows=1,
    ),
    Case("JSON lines: text a number", more(INTERNVID, b'{"Caption": 3}\n'), {"internvid/malformed_line": 1}, rows=1),
    Case("JSON lines: object empty", more(INTERNVID, b"{}\n"), {"internvid/no_path": 1}, rows=1),
    Case("JSON lines: cut off", more(INTERNVID, b'{"YoutubeID": "a", "Cap'), {"internvid/malformed_line": 1}, rows=1),
    Case(
        "JSON array cut off", recoded(OPENEQA, lambda came: came[:-9]), error=mend("eqa-v0.json", "cut off", "openeqa")
    ),
    Case("question a number", edited(OPENEQA, lambda rows: rows[0].update(question=3)), {"openeqa/empty_text": 1}),
    Case("question without a member", edited(OPENEQA, lambda rows: rows[0].pop("answer")), {"openeqa/empty_text": 1}),
    Case("question null", edited(OPENEQA, lambda rows: rows.append(None)), {"openeqa/not_an_object": 1}, rows=1),
    Case(
        "question nested 300 deep",
        edited(OPENEQA, lambda rows: rows[0].update(extra_answers=json.loads("[" * 300 + "]" * 300))),
        {"openeqa/bad_answers": 1},
    ),
    Case(
        "narration at NaN",
        edited(EGO4D, one_more_at_nan),
        {"ego4d/not_a_time": 1},
        rows=1,
    ),
    Case(
        "narrations of a video null",
        edited(EGO4D, lambda said: said.update(w=None)),
        {"ego4d/not_an_object": 1},
        rows=1,
    ),
    Case("caption file of zero bytes", put(DCI, b""), {"dci/broken_json": 1}),
    Case("caption file nested 100,000 deep", put(DCI, b"[" * 100_000), {"dci/broken_json": 1}),
]
