"""What web corpora say becomes candidate clips: a sentence lasts until the next one, a caption has its span.

The tables are read in batches and whole videos are written to parts, so that the corpus is never held in memory and a
video is opened by one part only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.sources import htm_aa, interlink7m
from components.records import content_ids

SHORTEST_S, LONGEST_S = 1.0, 10.0  # of EgoRe's short-term clips
TABLES = {htm_aa.SOURCE: ("point_narrations", "take_id"), interlink7m.SOURCE: ("captions", "path")}
CANDIDATE = pa.schema(
    [
        ("clip_id", pa.string()),
        ("parent", pa.string()),  # narration_id or caption_id
        ("source", pa.string()),
        ("take_id", pa.string()),  # the video's name at HowTo100M
        ("path", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),  # may lie past the end of the video, whose length is not known yet
        ("text", pa.string()),
    ]
)


def of_sentences(said: pd.DataFrame) -> pd.DataFrame:
    """Let each sentence of HTM-AA last until the next one of its video, at most LONGEST_S.

    Args:
        said: rows of `records.NARRATION`, of whole videos.

    Returns:
        Rows of CANDIDATE, sorted by video and time, with `reason`: why one is no candidate, "" where it is.
    """
    said = said.sort_values(["take_id", "time_s", "narration_id"])
    times = said[["take_id", "time_s"]].drop_duplicates()
    times["next_s"] = times.groupby("take_id")["time_s"].shift(-1)
    end_s = said.merge(times, on=["take_id", "time_s"])["next_s"].to_numpy()  # a left key keeps its order
    start_s = said["time_s"].to_numpy()
    spans = {"start_s": start_s, "end_s": np.fmin(end_s, start_s + LONGEST_S)}
    paths = [htm_aa.VIDEO.format(vid) for vid in said["take_id"]]
    return _judged(said.assign(**spans, path=paths, parent=said["narration_id"]))


def of_captions(told: pd.DataFrame) -> pd.DataFrame:
    """Take each caption of Howto-Interlink7M with its span.

    Args:
        told: rows of `records.CAPTION`.

    Returns:
        As `of_sentences`.
    """
    told = told.sort_values(["path", "start_s", "caption_id"])
    return _judged(told.assign(take_id=[PurePosixPath(path).stem for path in told["path"]], parent=told["caption_id"]))


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    length_s = frame["end_s"] - frame["start_s"]
    wrong = {"no_span": length_s.isna(), "under_1_s": length_s < SHORTEST_S, "over_10_s": length_s > LONGEST_S}
    reason = np.select(list(wrong.values()), list(wrong), "")
    frame = frame.assign(clip_id=content_ids("clip", frame["source"], frame["parent"]), reason=reason)
    return frame[[*CANDIDATE.names, "reason"]].reset_index(drop=True)


def read(data_dir: Path, source: str, *, rows: int) -> Iterator[pd.DataFrame]:
    """Return the candidates of a source, some whole videos after others, from about `rows` rows at a time.

    A video whose rows come again after others is judged once: its later rows have the reason `video_in_pieces`.
    """
    name, key = TABLES[source]
    seen: set[int] = set()
    for frame in _by_video(data_dir / f"annotations/{name}.parquet", records.SCHEMAS[name], source, key, rows=rows):
        number = {video: hash_of(video) for video in frame[key].unique()}
        again = frame[key].map(number).isin(seen).to_numpy()
        seen.update(number.values())
        made = (of_sentences if source == htm_aa.SOURCE else of_captions)(frame)
        late = set(frame.loc[again, key])
        in_pieces = made["take_id" if key == "take_id" else "path"].isin(late)
        yield made.assign(reason=made["reason"].mask(in_pieces, "video_in_pieces"))


def hash_of(video: str) -> int:
    """Return 64 bits of a video's name: a million names in a set of integers are few."""
    return int(records.content_id("video", video), 16)


def _by_video(path: Path, schema: pa.Schema, source: str, key: str, *, rows: int) -> Iterator[pd.DataFrame]:
    """Return the rows of one source in batches that end where a video ends."""
    held = schema.empty_table().to_pandas()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            frame = batch.to_pandas()
            frame = frame[frame["source"] == source]
            if frame.empty:
                continue
            held = pd.concat([held, frame], ignore_index=True) if len(held) else frame.reset_index(drop=True)
            whole = held[key] != held[key].iloc[-1]
            if whole.sum() >= rows:
                yield held[whole]
                held = held[~whole].reset_index(drop=True)
    if len(held):
        yield held


def write(data_dir: Path, folder: Path, sources: list[str], *, rows: int) -> Iterator[tuple[Path, int, pd.DataFrame]]:
    """Write the candidates of all sources as folder/part-00000.parquet and so on.

    Yields:
        the path of a part, the rows read for it, and those that are no candidates (`parent`, `reason`, `text`).
    """
    number = 0
    for source in sources:
        for frame in read(data_dir, source, rows=rows):
            fine = frame["reason"] == ""
            path = folder / f"part-{number:05d}.parquet"
            kept = pa.Table.from_pandas(frame.loc[fine, CANDIDATE.names], CANDIDATE, preserve_index=False)
            records.write_table(path, kept, CANDIDATE)
            yield path, len(frame), frame.loc[~fine, ["parent", "reason", "text"]]
            number += 1
