"""Score the candidates part by part on Daft; a part is one Parquet file that is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components import video
from components.data.funnel import candidates, clip_reader
from components.data.partition import executor
from components.data.partition.finished_parts import is_finished, marked, remove_stale, written_whole
from components.video.killable_worker import KillableWorker

SCORED = pa.schema(
    [
        *candidates.CANDIDATE,
        ("duration_s", pa.float64()),
        ("fps", pa.float64()),
        ("ego_score", pa.float64()),  # null, as all below, where `reason` says why there are no frames
        ("hands", pa.int64()),  # most in a frame; null, as all below, where the classifier says exo
        ("objects", pa.int64()),  # boxes of all frames
        ("frames", pa.int64()),
        ("motion", pa.float64()),  # as filters.motion gives it
        ("reason", pa.string()),  # "" where the clip was scored
        ("detail", pa.string()),
    ]
)
# perhaps the machine was busy: a part with such a row is not marked as finished, so that the next run tries it again
KILLED = "decoder_killed"


def score(
    parts: list[Path], target: Path, models: Path, roots: dict[str, Path], *, encoder: str, **how: float
) -> tuple[list[Path], int]:
    """Write target/<part> for each part of candidates that is not there yet, and remove those of no part.

    Args:
        models: the folder that `learning.learn` wrote to.
        roots: source -> folder that the paths of its videos are relative to.
        how: `frames`, `size_px` and `timeout_s` of decoding.

    Returns:
        The files, and how many of them were there already.

    Raises:
        RuntimeError: parts failed as a whole (names them); the others are finished.
    """
    target.mkdir(parents=True, exist_ok=True)
    remove_stale(target, "part-*", [target / part.name for part in parts])
    rows = pa.table({"part": [str(part) for part in parts], "scores": [str(target / part.name) for part in parts]})
    places = {name: str(root) for name, root in roots.items()}
    results = list(executor.map_rows(rows, worker, str(models), places, encoder, how, returns=pa.bool_(), cpus=1))
    failed = [f"{part.name}: {done.error}" for part, done in zip(parts, results, strict=True) if done.error]
    if failed:
        raise RuntimeError(
            f"funnel: {len(failed)} of {len(parts)} parts failed; run again, the others stay\n" + "\n".join(failed)
        )
    return [target / part.name for part in parts], sum(done.value for done in results)


@contextmanager
def worker(models: str, roots: dict[str, str], encoder: str, how: dict) -> Iterator[Callable[[dict], bool]]:
    """Load the models once and keep one killable decoder; gives the function of a part, True where it was there."""
    import torch

    from components.data.funnel import ego_exo_classifier, features, filters, hand_detector, train_models

    torch.set_num_threads(1)  # the same scores on every machine, and workers are the parallelism
    views, finder = train_models.load(Path(models))
    encode, folders = features.opened(encoder), {name: Path(root) for name, root in roots.items()}
    weights = [path.read_bytes() for path in sorted(Path(models).glob("models/*.safetensors"))]
    code = train_models.code_of(
        candidates, ego_exo_classifier, features, filters, clip_reader, hand_detector, sys.modules[__name__]
    )
    made_by = hashlib.sha256(b"".join([repr((features.digest(encoder), how, code)).encode(), *weights]))

    def judge(frames: np.ndarray, size_px: tuple[int, int]) -> dict:
        ego_score = float(ego_exo_classifier.scores(views, encode(frames)[None])[0])
        if ego_score < filters.EGO_SCORE:
            return {"ego_score": ego_score}
        seen = hand_detector.detect(finder, frames)
        return {
            "ego_score": ego_score,
            "hands": max(map(len, seen.hands)),
            "objects": sum(map(len, seen.objects)),
            "frames": len(frames),
            "motion": filters.motion(seen.centres() * np.array(size_px), width_px=size_px[0], height_px=size_px[1]),
        }

    with KillableWorker(timeout_s=how["timeout_s"]) as decoder:

        def work(row: dict) -> bool:
            part, path = Path(row["part"]), Path(row["scores"])
            clips = pq.read_table(part).to_pandas()
            made_from = made_by.copy()
            made_from.update(part.read_bytes())
            for source, name in clips[["source", "path"]].drop_duplicates().itertuples(index=False):
                made_from.update(_content(folders[source], name))
            if is_finished(path, made_from.hexdigest()):
                return True
            rows = []
            for (source, name), of_video in clips.groupby(["source", "path"], sort=False):
                spans = tuple(zip(of_video["start_s"], of_video["end_s"], strict=True))
                try:
                    decoding = {"frames": how["frames"], "size_px": how["size_px"]}
                    seen = clip_reader.read(decoder, folders[source], name, spans, **decoding)
                except clip_reader.RefusedError as error:
                    rows += [
                        row | {"reason": error.reason, "detail": error.detail} for row in of_video.to_dict("records")
                    ]
                else:
                    rows += _scored(of_video.to_dict("records"), seen, judge)
            killed = any(each["reason"] == KILLED for each in rows)
            table = pa.Table.from_pylist(rows, marked(SCORED, "" if killed else made_from.hexdigest()))
            with written_whole(path) as partial:
                pq.write_table(table, partial, compression="zstd")
            return False

        yield work


def _scored(
    rows: list[dict], seen: clip_reader.Footage, judge: Callable[[np.ndarray, tuple[int, int]], dict]
) -> list[dict]:
    """Score the clips of a video that was read; those that the end of the video leaves nothing of have a reason."""
    made = []
    for row, (start_s, end_s), frames in zip(rows, seen.spans, seen.clips, strict=True):
        row |= {"end_s": end_s, "duration_s": seen.duration_s, "fps": seen.fps}
        if frames is None or end_s - start_s < candidates.SHORTEST_S:
            why = "outside_video" if frames is None else "under_1_s"
            made.append(row | {"reason": why, "detail": f"the video is {seen.duration_s:g} s long"})
        else:
            made.append(row | judge(frames, seen.size_px) | {"reason": "", "detail": ""})
    return made


def _content(root: Path, relative: str) -> bytes:
    """Return the digest of a video's bytes: a film that was mended is scored again."""
    try:
        with video.inside(root, relative).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (video.VideoError, OSError):  # decoding will say what is wrong with it
        return b"unreadable"
