"""Ego4D on disk -> rows of `records.VIDEO` and `records.NARRATION`.

Files, as the official download (`ego4d`) leaves them: films `<video_uid>.mp4` in any of FOLDERS;
annotations/narration.json, `{video_uid: {"status", "narration_pass_1": {"narrations": [...], "summaries": [...]}}}`
(facebookresearch/Ego4d ego4d/research/clep/preprocess/ego4d_data.py), or what v2 has beside it,
all_narrations_redacted.json, `{"videos": {video_uid: {"narrations": [...]}}}`. Where ego4d.json is there, the videos
that it says a benchmark holds out are our test split; all others are for training.

A pass is an annotator; the file without passes is of one. `#unsure` in a text sets the flag and stays; the tag `#C`
goes where the subject C follows; `#O` (another person) stays, and `subject` says whose action it is. Summaries are not
read. One row in is one film, one narration, or one video that has none to read. The same words at the same time of a
pass are one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import records
from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import clean, from_zero, seconds, with_ids, without_subject_tag
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.readers import BATCH_ROWS
from components.data.sources.shared.rejecting import Tables, reject_rows, reject_where
from components.data.sources.shared.subject_tags import subjects
from components.data.sources.shared.take_videos import video_row
from components.video import Probe

SOURCE = "ego4d"
PARTS = ("v2", "v1", ".")  # folders of versions of the release
FOLDERS = [f"{part}/{size}" for size in ("full_scale", "video_540ss") for part in PARTS]
BENCHMARKS = ("split_em", "split_av", "split_fho", "split_goalstep")  # members of a video in ego4d.json
HELD_OUT = ("val", "test", "multi")  # "multi": clips of the video are in several splits


class _Form(NamedTuple):
    """How a file of narrations is built: the member with the videos, the passes of each, and names in a narration."""

    member: str | None
    passes: tuple[str, ...]
    time: str
    text: str


FORMS = {
    "narration.json": _Form(None, ("narration_pass_1", "narration_pass_2"), "timestamp_sec", "narration_text"),
    "all_narrations_redacted.json": _Form("videos", (), "time", "text"),
}


def read(root: Path, *, probe: Callable[..., Probe]) -> Iterator[Tables]:
    """Read the release below `root` in batches.

    Args:
        root: folder of the release.
        probe: as `video.probe`.

    Yields:
        tables {"videos"}, then tables {"narrations"}, and the rejects; each film and each narration read is in exactly
        one of them.

    Raises:
        ValueError: there are no narrations, or a file is broken.
    """
    path, form = _narrations_file(root)
    held_out = _held_out(root)
    split_of: dict[str, str] = {}
    for tables, refused in json_fields.in_batches(_videos(root, probe, held_out), "videos"):
        split_of.update(zip(tables["videos"]["take_id"], tables["videos"]["split"], strict=True))
        yield tables, refused
    yield from _narrations(path, form, split_of)


def _narrations_file(root: Path) -> tuple[Path, _Form]:
    for name, form in FORMS.items():
        for folder in (*(f"{part}/annotations" for part in PARTS), "."):
            if (root / folder / name).is_file():
                return root / folder / name, form
    raise ValueError(
        f"{root / 'v2/annotations'}: narration.json is missing, and so is {list(FORMS)[1]}; download it "
        f"(`ego4d --datasets annotations`), or mend sources.{SOURCE} in params/data.yaml"
    )


def _held_out(root: Path) -> set[str]:
    """Return the videos that a benchmark holds out; none where there is no ego4d.json."""
    path = next((path for part in PARTS if (path := root / part / "ego4d.json").is_file()), None)
    if path is None:
        return set()
    listed = (
        video for _, video in json_items(path, source=SOURCE, kind=list, name="videos") if isinstance(video, dict)
    )
    return {str(video.get("video_uid")) for video in listed if any(video.get(name) in HELD_OUT for name in BENCHMARKS)}


def _videos(root: Path, probe: Callable[..., Probe], held_out: set[str]) -> Iterator[dict]:
    """Return the row or the reject of each film; of one that is there in several sizes, the first of FOLDERS counts."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.mp4")):
            found.setdefault(path.stem, path)
    for uid, path in found.items():
        split = "test" if uid in held_out else "train"
        of = {"take_id": uid, "camera_id": "ego", "view": "ego", "split": split}
        yield video_row(SOURCE, of, [path.relative_to(root).as_posix()], root=root, probe=probe)


