"""Write captions of the web: WebVid, Panda-70M, InternVid, VIDAL, Conceptual Captions and Densely Captioned Images.

Files, columns and places of the media are those of components/data/sources/{webvid,panda70m,internvid,vidal,cc3m,
dci}.py and components/data/media.py. The media show scripted takes from the room, at the size of the world. Each corpus
has what a download has too: media that are gone or broke off, a page in the place of an image, a clip beyond the end of
its film, a caption with a line break, lists of different lengths.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from zlib import crc32

from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.render import render
from components.world.script import Event, Take, script_take

FIRST_TAKE = {  # scripts of their own
    "webvid": 700_000,
    "panda70m": 710_000,
    "internvid": 720_000,
    "vidal": 730_000,
    "cc3m": 740_000,
    "dci": 750_000,
}
MEDIA, MEDIUM_S = 6, 8.0  # of each corpus, and the length of a film
GONE, BROKEN = 1, 2  # the medium that is not there, and the one that cannot be read
VIEW = "cam01"
PAGE = b"<!DOCTYPE html><html><title>404</title></html>"  # what a dead link leaves in the place of an image


def write(corpus: str, root: Path, plan: WorldPlan) -> list[Film]:
    """Write the annotations and images of a corpus.

    Args:
        corpus: a key of FIRST_TAKE.
        root: its folder.
        plan: of the world.

    Returns:
        The films that are still to be made.
    """
    takes = [script_take(plan.seed, FIRST_TAKE[corpus] + number, take_s=MEDIUM_S) for number in range(MEDIA)]
    ids = [seeded_uid(plan.seed, corpus, number).replace("-", "")[:11] for number in range(MEDIA)]
    if corpus in ("cc3m", "dci"):
        places = (_cc3m if corpus == "cc3m" else _dci)(root, takes, ids)
        for number, (take, path) in enumerate(zip(takes, places, strict=True)):
            if number != GONE:
                _image(path, take, size_px=plan.size_px, is_broken=number == BROKEN)
        return []
    writer = {"webvid": _webvid, "panda70m": _panda70m, "internvid": _internvid, "vidal": _vidal}[corpus]
    films = [
        Film(path, take, 0.0, MEDIUM_S, plan.fps, VIEW)
        for path, take in zip(writer(root, takes, ids), takes, strict=True)
    ]
    broken = films[BROKEN].path
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"broke off")
    return [film for number, film in enumerate(films) if number not in (GONE, BROKEN)]


def _said(take: Take, event: Event) -> str:
    facts = take.facts(event)
    return f"somebody {facts.verb} the {facts.object} in a kitchen"


def _clock(time_s: float) -> str:
    return f"0:00:{time_s:06.3f}"


def _table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _webvid(root: Path, takes: list[Take], ids: list[str]) -> list[Path]:
    """Write two files; the last film is of the validation set, and one name has a line break and quotes."""
    rows = [
        {
            "videoid": str(21_000_000 + number),
            "contentUrl": f"https://example.org/{video_id}.mp4",
            "duration": "PT00H00M08S",
            "page_dir": f"{number // 3 + 1:06d}_{number // 3 + 51:06d}",
            "name": _said(take, take.events[0]),
        }
        for number, (take, video_id) in enumerate(zip(takes, ids, strict=True))
    ]
    rows[3]["name"] = f'"Kitchen", 4k:\n{rows[3]["name"]}'
    _table(root / "results_2M_train.csv", rows[:-1])
    _table(root / "results_2M_val.csv", rows[-1:])
    return [root / "videos" / row["page_dir"] / f"{row['videoid']}.mp4" for row in rows]


def _panda70m(root: Path, takes: list[Take], ids: list[str]) -> list[Path]:
    """Write a line for each film; one clip lies beyond the end of its film, one line lacks a caption."""
    rows = []
    for number, (take, video_id) in enumerate(zip(takes, ids, strict=True)):
        late_s = MEDIUM_S if number == 3 else 0.0
        times = [[_clock(late_s + event.start_s), _clock(late_s + event.end_s)] for event in take.events]
        texts = [_said(take, event) for event in take.events][: -1 if number == 4 else None]
        scores = [0.4] * len(times)
        row = {"videoID": video_id, "url": f"https://example.org/{video_id}", "timestamp": times, "caption": texts}
        rows.append({**row, "matching_score": scores})
    _table(root / "panda70m_training_2m.csv", rows[:-1])
    _table(root / "panda70m_testing.csv", rows[-1:])
    return [root / "videos" / f"{video_id}.mp4" for video_id in ids]


def _internvid(root: Path, takes: list[Take], ids: list[str]) -> list[Path]:
    """Write a line for each event; one ends where it begins, and one line broke off."""
    lines = []
    for take, video_id in zip(takes, ids, strict=True):
        for event in take.events:
            row = {"YoutubeID": video_id, "Start_timestamp": _clock(event.start_s)}
            row |= {"End_timestamp": _clock(event.end_s), "Caption": _said(take, event)}
            lines.append(json.dumps(row | {"Aesthetic_Score": 4.6, "UMT_Score": 0.4}))
    first = json.loads(lines[0])
    lines[0] = json.dumps(first | {"End_timestamp": first["Start_timestamp"]})
    (root / "InternVid-10M-flt.jsonl").write_text("\n".join([*lines, lines[-1][:40]]) + "\n")
    return [root / "videos" / f"{video_id}.mp4" for video_id in ids]


def _vidal(root: Path, takes: list[Take], ids: list[str]) -> list[Path]:
    """Write an object of all films; one has no polished caption."""
    content, places = {}, []
    for number, (take, video_id) in enumerate(zip(takes, ids, strict=True)):
        said, folder = _said(take, take.events[0]), f"kitchen_{number // 3}"
        texts = {"mplug": said, "polish_mplug": "" if number == 3 else said, "ofa": [said] * 8, "sound_mplug": ""}
        content[video_id] = {"folder": folder, **texts, "raw": "kitchen #shorts"}
        places.append(root / "videos" / folder / f"{video_id}.mp4")
    (root / "vidal_10m.json").write_text(json.dumps(content))
    return places


def _cc3m(root: Path, takes: list[Take], ids: list[str]) -> list[Path]:
    """Write two files without a header; images lie where the usual downloader puts them, without an ending."""
    places = []
    files = {"training": "Train_GCC-training.tsv", "validation": "Validation_GCC-1.1.0-Validation.tsv"}
    for folder, of_folder in (("training", range(MEDIA - 1)), ("validation", range(MEDIA - 1, MEDIA))):
        lines = []
        for line, number in enumerate(of_folder):
            url = f"https://example.org/{ids[number]}.jpg"
            lines.append(f"{_said(takes[number], takes[number].events[0])}\t{url}\n")
            places.append(root / folder / f"{line}_{crc32(url.encode())}")
        (root / files[folder]).write_text("".join(lines))
    return places


def _dci(root: Path, takes: list[Take], ids: list[str]) -> list[Path]:
    """Write a file for each image, and one that broke off."""
    (root / "annotations").mkdir()
    places = [root / "photos" / f"sa_{name}.jpg" for name in ids]
    for take, path in zip(takes, places, strict=True):
        masks = {"mask_data": {}, "mask_keys": [], "summaries": {"base": []}, "negatives": {}}
        text = {"short_caption": _said(take, take.events[0]) + ".", "extra_caption": "The worktop is empty otherwise."}
        (root / "annotations" / f"{path.stem}.json").write_text(json.dumps({"image": path.name, **text, **masks}))
    (root / "annotations/sa_broken.json").write_text('{"image": "sa_')
    return places


def _image(path: Path, take: Take, *, size_px: int, is_broken: bool) -> None:
    """Write the middle of the first event as a JPEG; in the place of a broken one there is a page of the web."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    event = take.events[0]
    frame = render(take, (event.start_s + event.end_s) / 2, VIEW, size_px=size_px)
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()
    path.write_bytes(PAGE if is_broken else jpeg)
