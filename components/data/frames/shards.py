"""Arrow shards of JPEGs: which frames lie where, decoding them in killable workers, writing, and mapping them back.

A shard is one Arrow IPC file with the column `jpeg`, null where a video could not be decoded. Frame rows are numbered
through all shards: row r lies in shard r // shard_frames. A shard is one row of work for
components/data/partition/executor.py, so that a cluster decodes on all its nodes; its bytes go from the worker to the
file and nowhere else.
"""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from components import video
from components.data.frames.contract import digest_of
from components.data.frames.sampling import Videos, index_in_video, video_of
from components.data.partition import executor
from components.data.partition.finished_parts import is_finished, marked, remove_stale, written_whole
from components.video import image_folder
from components.video.killable_worker import KillableWorker, WorkerDiedError

WORKERS = 2  # decoding processes of one shard
PART_FRAMES, TIMEOUT_S = 500, 120.0  # frames of one video that are decoded at once, and the time that they may take
SHARD = pa.schema([("jpeg", pa.binary())])
_WRITTEN = pa.struct(
    [
        ("reused", pa.bool_()),
        ("lost", pa.map_(pa.string(), pa.string())),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
    ]
)


@dataclass(frozen=True)
class Piece:
    """Frames of one video that lie together in one shard.

    Its text form is a part of the digest that marks a shard as finished: a change here has all shards decoded again.
    """

    video_id: str
    path: str
    source: str
    indices: tuple[int, ...]


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a shard's file."""
    return folder / f"shard-{number:05d}.arrow"


def pack(frames: np.ndarray, videos: Videos, *, shard_frames: int) -> pa.Table:
    """Lay frames into shards of exactly `shard_frames`; the last may hold fewer.

    Args:
        frames: as `sampling.distinct_frames` returns them.
        videos: all videos.
        shard_frames: frames in a shard.

    Returns:
        A row per shard: its `number`, and its `pieces` with the members of `Piece`.
    """
    rows, video_number = np.arange(len(frames)), video_of(frames)
    begins = np.flatnonzero((rows % shard_frames == 0) | (video_number != np.roll(video_number, 1)))
    of_video = [column.take(pa.array(video_number[begins])) for column in (videos.ids, videos.paths, videos.sources)]
    indices = pa.ListArray.from_arrays(np.append(begins, len(frames)).astype(np.int32), index_in_video(frames))
    pieces = pa.StructArray.from_arrays([*of_video, indices], names=["video_id", "path", "source", "indices"])
    shards = np.searchsorted(begins, np.append(rows[::shard_frames], len(frames))).astype(np.int32)
    return pa.table({"number": rows[: len(shards) - 1], "pieces": pa.ListArray.from_arrays(shards, pieces)})


def encode_piece(path: Path, indices: tuple[int, ...], size_px: int, jpeg_quality: int) -> list[bytes]:
    """Decode frames of one video and compress each as a JPEG.

    Args:
        path: a video file, or a folder of images.
        indices: of the frames in the video.
        size_px: width and height of the decoded frames.
        jpeg_quality: 0 to 100.

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
) -> tuple[dict[str, str], int, dict[str, dict]]:
    """Write the shards that are not finished yet, and remove files of shards that are not among these.

    Args:
        shards: as `pack` returns them.
        folder: an absolute path.
        roots: source -> folder that the paths of its pieces are relative to; absolute paths.
        size_px: width and height of the frames.
        jpeg_quality: 0 to 100.
        digest: of the sampling contract; a shard that was made under another one is made again.

    Returns:
        {video_id: why it could not be decoded}, how many shards were there already, and the digest of each by its name.

    Raises:
        RuntimeError: a shard could not be written; the others are.
    """
    remove_stale(folder, "shard-*", [shard_path(folder, number) for number in range(len(shards))])
    failed: dict[str, str] = {}
    files: dict[str, dict] = {}
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
            files[shard_path(folder, number).name] = {name: value[name] for name in ("bytes", "sha256")}
    if unwritten:
        raise RuntimeError(
            f"{len(unwritten)} of {len(shards)} shards could not be written: {', '.join(unwritten[:3])}; "
            "mend that and run `dvc repro frames` again, which keeps the others"
        )
    return failed, reused, files


@contextmanager
def _writer(
    folder: Path, roots: dict[str, Path], size_px: int, jpeg_quality: int, digest: str
) -> Generator[Callable[[dict], dict]]:
    """Yield the function that makes one shard; its decoding processes serve all shards of the worker."""
    contents: dict[tuple[str, str], str] = {}
    idle: queue.SimpleQueue[KillableWorker] = queue.SimpleQueue()

    def decode(piece: Piece) -> list[bytes] | str:
        worker = idle.get()
        try:
            path = video.inside(roots[piece.source], piece.path)
            worker.timeout_s = TIMEOUT_S + video.longest_read_s(path)
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
            file = (piece.source, piece.path)
            if file not in contents:
                contents[file] = _content(roots[piece.source], piece.path)
            made_from.update(f"{contents[file]}{piece}".encode())
        if is_finished(path, made_from.hexdigest()):
            return {"reused": True, "lost": {}, **digest_of(path)}
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
            pa.ipc.new_file(sink, schema) as shard_file,
        ):
            shard_file.write_batch(pa.record_batch([pa.array(jpegs, pa.binary())], schema=schema))
        return {"reused": False, "lost": lost, **digest_of(path)}

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
    """Return the JPEGs of a shard, mapped into memory; a frame is read when it is used."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0).column(0)
