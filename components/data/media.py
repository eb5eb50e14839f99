"""Stage `media`: the media that captions and questions are about are probed and become rows of videos.

Media are no takes: each film, image or folder of frames is a video of its own, with a stable id as its `take_id` and
the path in the annotations as its `take_name`. Media are probed batch by batch. A batch that an earlier, killed run
finished is kept while its files are the same; when all are done they become the two tables of the step.
"""

from __future__ import annotations

import hashlib
import queue
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import records, video
from components.data import probing
from components.data.partition.finished_parts import is_finished, marked, written_whole
from components.params import Data
from components.records import content_id
from components.video.killable_worker import KillableWorker

FOLDERS: dict[str, tuple[str, ...]] = {  # source -> where its media may lie below its folder, as the releases unpack
    "ssv2": ("20bn-something-something-v2",),
    "egtea": ("cropped_clips",),
    "egotimeqa": ("clips", "v2/clips", "v1/clips"),
    "openeqa": ("data/frames",),
    # Ego4D's films, where its own adapter looks for them
    "egoclip": tuple(f"{part}/{size}" for size in ("full_scale", "video_540ss") for part in (".", "v2", "v1")),
    "panda70m": ("videos",),
    "webvid": ("",),
    "internvid": ("videos",),
    "vidal": ("videos",),
    "cc3m": ("",),
    "dci": ("photos",),
    "general": ("",),
}
BATCH = 2_000  # media; what a killed run loses at most
WORKERS = 2
FIRST_WORKER = 200  # media; below that, to start a second process costs more than it saves
TIMEOUT_S = 30.0  # of one medium, beside the time that a slow disk takes to read it
PART = pa.schema([*records.VIDEO, ("reason", pa.string()), ("detail", pa.string())])


def named(data_dir: Path) -> pd.DataFrame:
    """Return every medium that a caption or a question of the sources in FOLDERS names, sorted.

    Returns:
        `source`, `path`, `media`, `view`, `split`, and `splits` and `views`: in how many of these it is named.
    """
    keys = ["source", "path", "media", "view", "split"]
    tables = [
        pq.read_table(data_dir / f"annotations/{name}.parquet", columns=keys, filters=[("source", "in", list(FOLDERS))])
        for name in ("captions", "questions")
    ]
    distinct = pa.concat_tables(tables).group_by(keys).aggregate([]).to_pandas()
    distinct = distinct.sort_values(keys, ignore_index=True)
    of_medium = distinct.groupby(["source", "path"])
    distinct = distinct.assign(**{f"{name}s": of_medium[name].transform("nunique") for name in ("split", "view")})
    return distinct.drop_duplicates(["source", "path"], ignore_index=True)


def place(root: Path, folders: tuple[str, ...], path: str) -> str:
    """Return the path of a medium below the folder of its source: where it is, else where it is looked for first.

    Args:
        root: folder of the source.
        folders: where its media may lie.
        path: of the medium below one of them.
    """
    places = [str(PurePosixPath(folder, path)) for folder in folders]
    # one place needs no look: of millions of media, each would cost a call to a disk that may be far away
    return places[0] if len(places) == 1 else next((each for each in places if (root / each).exists()), places[0])


def run(params: Data, data_dir: Path) -> dict:
    """Read data/annotations/{captions,questions}.parquet, write data/media/{videos,rejects}.parquet.

    Returns:
        `counts` (videos by source, rejects by reason, batches kept) and `row_counts`: (what, rows in, rows out,
        rejected).
    """
    folder = data_dir / "media"
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    project = data_dir.resolve().parent
    roots = {source: project / path for source, path in params.sources.given().items() if source in FOLDERS}
    media = named(data_dir)
    media["file"] = [
        place(roots[source], FOLDERS[source], path) for source, path in zip(media["source"], media["path"], strict=True)
    ]
    workers = [KillableWorker(timeout_s=TIMEOUT_S) for _ in range(WORKERS if len(media) > FIRST_WORKER else 1)]
    paths, kept = [], 0
    try:
        for number, start in enumerate(range(0, len(media), BATCH)):
            batch, path = media.iloc[start : start + BATCH], parts / f"{number:05d}.parquet"
            digest = _digest(batch, roots)
            if is_finished(path, digest):
                kept += 1
            else:
                rows = pa.Table.from_pylist(list(_probed(batch, roots, workers)), marked(PART, digest))
                with written_whole(path) as partial:
                    pq.write_table(rows, partial, compression="zstd")
            paths.append(path)
    finally:
        for worker in workers:
            worker.close()
    counts = _join(paths, folder)
    shutil.rmtree(parts)
    rejected = sum(counts["rejects"].values())
    return {
        "counts": counts | {"batches_kept": kept},
        "row_counts": [("media", len(media), sum(counts["videos"].values()), rejected)],
    }


