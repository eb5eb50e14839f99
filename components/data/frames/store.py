"""Reading the frames that the stage `frames` kept: `FrameStore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data.frames import contract
from components.data.frames.sampling import STREAMS
from components.data.frames.shards import map_shard, shard_path

INDEX = pa.schema([("sample_id", pa.string()), ("stream", pa.string()), ("rows", pa.list_(pa.int64()))])


def _fixed_width(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return ASCII texts as NumPy bytes of one width [texts], shorter ones padded with NUL; makes no Python objects."""
    if isinstance(texts, pa.ChunkedArray):  # as pandas keeps the columns of a large table
        texts = texts.combine_chunks()
    width = pc.max(pc.binary_length(texts)).as_py() or 1
    padded = pc.ascii_rpad(texts, width, padding="\0").cast(pa.binary()).cast(pa.binary(width))
    return np.frombuffer(padded.buffers()[1], f"S{width}", count=len(padded))


class SamplingContractError(ValueError):
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
            DamagedFramesError: a file is not the one that the stage wrote; says which, and what to do.
        """
        self.root = Path(root)
        self.contract: dict = contract.read(self.root)
        index = pq.read_table(self.root / "index.parquet").combine_chunks()
        lists = pa.concat_arrays(index["rows"].chunks or [pa.array([], INDEX.field("rows").type)])
        self._rows, self._ends = lists.values.to_numpy(), lists.offsets.to_numpy()
        # sorted ids, and the line of the index that each stands on: a dict would take ten times the memory
        self._lines: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for stream in STREAMS:
            lines = np.flatnonzero(pc.equal(index["stream"], stream).to_numpy())
            ids = _fixed_width(index["sample_id"].take(pa.array(lines)).combine_chunks())
            order = np.argsort(ids, kind="stable")
            self._lines[stream] = ids[order], lines[order]
        self._shards = [map_shard(shard_path(self.root, number)) for number in range(self.contract["shards"])]

    def __reduce__(self) -> tuple:
        # a pickled memory map would copy every frame: a worker process opens the folder itself
        return FrameStore, (self.root,)

    def __contains__(self, sample_id: str) -> bool:
        """Return whether the sample has frames; those in rejects.parquet have none."""
        return bool(self.holds([sample_id])[0])

    def __len__(self) -> int:
        return len(self._lines["media"][0])

    def holds(self, sample_ids: Sequence[str] | pa.ChunkedArray) -> np.ndarray:
        """Return which of many samples have frames: bool [samples]."""
        return self._find(sample_ids, "media") >= 0

    def _find(self, sample_ids: Sequence[str], stream: str) -> np.ndarray:
        """Return the row of the index of each sample in a stream, -1 where it has none: int64 [samples]."""
        wanted = _fixed_width(pa.array(sample_ids, pa.string()))
        ids, lines = self._lines[stream]
        places = np.searchsorted(ids, wanted)
        found = places < len(ids)
        found[found] = ids[places[found]] == wanted[found]
        of_samples = np.full(len(wanted), -1)
        of_samples[found] = lines[places[found]]
        return of_samples

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample.

        Args:
            sample_id: of the sample.
            exo_view: place in its list `paired`, for the same moment from outside; None for what the sample shows.

        Returns:
            uint8 array [T, H, W, 3], RGB; T is that of the contract for the sample's frame_kind.

        Raises:
            KeyError: there are no such frames (the sample was rejected, or has fewer exo views).
            DamagedFramesError: a frame of the shard cannot be decoded.
        """
        import cv2

        rows = self._frame_rows(sample_id, "media")
        if exo_view is not None:  # the views follow one another, each with as many frames as the media
            rows = self._frame_rows(sample_id, "paired")[exo_view * len(rows) : (exo_view + 1) * len(rows)]
        if not len(rows):
            raise KeyError(
                f"sample {sample_id!r} has no frames in {self.root}, exo view {exo_view}: views are numbered as in "
                "`paired` of data/dataset/samples.parquet, rejected samples are in rejects.parquet"
            )
        size_px = self.contract["size_px"]
        frames = np.empty((len(rows), size_px, size_px, 3), np.uint8)
        for number, row in enumerate(rows.tolist()):
            if number and row == rows[number - 1]:  # an image, or a span with fewer frames than are asked
                frames[number] = frames[number - 1]
                continue
            shard, place = divmod(row, self.contract["shard_frames"])
            jpeg = np.frombuffer(self._shards[shard][place].as_buffer(), np.uint8)
            if (image := cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)) is None:
                raise contract.DamagedFramesError(
                    f"frame {place} of {shard_path(self.root, shard)} is no JPEG: `egoflow doctor --verify "
                    f"{self.root}` says which files are not what the stage `frames` wrote, and what to do"
                )
            frames[number] = image
        return frames

    def _frame_rows(self, sample_id: str, stream: str) -> np.ndarray:
        line = int(self._find([sample_id], stream)[0])
        return self._rows[slice(*self._ends[line : line + 2])] if line >= 0 else self._rows[:0]

    def check(self, digest: str) -> None:
        """Make sure that the frames were made under the sampling contract with this digest.

        Raises:
            SamplingContractError: they were made under another one.
        """
        if digest != self.contract["digest"]:
            raise SamplingContractError(
                f"{self.root}/contract.json: the frames have contract {self.contract['digest'][:12]}, expected is "
                f"{digest[:12]}; run `dvc repro frames` for the present params/data.yaml, or use the checkpoint and "
                "params that belong to these frames"
            )
