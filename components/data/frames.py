"""Stage `frames`: every frame that a sample needs is decoded once from its video, and read back from there ever after.

data/frames/: shard-00000.arrow ... (components/data/shards.py), index.parquet (which frame rows each sample sees),
rejects.parquet, contract.json (how frames were chosen and decoded, with its digest). `FrameStore` reads it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components import records, video
from components.data.shards import map_shard, pack, shard_path, write_shards
from components.params import Data, Frames

INDEX = pa.schema([("sample_id", pa.string()), ("stream", pa.string()), ("rows", pa.list_(pa.int64()))])
VIDEO_COLUMNS = ["video_id", "source", "path", "duration_s", "fps"]
STREAMS = ("media", "paired")


def spread(total: int, parts: int) -> list[int]:
    """Split a number of frames evenly; the first parts get what is left over.

    >>> spread(32, 3)
    [11, 11, 10]
    """
    return [total // parts + (part < total % parts) for part in range(parts)]


def media_frames(media: list[dict], videos: dict[str, dict], *, n_frames: int) -> list[tuple[str, int]]:
    """Choose the frames of a media list: (video_id, frame index), `n_frames` in all, in the order of the list.

    Raises:
        ValueError: a span is empty or outside its video, its video is unknown, or there are more spans than frames.
    """
    if len(media) > n_frames:
        raise ValueError(f"{len(media)} spans for {n_frames} frames: allowed is at least one frame for each span")
    chosen = []
    for span, count in zip(media, spread(n_frames, len(media)) if media else (), strict=True):
        if span["video_id"] not in videos:
            raise ValueError(f"video {span['video_id']} is not in annotations/videos.parquet")
        of = videos[span["video_id"]]
        total = round(of["duration_s"] * of["fps"])
        indices = video.sample_frame_indices(
            span["start_s"], span["end_s"], fps=of["fps"], n_frames=count, total_frames=total
        )
        chosen += [(span["video_id"], int(index)) for index in indices]
    return chosen


def contract_of(frames: Frames) -> dict:
    """Give the sampling contract of the parameters (`video.contract`)."""
    return video.contract(
        size_px=frames.size_px,
        image_frames=frames.image_frames,
        clip_frames=frames.clip_frames,
        window_frames=frames.window_frames,
        jpeg_quality=frames.jpeg_quality,
    )


def choose(
    samples: list[dict], videos: dict[str, dict], frames: Frames
) -> tuple[dict[tuple[str, str], list[tuple[str, int]]], dict[str, dict]]:
    """Choose the frames of every sample: {(sample_id, stream): [(video_id, frame index)]}, and rejects by sample_id."""
    totals = {"image": frames.image_frames, "clip": frames.clip_frames, "window": frames.window_frames}
    chosen: dict[tuple[str, str], list[tuple[str, int]]] = {}
    rejects: dict[str, dict] = {}
    for sample in samples:
        sample_id, n_frames = sample["sample_id"], totals.get(sample["frame_kind"])
        if n_frames is None:
            rejects[sample_id] = _reject(sample_id, "unknown_frame_kind", sample["frame_kind"])
            continue
        if not sample["media"]:
            rejects[sample_id] = _reject(sample_id, "no_media", "")
            continue
        try:
            chosen |= {
                (sample_id, stream): media_frames(sample[stream], videos, n_frames=n_frames)
                for stream in STREAMS
                if sample[stream]
            }
        except ValueError as error:
            rejects[sample_id] = _reject(sample_id, "bad_span", error)
    return chosen, rejects


def run(params: Data, data_dir: Path) -> dict:
    """Read data/dataset/samples.parquet and data/annotations/videos.parquet, write data/frames.

    A shard that an earlier, killed run finished for the same frames is kept. A sample that needs a video which cannot
    be decoded is rejected as a whole.

    Returns:
        `counts` (samples, frames, shards, videos, rejects) and `ledger`: (what, rows in, rows out, rejected).
    """
    folder = data_dir / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    contract = contract_of(params.frames)
    videos = _read(data_dir / "annotations/videos.parquet", records.VIDEO, VIDEO_COLUMNS)
    videos = {row["video_id"]: row for row in videos}
    samples = _read(data_dir / "dataset/samples.parquet", records.SAMPLE, ["sample_id", "frame_kind", *STREAMS])
    chosen, rejects = choose(samples, videos, params.frames)
    needed: dict[str, set[int]] = {}
    for frames in chosen.values():
        for video_id, index in frames:
            needed.setdefault(video_id, set()).add(index)
    shards = pack(needed, videos, shard_frames=params.frames.shard_frames)
    failed, reused = write_shards(
        shards,
        folder,
        roots={source: data_dir.resolve().parent / path for source, path in params.sources.given().items()},
        size_px=params.frames.size_px,
        jpeg_quality=params.frames.jpeg_quality,
        digest=contract["digest"],
    )
    for (sample_id, _), frames in chosen.items():
        broken = next((video_id for video_id, _ in frames if video_id in failed), None)
        if broken is not None:
            rejects.setdefault(sample_id, _reject(sample_id, "video_not_decoded", failed[broken]))
    # all shards but the last are full, so that counting through gives the row
    places = ((piece.video_id, index) for shard in shards for piece in shard for index in piece.indices)
    row_of = {place: row for row, place in enumerate(places)}
    index = [
        {"sample_id": sample_id, "stream": stream, "rows": [row_of[frame] for frame in frames]}
        for (sample_id, stream), frames in chosen.items()
        if sample_id not in rejects
    ]
    records.write_table(folder / "index.parquet", index, INDEX)
    records.write_table(folder / "rejects.parquet", rejects.values(), records.REJECT)
    layout = {"frames": len(row_of), "shards": len(shards), "shard_frames": params.frames.shard_frames}
    (folder / "contract.json").write_text(json.dumps(contract | layout, indent=2) + "\n")
    counts = {
        "samples": len(samples),
        "frames": len(row_of),
        "shards": len(shards),
        "shards_reused": reused,
        "videos": len(needed),
        "videos_not_decoded": len(failed),
        "rejects": len(rejects),
    }
    return {"counts": counts, "ledger": [("samples", len(samples), len(samples) - len(rejects), len(rejects))]}


def _read(path: Path, schema: pa.Schema, columns: list[str]) -> list[dict]:
    return records.read_table(path, schema).select(columns).to_pylist()


def _reject(sample_id: str, reason: str, detail: object) -> dict:
    return {"step": "frames", "row_id": sample_id, "reason": reason, "detail": str(detail)}


class ContractError(ValueError):
    """Frames were made under another sampling contract than the one expected."""


class FrameStore:
    """The frames of all samples, mapped from the shards. Opening reads the index only.

    >>> store = FrameStore(Path("data/frames"))  # doctest: +SKIP
    >>> store.frames(sample_id).shape  # doctest: +SKIP
    (4, 64, 64, 3)
    """

    def __init__(self, root: Path) -> None:
        """Open the folder that stage `frames` wrote.

        Raises:
            FileNotFoundError: the stage did not run or did not end.
        """
        self.root = Path(root)
        self.contract: dict = json.loads((self.root / "contract.json").read_text())
        index = pq.read_table(self.root / "index.parquet").combine_chunks()
        lists = pa.concat_arrays(index["rows"].chunks or [pa.array([], INDEX.field("rows").type)])
        self._rows = lists.values.to_numpy()
        ends = lists.offsets.to_numpy()
        keys = zip(index["sample_id"].to_pylist(), index["stream"].to_pylist(), strict=True)
        self._spans = {key: (ends[number], ends[number + 1]) for number, key in enumerate(keys)}
        self._shards = [map_shard(shard_path(self.root, number)) for number in range(self.contract["shards"])]

    def __reduce__(self) -> tuple:
        # a pickled memory map would copy every frame: a worker process opens the folder itself
        return FrameStore, (self.root,)

    def __contains__(self, sample_id: str) -> bool:
        """Tell whether the sample has frames; those in rejects.parquet have none."""
        return (sample_id, "media") in self._spans

    def __len__(self) -> int:
        return sum(stream == "media" for _, stream in self._spans)

    def frames(self, sample_id: str, stream: str = "media") -> np.ndarray:
        """Give the frames of a sample.

        Returns:
            uint8 array [T, H, W, 3], RGB; T is that of the contract for the sample's frame_kind.

        Raises:
            KeyError: the sample has no frames in this stream (it was rejected, or has no exo view).
        """
        import cv2

        if (sample_id, stream) not in self._spans:
            raise KeyError(
                f"sample {sample_id!r} has no frames in stream {stream!r} of {self.root}; streams are {STREAMS}, "
                "rejected samples are in its rejects.parquet"
            )
        start, end = self._spans[sample_id, stream]
        size_px = self.contract["size_px"]
        frames = np.empty((end - start, size_px, size_px, 3), np.uint8)
        for frame, row in zip(frames, self._rows[start:end], strict=True):
            shard, place = divmod(int(row), self.contract["shard_frames"])
            jpeg = np.frombuffer(self._shards[shard][place].as_buffer(), np.uint8)
            frame[:] = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
        return frames

    def check(self, digest: str) -> None:
        """Make sure that the frames were made under the sampling contract with this digest.

        Raises:
            ContractError: they were made under another one.
        """
        if digest != self.contract["digest"]:
            raise ContractError(
                f"{self.root}/contract.json: the frames have contract {self.contract['digest'][:12]}, expected is "
                f"{digest[:12]}; run `dvc repro frames` for the present params/data.yaml, or use the checkpoint and "
                "params that belong to these frames"
            )