def _narrations(path: Path, form: _Form, split_of: dict[str, str]) -> Iterator[Tables]:
    """Return the narrations of videos with a film in batches, and the rejects."""
    batch = _Batch()
    for uid, video in json_items(path, source=SOURCE, kind=dict, name=form.member):
        batch.add(str(uid), video, form)
        if len(batch.texts) >= BATCH_ROWS:
            yield from batch.tables(split_of)
            batch = _Batch()
    yield from batch.tables(split_of)


class _Batch:
    """Narrations of some videos, column by column: as objects, a million of them would not be fast enough."""

    def __init__(self) -> None:
        self.uids: list[str] = []  # a video and annotator each, beside `annotators` and `sizes`
        self.annotators: list[str] = []
        self.sizes: list[int] = []
        self.times: list = []
        self.texts: list = []
        self.refused: list[tuple[str, str, object]] = []

    def add(self, uid: str, video: object, form: _Form) -> None:
        """Take in what was said of a video."""
        if not isinstance(video, dict):
            self.refused.append((uid, "not_an_object", video))
            return
        if video.get("status") == "redacted":
            self.refused.append((uid, "redacted", ""))
            return
        passes = {name: video[name] for name in form.passes if isinstance(video.get(name), dict)} or {"": video}
        lists = {name: said.get("narrations") for name, said in passes.items()}
        if not any(isinstance(items, list) and items for items in lists.values()):
            self.refused.append((uid, "no_narrations", video.get("status")))
        for name, items in lists.items():
            if isinstance(items, list):
                said = [item for item in items if isinstance(item, dict) and not item.get("is_summary")]
                if len(said) < len(items):
                    self.refused += [
                        (f"{uid}/{name}/{at}", "summary" if isinstance(item, dict) else "not_an_object", item)
                        for at, item in enumerate(items)
                        if not isinstance(item, dict) or item.get("is_summary")
                    ]
                self.uids.append(uid)
                self.annotators.append(name)
                self.sizes.append(len(said))
                self.times += [item.get(form.time) for item in said]
                self.texts += [item.get(form.text) for item in said]

    def tables(self, split_of: dict[str, str]) -> Iterator[Tables]:
        """Yield the rows, and the rejects."""
        yield {}, reject_rows(SOURCE, *(zip(*self.refused, strict=True) if self.refused else ((), (), ())))
        group = pa.array(np.repeat(np.arange(len(self.sizes)), self.sizes))
        uids, annotators = (clean(pd.Series(names, dtype=object)) for names in (self.uids, self.annotators))
        splits = uids.map(split_of)
        of_group = {"take_id": uids, "annotator_id": annotators, "split": splits.where(splits.notna(), None)}
        columns = {name: pa.array(values, pa.string()).take(group) for name, values in of_group.items()}
        time_s = from_zero(seconds(pd.Series(self.times, dtype=object)))
        text = pa.array(clean(pd.Series(self.texts, dtype=object)), pa.string())
        said_at = pa.array(time_s, pa.float64()).cast(pa.string()).fill_null("no time")
        row_id = pc.binary_join_element_wise(columns["take_id"], columns["annotator_id"], said_at, text, "/")
        frame = pa.table(columns | {"row_id": row_id, "time_s": time_s, "text": text})
        has_film = frame["split"].is_valid()
        lost = frame.filter(pc.invert(has_film))
        yield {}, reject_rows(SOURCE, lost["row_id"].to_pylist(), ["no_video"] * len(lost), lost["take_id"].to_pylist())
        yield _rows(frame.filter(has_film).to_pandas())


def _rows(frame: pd.DataFrame) -> Tables:
    """Return the narrations of videos with a film."""
    made = frame.assign(
        source=SOURCE,
        start_s=np.nan,
        end_s=np.nan,
        text=without_subject_tag(frame["text"]),
        subject=subjects(frame["text"]),
        ego_visible=True,
        best_exo=None,
        unsure=frame["text"].str.contains("#unsure", case=False, regex=False),
    )
    masks = {
        "not_a_time": ~np.isfinite(made["time_s"]),
        "negative_time": made["time_s"] < 0,
        "empty_text": made["text"] == "",
    }
    kept, rejects = reject_where(made, masks, source=SOURCE, detail=["take_id", "time_s", "text"])
    return {"narrations": with_ids(kept, "narration_id", records.NARRATION)}, rejects
