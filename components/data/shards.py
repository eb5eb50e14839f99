"""Arrow shards of JPEGs: which frames lie where, decoding them in guarded workers, writing, and mapping them back.

A shard is one Arrow IPC file with the column `jpeg`, null where a video could not be decoded. Frame rows are numbered
through all shards: row r lies in shard r // shard_frames.
"""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from components import video
from components.guard import Guard, GuardError

WORKERS = 2
TIMEOUT_S = 120.0  # of the frames of one video in one shard
SHARD = pa.schema([("jpeg", pa.binary())])


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


def pack(needed: dict[str, set[int]], videos: dict[str, dict], *, shard_frames: int) -> list[list[Piece]]:
    """Lay the needed frames, video after video, into shards of exactly `shard_frames` (the last may hold fewer)."""
    shards: list[list[Piece]] = [[]]
    room = shard_frames
    for video_id in sorted(needed):
        left = sorted(needed[video_id])
        while left:
            if room == 0:
                shards.append([])
                room = shard_frames
            taken, left = left[:room], left[room:]
            room -= len(taken)
            of = videos[video_id]
            shards[-1].append(Piece(video_id, of["path"], of["source"], tuple(taken)))
    return [shard for shard in shards if shard]


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
    shards: list[list[Piece]], folder: Path, *, roots: dict[str, Path], size_px: int, jpeg_quality: int, digest: str
) -> tuple[dict[str, str], int]:
    """Write the shards that are not there yet, and remove those of another plan.

    Args:
        roots: source -> folder that the paths of its pieces are relative to.
        digest: of the sampling contract; a shard made under another one is made anew.

    Returns:
        {video_id: why it could not be decoded}, and how many shards were there already.
    """
    failed: dict[str, str] = {}
    todo: list[tuple[Path, list[Piece], str]] = []
    contents: dict[tuple[str, str], str] = {}
    for number, shard in enumerate(shards):
        path = shard_path(folder, number)
        plan = hashlib.sha256(digest.encode())
        for piece in shard:
            place = (piece.source, piece.path)
            if place not in contents:
                contents[place] = _content(roots[piece.source], piece.path)
            plan.update(f"{contents[place]}{piece}".encode())
        if _plan_of(path) != plan.hexdigest():
            todo.append((path, shard, plan.hexdigest()))
    for stale in set(folder.glob("shard-*")) - {shard_path(folder, number) for number in range(len(shards))}:
        stale.unlink()
    pieces = [piece for _, shard, _ in todo for piece in shard]
    with Progress() as progress:
        decoded = _decode_all(pieces, roots, size_px=size_px, jpeg_quality=jpeg_quality)
        tracked = progress.track(decoded, total=len(pieces), description="frames")
        for path, shard, plan in todo:
            jpegs: list[bytes | None] = []
            lost = {}
            for piece, result in zip(shard, tracked, strict=False):
                if isinstance(result, str):
                    lost[piece.video_id] = result
                    jpegs += [None] * len(piece.indices)
                else:
                    jpegs += result
            # a shard with losses belongs to no plan, so that the next run tries again
            _write_shard(path, jpegs, "" if lost else plan)
            failed |= lost
    return failed, len(shards) - len(todo)


def _decode_all(
    pieces: list[Piece], roots: dict[str, Path], *, size_px: int, jpeg_quality: int
) -> Iterator[list[bytes] | str]:
    """Decode pieces in guarded workers; give, in order, the JPEGs of each or why there are none."""
    if not pieces:
        return
    guards = [Guard(timeout_s=TIMEOUT_S) for _ in range(WORKERS)]
    idle: queue.SimpleQueue[Guard] = queue.SimpleQueue()
    for guard in guards:
        idle.put(guard)

    def decode(piece: Piece) -> list[bytes] | str:
        guard = idle.get()
        try:
            path = video.inside(roots[piece.source], piece.path)
            return guard.call(encode_piece, path, piece.indices, size_px, jpeg_quality)
        except (video.VideoError, GuardError) as error:
            return f"{piece.path}: {error}"
        finally:
            idle.put(guard)

    pool = ThreadPoolExecutor(WORKERS)
    try:
        yield from pool.map(decode, pieces)
    finally:
        pool.shutdown(cancel_futures=True)
        for guard in guards:
            guard.close()


def _content(root: Path, relative: str) -> str:
    """Give the digest of a video's bytes (times of change would make shards differ from machine to machine)."""
    try:
        with video.inside(root, relative).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (video.VideoError, OSError):  # decoding will say what is wrong with it
        return "unreadable"


def _write_shard(path: Path, jpegs: list[bytes | None], plan: str) -> None:
    schema = SHARD.with_metadata({"plan": plan})
    # a rename at the end: a killed run leaves no half shard that looks whole
    partial = path.with_suffix(".partial")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array(jpegs, pa.binary())], schema=schema))
    partial.rename(path)


def _plan_of(path: Path) -> str | None:
    """Give the plan that a finished shard was written for, None where there is no such shard."""
    try:
        with pa.memory_map(str(path)) as source:
            return (pa.ipc.open_file(source).schema.metadata or {}).get(b"plan", b"").decode()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def map_shard(path: Path) -> pa.BinaryArray:
    """Map a shard's JPEGs into memory; nothing is read before it is used."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0).column(0)