def _probed(batch: pd.DataFrame, roots: dict[str, Path], workers: list[KillableWorker]) -> Iterator[dict]:
    """Return a row of PART for each medium of a batch, in order."""
    idle: queue.SimpleQueue[KillableWorker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def look(medium: dict) -> dict:
        worker = idle.get()
        try:
            return _row(medium, roots[medium["source"]], worker)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from pool.map(look, batch.to_dict("records"))
    finally:
        pool.shutdown(cancel_futures=True)


def _row(medium: dict, root: Path, worker: KillableWorker) -> dict:
    """Probe one medium; `reason` says why it does not become a video, and is null where it does."""
    take_id = content_id("medium", medium["source"], medium["path"])
    row = dict.fromkeys(PART.names) | {name: medium[name] for name in ("source", "view", "split")}
    row |= {"take_id": take_id, "take_name": medium["path"], "camera_id": "", "path": medium["file"]}
    row["video_id"] = content_id(medium["source"], take_id, "")
    if medium["splits"] > 1:
        return row | {"reason": "in_two_splits", "detail": medium["file"]}
    if medium["views"] > 1:
        return row | {"reason": "in_two_views", "detail": medium["file"]}
    try:
        path = video.inside(root, medium["file"])
        if not (path.is_dir() if medium["media"] == "frames" else path.is_file()):
            return row | {"reason": "missing_medium", "detail": medium["file"]}
        seen = probing.probe(worker, path, timeout_s=TIMEOUT_S)
    except video.PathError as error:
        return row | {"reason": "path_outside_root", "detail": error.cause}
    except video.VideoError as error:
        return row | {"reason": "unreadable_medium", "detail": f"{medium['file']}: {error.cause}"}
    return row | {"duration_s": seen.duration_s, "fps": seen.fps}


def _digest(batch: pd.DataFrame, roots: dict[str, Path]) -> str:
    """Return the digest of a batch and of what the file system says of its files, as they are now."""
    digest = hashlib.sha256()
    rows = batch.itertuples(index=False, name=None)
    for row, source, file in zip(rows, batch["source"], batch["file"], strict=True):
        digest.update(f"{row}".encode())
        try:
            stat = (roots[source] / file).stat()
            digest.update(f"{stat.st_size}/{stat.st_mtime_ns}".encode())
        except (OSError, ValueError):
            continue  # what is wrong with the file is found when it is probed
    return digest.hexdigest()


def _join(paths: list[Path], folder: Path) -> dict:
    """Write the parts as one table of videos and one of rejects, and count the rows of both."""
    videos, reasons = Counter(), Counter()
    with (
        pq.ParquetWriter(folder / "videos.parquet", records.VIDEO, compression="zstd") as kept,
        pq.ParquetWriter(folder / "rejects.parquet", records.REJECT, compression="zstd") as refused,
    ):
        for path in paths:
            part = pq.read_table(path).replace_schema_metadata(None)
            good, bad = part.filter(pc.field("reason").is_null()), part.filter(pc.field("reason").is_valid())
            kept.write_table(good.select(records.VIDEO.names))
            lost = bad.to_pandas().assign(step="media", row_id=lambda rows: rows["source"] + "/" + rows["take_name"])
            refused.write_table(pa.Table.from_pandas(lost[records.REJECT.names], records.REJECT, preserve_index=False))
            videos.update(good["source"].to_pylist())
            reasons.update(lost["reason"])
    return {"videos": dict(sorted(videos.items())), "rejects": dict(sorted(reasons.items()))}
