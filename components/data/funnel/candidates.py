"""Candidate clips of the texts of web corpora: a sentence lasts until the next one, a caption has its own span.

The tables are read in batches and whole videos are written to parts. So the corpus is never held in memory, and each
video is opened for one part only.
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


def from_sentences(narrations: pd.DataFrame) -> pd.DataFrame:
    """Let each sentence of HTM-AA last until the next one of its video, at most LONGEST_S.

    Args:
        narrations: rows of `records.NARRATION`, of whole videos.

    Returns:
        Rows of CANDIDATE, sorted by video and time, with `reason`: why a row is no candidate, "" where it is one.
    """
    narrations = narrations.sort_values(["take_id", "time_s", "narration_id"])
    times = narrations[["take_id", "time_s"]].drop_duplicates()
    times["next_s"] = times.groupby("take_id")["time_s"].shift(-1)
    # merge keeps the order of its left side
    end_s = narrations.merge(times, on=["take_id", "time_s"])["next_s"].to_numpy()
    start_s = narrations["time_s"].to_numpy()
    spans = {"start_s": start_s, "end_s": np.fmin(end_s, start_s + LONGEST_S)}
    paths = [htm_aa.VIDEO.format(vid) for vid in narrations["take_id"]]
    return _with_reasons(narrations.assign(**spans, path=paths, parent=narrations["narration_id"]))


def from_captions(captions: pd.DataFrame) -> pd.DataFrame:
    """Take each caption of Howto-Interlink7M with its span.

    Args:
        captions: rows of `records.CAPTION`.

    Returns:
        As `from_sentences`.
    """
    captions = captions.sort_values(["path", "start_s", "caption_id"])
    takes = [PurePosixPath(path).stem for path in captions["path"]]
    return _with_reasons(captions.assign(take_id=takes, parent=captions["caption_id"]))


def _with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    length_s = frame["end_s"] - frame["start_s"]
    wrong = {"no_span": length_s.isna(), "under_1_s": length_s < SHORTEST_S, "over_10_s": length_s > LONGEST_S}
    reason = np.select(list(wrong.values()), list(wrong), "")
    frame = frame.assign(clip_id=content_ids("clip", frame["source"], frame["parent"]), reason=reason)
    return frame[[*CANDIDATE.names, "reason"]].reset_index(drop=True)


def read(data_dir: Path, source: str, *, rows: int) -> Iterator[pd.DataFrame]:
    """Read the candidates of a source, whole videos at a time.

    Args:
        data_dir: with annotations/.
        source: a key of TABLES.
        rows: about how many to read at a time.

    Yields:
        As `from_sentences`. Where rows of a video come again after those of others, the later ones have the reason
        `video_in_pieces`, since their sentences may lie between earlier ones.
    """
    name, key = TABLES[source]
    seen: set[int] = set()
    for frame in _by_video(data_dir / f"annotations/{name}.parquet", records.SCHEMAS[name], source, key, rows=rows):
        hashes = {video: hash_of(video) for video in frame[key].unique()}
        again = frame[key].map(hashes).isin(seen).to_numpy()
        seen.update(hashes.values())
        candidates = (from_sentences if source == htm_aa.SOURCE else from_captions)(frame)
        in_pieces = candidates[key].isin(set(frame.loc[again, key]))
        yield candidates.assign(reason=candidates["reason"].mask(in_pieces, "video_in_pieces"))


def hash_of(video: str) -> int:
    """Return 64 bits of the hash of a video's name: a set of a million integers takes little memory."""
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

    Args:
        data_dir: with annotations/.
        folder: of the parts.
        sources: keys of TABLES.
        rows: about how many to read for one part.

    Yields:
        the path of a part, the number of rows read for it, and the rows that are no candidates (`parent`, `reason`,
        `text`).
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
