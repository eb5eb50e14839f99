"""Stage `frames`: every frame that a sample needs is decoded once from its video, and read back from there ever after.

data/frames/: shard-00000.arrow ... (components/data/frames/shards.py), index.parquet (which frame rows each sample
sees), rejects.parquet, contract.json (how frames were sampled and decoded, and the digests of the files).
`FrameStore` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import records, video
from components.data.frames.contract import CONTRACT, digest_of
from components.data.frames.sampling import STREAMS, SampledFrames, Videos, distinct_frames, sample_frames, video_of
from components.data.frames.shards import pack, write_shards
from components.data.frames.store import INDEX
from components.data.partition.finished_parts import written_whole
from components.params import Data, Frames

BATCH = 50_000  # samples whose frames are sampled at once


def contract_of(frames: Frames) -> dict:
    """Return the sampling contract of the parameters (`video.contract`)."""
    return video.contract(
        size_px=frames.size_px,
        image_frames=frames.image_frames,
        clip_frames=frames.clip_frames,
        window_frames=frames.window_frames,
        jpeg_quality=frames.jpeg_quality,
    )


def run(params: Data, data_dir: Path) -> dict:
    """Read data/dataset/samples.parquet and the tables of videos (`records.VIDEOS`), write data/frames.

    A shard that an earlier, killed run finished for the same frames is kept. A sample that needs a video which cannot
    be decoded is rejected as a whole. Samples are read twice, batch by batch: of all of them together, only the numbers
    of the frames are in memory.

    Returns:
        `counts` (samples, frames, shards, videos, rejects) and `row_counts`: (what, rows in, rows out, rejected).
    """
    folder = data_dir.resolve() / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    contract = contract_of(params.frames)
    videos = Videos.of(records.read_videos(data_dir))

    def sampled_batches() -> Iterator[tuple[pa.RecordBatch, SampledFrames, list[dict]]]:
        samples = data_dir / "dataset/samples.parquet"
        for batch in records.read_batches(samples, records.SAMPLE, ["sample_id", "frame_kind", *STREAMS], rows=BATCH):
            yield batch, *sample_frames(batch, videos, params.frames)

    frames = distinct_frames(sampled for _, sampled, _ in sampled_batches())
    shards = pack(frames, videos, shard_frames=params.frames.shard_frames)
    failed, reused, files = write_shards(
        shards,
        folder,
        roots={source: data_dir.resolve().parent / path for source, path in params.sources.given().items()},
        size_px=params.frames.size_px,
        jpeg_quality=params.frames.jpeg_quality,
        digest=contract["digest"],
    )
    samples, kept, rejected = 0, 0, 0
    with (
        pq.ParquetWriter(folder / "index.parquet", INDEX, compression="zstd") as index,
        pq.ParquetWriter(folder / "rejects.parquet", records.REJECT, compression="zstd") as rejects,
    ):
        for batch, sampled, unusable in sampled_batches():
            sampled, broken = _without_broken_videos(batch, sampled, videos, failed)
            index.write_table(_index(batch, sampled, frames))
            rejects.write_table(pa.Table.from_pylist(unusable + broken, records.REJECT))
            samples, rejected = samples + len(batch), rejected + len(unusable) + len(broken)
            kept += len(np.unique(sampled.samples))
    layout = {"frames": len(frames), "shards": len(shards), "shard_frames": params.frames.shard_frames}
    files |= {name: digest_of(folder / name) for name in ("index.parquet", "rejects.parquet")}
    with written_whole(folder / CONTRACT) as partial:
        partial.write_text(json.dumps(contract | layout | {"files": files}, indent=2, allow_nan=False) + "\n")
    counts = {
        "samples": samples,
        "frames": len(frames),
        "shards": len(shards),
        "shards_reused": reused,
        "videos": len(np.unique(video_of(frames))),
        "videos_not_decoded": len(failed),
        "rejects": rejected,
    }
    return {"counts": counts, "row_counts": [("samples", samples, kept, rejected)]}


def _without_broken_videos(
    batch: pa.RecordBatch, sampled: SampledFrames, videos: Videos, failed: dict[str, str]
) -> tuple[SampledFrames, list[dict]]:
    """Leave out the samples that need a video which could not be decoded, and return them as rejects."""
    if not failed:
        return sampled, []
    lost = np.flatnonzero(pc.is_in(videos.ids, pa.array(list(failed))).to_numpy(zero_copy_only=False))
    hit = np.isin(video_of(sampled.frames), lost)
    rows, first = np.unique(np.repeat(sampled.samples, np.diff(sampled.offsets))[hit], return_index=True)
    sample_ids = batch["sample_id"].take(pa.array(rows)).to_pylist()
    video_ids = videos.ids.take(pa.array(video_of(sampled.frames)[hit][first])).to_pylist()
    rejects = [
        {"step": "frames", "row_id": sample_id, "reason": "video_not_decoded", "detail": failed[video_id]}
        for sample_id, video_id in zip(sample_ids, video_ids, strict=True)
    ]
    return sampled.without(np.isin(np.arange(len(batch)), rows)), rejects


def _index(batch: pa.RecordBatch, sampled: SampledFrames, frames: np.ndarray) -> pa.Table:
    """Return rows of INDEX: the frame row is the rank among `frames`, for all shards but the last are full."""
    rows = pa.ListArray.from_arrays(sampled.offsets.astype(np.int32), np.searchsorted(frames, sampled.frames))
    streams = pa.array(STREAMS).take(pa.array(sampled.streams))
    return pa.table([batch["sample_id"].take(pa.array(sampled.samples)), streams, rows], schema=INDEX)
