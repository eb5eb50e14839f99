"""Arrow shards of JPEGs: which frames lie where, decoding them in killable workers, writing, and mapping them back.

A shard is one Arrow IPC file with the column `jpeg`, null where a video could not be decoded. Frame rows are numbered
through all shards: row r lies in shard r // shard_frames. A shard is one row of work for
components/data/partition/executor.py, so that a cluster decodes on all its nodes; its bytes go from the worker to the
file and nowhere else.
"""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from components import video
from components.data.frames.sampling import Films, index_of, place_of
from components.data.partition import executor
from components.data.partition.finished_parts import is_finished, marked, remove_stale, written_whole
from components.video import image_folder
from components.video.killable_worker import KillableWorker, WorkerDiedError

WORKERS = 2  # decoding processes of one shard
PART_FRAMES, TIMEOUT_S = 500, 120.0  # frames of one video that are decoded at once, and the time that they may take
SHARD = pa.schema([("jpeg", pa.binary())])
_WRITTEN = pa.struct([("reused", pa.bool_()), ("lost", pa.map_(pa.string(), pa.string()))])


@dataclass(frozen=True)
class Piece:
    """Frames of one video that lie together in one shard."""

    video_id: str
    path: str
    source: str
    indices: tuple[int, ...]


def shard_path(folder: Path, number: int) -> Path:
    """Name a shard's file."""
    return folder / f"shard-{number:05d}.arrow"


def pack(frames: np.ndarray, films: Films, *, shard_frames: int) -> pa.Table:
    """Lay frames (as `choosing.needed` gives them) into shards of exactly `shard_frames`; the last may hold fewer.

    Returns:
        A row per shard: its `number`, and its `pieces` with the members of `Piece`.
    """
    rows, place = np.arange(len(frames)), place_of(frames)
    begins = np.flatnonzero((rows % shard_frames == 0) | (place != np.roll(place, 1)))
    of_film = [column.take(pa.array(place[begins])) for column in (films.ids, films.paths, films.sources)]
    indices = pa.ListArray.from_arrays(np.append(begins, len(frames)).astype(np.int32), index_of(frames))
    pieces = pa.StructArray.from_arrays([*of_film, indices], names=["video_id", "path", "source", "indices"])
    shards = np.searchsorted(begins, np.append(rows[::shard_frames], len(frames))).astype(np.int32)
    return pa.table({"number": rows[: len(shards) - 1], "pieces": pa.ListArray.from_arrays(shards, pieces)})


def encode_piece(path: Path, indices: tuple[int, ...], size_px: int, jpeg_quality: int) -> list[bytes]:
    """Decode frames of one video and compress each.

    Raises:
        VideoError: the video cannot be decoded.
    """
    import cv2

    cv2.setNumThreads(1)  # the workers are the parallelism
    # 4:4:4: small frames lose their colours to chroma subsampling
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    frames = video.decode(path, np.array(indices), size_px=size_px)
    return [cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)[1].tobytes() for frame in frames]


def write_shards(
    shards: pa.Table, folder: Path, *, roots: dict[str, Path], size_px: int, jpeg_quality: int, digest: str
) -> tuple[dict[str, str], int]:
    """Write the shards that are not there yet, and remove those of another plan.

    Args:
        shards: as `pack` gives them.
        roots: source -> folder that the paths of its pieces are relative to; absolute, as `folder`.
        digest: of the sampling contract; a shard made under another one is made anew.

    Returns:
        {video_id: why it could not be decoded}, and how many shards were there already.

    Raises:
        RuntimeError: a shard could not be written; the others are.
    """
    remove_stale(folder, "shard-*", [shard_path(folder, number) for number in range(len(shards))])
    failed: dict[str, str] = {}
    reused, unwritten = 0, []
    given = folder, roots, size_px, jpeg_quality, digest
    with Progress() as progress:
        written = executor.map_rows(shards, _writer, *given, returns=_WRITTEN, cpus=WORKERS)
        for number, (value, error) in enumerate(progress.track(written, total=len(shards), description="frame shards")):
            if error is not None:
                unwritten.append(f"{shard_path(folder, number).name} ({error})")
                continue
            reused += value["reused"]
            failed |= value["lost"]
    if unwritten:
        raise RuntimeError(
            f"{len(unwritten)} of {len(shards)} shards could not be written: {', '.join(unwritten[:3])}; "
            "mend that and run `dvc repro frames` again, which keeps the others"
        )
    return failed, reused


@contextmanager
def _writer(
    folder: Path, roots: dict[str, Path], size_px: int, jpeg_quality: int, digest: str
) -> Iterator[Callable[[dict], dict]]:
    """Open the worker that makes one shard after the other; its decoding processes serve all of them."""
    contents: dict[tuple[str, str], str] = {}
    idle: queue.SimpleQueue[KillableWorker] = queue.SimpleQueue()

    def decode(piece: Piece) -> list[bytes] | str:
        worker = idle.get()
        try:
            path = video.inside(roots[piece.source], piece.path)
            parts = (piece.indices[start : start + PART_FRAMES] for start in range(0, len(piece.indices), PART_FRAMES))
            made = (worker.call(encode_piece, path, part, size_px, jpeg_quality) for part in parts)
            return [jpeg for part in made for jpeg in part]
        except video.VideoError as error:
            return f"{piece.path}: {error.cause}"
        except WorkerDiedError as error:
            return f"{piece.path}: {error}"
        finally:
            idle.put(worker)

    def write(shard: dict) -> dict:
        path = shard_path(folder, shard["number"])
        pieces = [Piece(**piece | {"indices": tuple(piece["indices"])}) for piece in shard["pieces"]]
        made_from = hashlib.sha256(digest.encode())
        for piece in pieces:
            place = (piece.source, piece.path)
            if place not in contents:
                contents[place] = _content(roots[piece.source], piece.path)
            made_from.update(f"{contents[place]}{piece}".encode())
        if is_finished(path, made_from.hexdigest()):
            return {"reused": True, "lost": {}}
        jpegs: list[bytes | None] = []
        lost = {}
        for piece, result in zip(pieces, pool.map(decode, pieces), strict=True):
            if isinstance(result, str):
                lost[piece.video_id] = result
                jpegs += [None] * len(piece.indices)
            else:
                jpegs += result
        # a shard with losses is not marked as finished, so that the next run tries to decode the videos again
        schema = marked(SHARD, "" if lost else made_from.hexdigest())
        with (
            written_whole(path) as partial,
            pa.OSFile(str(partial), "wb") as sink,
            pa.ipc.new_file(sink, schema) as file,
        ):
            file.write_batch(pa.record_batch([pa.array(jpegs, pa.binary())], schema=schema))
        return {"reused": False, "lost": lost}

    with ExitStack() as opened:
        for _ in range(WORKERS):
            idle.put(opened.enter_context(KillableWorker(timeout_s=TIMEOUT_S)))
        pool = ThreadPoolExecutor(WORKERS)
        opened.callback(pool.shutdown, cancel_futures=True)
        yield write


def _content(root: Path, relative: str) -> str:
    """Return the digest of a video's bytes (times of change would make shards differ from machine to machine)."""
    try:
        path, digest = video.inside(root, relative), hashlib.sha256()
        for part in image_folder.files(path) if path.is_dir() else [path]:
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
    except (video.VideoError, OSError):  # decoding will say what is wrong with it
        return "unreadable"


def map_shard(path: Path) -> pa.BinaryArray:
    """Map a shard's JPEGs into memory; nothing is read before it is used."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0).column(0)
