"""Stage `frames`: every frame that a sample needs is decoded once from its video, and read back from there ever after.

data/frames/: shard-00000.arrow ... (components/data/shards.py), index.parquet (which frame rows each sample sees),
rejects.parquet, contract.json (how frames were chosen and decoded, with its digest). `FrameStore` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import records, video
from components.data.choosing import STREAMS, Chosen, Films, choose, needed, place_of
from components.data.shards import map_shard, pack, shard_path, write_shards
from components.params import Data, Frames

INDEX = pa.schema([("sample_id", pa.string()), ("stream", pa.string()), ("rows", pa.list_(pa.int64()))])
BATCH = 50_000  # samples chosen at once


def contract_of(frames: Frames) -> dict:
    """Give the sampling contract of the parameters (`video.contract`)."""
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
    be decoded is rejected as a whole. Samples are read twice, batch by batch: of all of them together, no more is held
    than the numbers of the frames.

    Returns:
        `counts` (samples, frames, shards, videos, rejects) and `ledger`: (what, rows in, rows out, rejected).
    """
    folder = data_dir.resolve() / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    contract = contract_of(params.frames)
    films = Films.of(records.read_videos(data_dir))

    def chosen() -> Iterator[tuple[pa.RecordBatch, Chosen, list[dict]]]:
        samples = data_dir / "dataset/samples.parquet"
        for batch in records.read_batches(samples, records.SAMPLE, ["sample_id", "frame_kind", *STREAMS], rows=BATCH):
            yield batch, *choose(batch, films, params.frames)

    frames = needed(each for _, each, _ in chosen())
    shards = pack(frames, films, shard_frames=params.frames.shard_frames)
    failed, reused = write_shards(
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
        for batch, each, unusable in chosen():
            each, broken = _decoded(batch, each, films, failed)
            index.write_table(_index(batch, each, frames))
            rejects.write_table(pa.Table.from_pylist(unusable + broken, records.REJECT))
            samples, rejected = samples + len(batch), rejected + len(unusable) + len(broken)
            kept += len(np.unique(each.samples))
    layout = {"frames": len(frames), "shards": len(shards), "shard_frames": params.frames.shard_frames}
    (folder / "contract.json").write_text(json.dumps(contract | layout, indent=2) + "\n")
    counts = {
        "samples": samples,
        "frames": len(frames),
        "shards": len(shards),
        "shards_reused": reused,
        "videos": len(np.unique(place_of(frames))),
        "videos_not_decoded": len(failed),
        "rejects": rejected,
    }
    return {"counts": counts, "ledger": [("samples", samples, kept, rejected)]}


def _decoded(batch: pa.RecordBatch, chosen: Chosen, films: Films, failed: dict[str, str]) -> tuple[Chosen, list[dict]]:
    """Leave out the samples that need a video which could not be decoded; give them as rejects."""
    if not failed:
        return chosen, []
    lost = np.flatnonzero(pc.is_in(films.ids, pa.array(list(failed))).to_numpy(zero_copy_only=False))
    hit = np.isin(place_of(chosen.frames), lost)
    rows, first = np.unique(np.repeat(chosen.samples, np.diff(chosen.offsets))[hit], return_index=True)
    sample_ids = batch["sample_id"].take(pa.array(rows)).to_pylist()
    videos = films.ids.take(pa.array(place_of(chosen.frames)[hit][first])).to_pylist()
    rejects = [
        {"step": "frames", "row_id": sample_id, "reason": "video_not_decoded", "detail": failed[video_id]}
        for sample_id, video_id in zip(sample_ids, videos, strict=True)
    ]
    return chosen.without(np.isin(np.arange(len(batch)), rows)), rejects


def _index(batch: pa.RecordBatch, chosen: Chosen, frames: np.ndarray) -> pa.Table:
    """Give the lines of INDEX; the row of a frame is its rank, as all shards but the last are full."""
    rows = pa.ListArray.from_arrays(chosen.offsets.astype(np.int32), np.searchsorted(frames, chosen.frames))
    streams = pa.array(STREAMS).take(pa.array(chosen.streams))
    return pa.table([batch["sample_id"].take(pa.array(chosen.samples)), streams, rows], schema=INDEX)


def _fixed(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Give ASCII texts as bytes of one length, NUL behind shorter ones, without a Python object for each: S [texts]."""
    if isinstance(texts, pa.ChunkedArray):  # as pandas keeps the columns of a large table
        texts = texts.combine_chunks()
    width = pc.max(pc.binary_length(texts)).as_py() or 1
    padded = pc.ascii_rpad(texts, width, padding="\0").cast(pa.binary()).cast(pa.binary(width))
    return np.frombuffer(padded.buffers()[1], f"S{width}", count=len(padded))


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
        self._rows, self._ends = lists.values.to_numpy(), lists.offsets.to_numpy()
        # sorted ids, and the line of the index that each stands on: a dict would take ten times the memory
        self._lines: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for stream in STREAMS:
            lines = np.flatnonzero(pc.equal(index["stream"], stream).to_numpy())
            ids = _fixed(index["sample_id"].take(pa.array(lines)).combine_chunks())
            order = np.argsort(ids, kind="stable")
            self._lines[stream] = ids[order], lines[order]
        self._shards = [map_shard(shard_path(self.root, number)) for number in range(self.contract["shards"])]

    def __reduce__(self) -> tuple:
        # a pickled memory map would copy every frame: a worker process opens the folder itself
        return FrameStore, (self.root,)

    def __contains__(self, sample_id: str) -> bool:
        """Tell whether the sample has frames; those in rejects.parquet have none."""
        return bool(self.holds([sample_id])[0])

    def __len__(self) -> int:
        return len(self._lines["media"][0])

    def holds(self, sample_ids: Sequence[str]) -> np.ndarray:
        """Tell of many samples at once which have frames: bool [samples]."""
        return self._find(sample_ids, "media") >= 0

    def _find(self, sample_ids: Sequence[str], stream: str) -> np.ndarray:
        """Give the line of the index that is about each sample in a stream, -1 where none is: int64 [samples]."""
        wanted = _fixed(pa.array(sample_ids, pa.string()))
        ids, lines = self._lines[stream]
        places = np.searchsorted(ids, wanted)
        found = places < len(ids)
        found[found] = ids[places[found]] == wanted[found]
        of_samples = np.full(len(wanted), -1)
        of_samples[found] = lines[places[found]]
        return of_samples

    def frames(self, sample_id: str, stream: str = "media") -> np.ndarray:
        """Give the frames of a sample.

        Returns:
            uint8 array [T, H, W, 3], RGB; T is that of the contract for the sample's frame_kind.

        Raises:
            KeyError: the sample has no frames in this stream (it was rejected, or has no exo view).
        """
        import cv2

        line = int(self._find([sample_id], stream)[0]) if stream in STREAMS else -1
        if line < 0:
            raise KeyError(
                f"sample {sample_id!r} has no frames in stream {stream!r} of {self.root}; streams are {STREAMS}, "
                "rejected samples are in its rejects.parquet"
            )
        start, end = self._ends[line : line + 2].tolist()
        size_px = self.contract["size_px"]
        frames = np.empty((end - start, size_px, size_px, 3), np.uint8)
        rows = self._rows[start:end].tolist()
        for number, row in enumerate(rows):
            if number and row == rows[number - 1]:  # an image, or a span with fewer frames than are asked
                frames[number] = frames[number - 1]
                continue
            shard, place = divmod(row, self.contract["shard_frames"])
            jpeg = np.frombuffer(self._shards[shard][place].as_buffer(), np.uint8)
            frames[number] = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
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
