"""Score the candidates part by part on Daft; the scores of a part are one Parquet file, whole or not there at all."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Generator
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
    parts: list[Path],
    target: Path,
    models: Path,
    roots: dict[str, Path],
    *,
    encoder: str,
    detector: str,
    decoding: clip_reader.Decoding,
) -> tuple[list[Path], int]:
    """Write target/<part> for each part of candidates that is not there yet, and remove scores of other parts.

    Args:
        parts: files of candidates.
        target: folder of the scores.
        models: folder that `train_models.train` wrote to.
        roots: source -> folder that the paths of its videos are relative to.
        encoder: `funnel.features` of the parameters.
        detector: "learned", or the folder of a detection model.
        decoding: frames, size and time limit of the clips.

    Returns:
        The files, and how many of them were there already.

    Raises:
        RuntimeError: parts failed as a whole (names them); the others are finished.
    """
    target.mkdir(parents=True, exist_ok=True)
    remove_stale(target, "part-*", [target / part.name for part in parts])
    rows = pa.table({"part": [str(part) for part in parts], "scores": [str(target / part.name) for part in parts]})
    folders = {name: str(root) for name, root in roots.items()}
    settings = (str(models), folders, encoder, detector, decoding)
    results = list(executor.map_rows(rows, worker, *settings, returns=pa.bool_(), cpus=1))
    failed = [f"{part.name}: {result.error}" for part, result in zip(parts, results, strict=True) if result.error]
    if failed:
        raise RuntimeError(
            f"funnel: {len(failed)} of {len(parts)} parts failed; run again, the others stay\n" + "\n".join(failed)
        )
    return [target / part.name for part in parts], sum(result.value for result in results)


@contextmanager
def worker(
    models: str, roots: dict[str, str], encoder: str, detector: str, decoding: clip_reader.Decoding
) -> Generator[Callable[[dict], bool], None, None]:
    """Load the models once and keep one killable decoder, for all parts of a worker process.

    Args:
        models: folder of the models.
        roots: source -> folder of its videos.
        encoder: `funnel.features` of the parameters.
        detector: "learned", or the folder of a detection model.
        decoding: frames, size and time limit of the clips.

    Yields:
        A function that scores a part, {"part": path, "scores": path}, and returns whether it was finished before.
    """
    import torch

    from components.data.funnel import ego_exo_classifier, features, filters, train_models

    torch.set_num_threads(1)  # the same scores on every machine, and workers are the parallelism
    classifier, detect = train_models.load(Path(models), detector)
    encode, folders = features.opened(encoder), {name: Path(root) for name, root in roots.items()}
    weights = [path.read_bytes() for path in sorted(Path(models).glob("models/*.safetensors"))]
    code = train_models.code_of(
        candidates, ego_exo_classifier, features, filters, clip_reader, *train_models.DETECTORS, sys.modules[__name__]
    )
    made_by_settings = repr((features.digest(encoder), train_models.digest_of(detector), decoding, code))
    made_by = hashlib.sha256(b"".join([made_by_settings.encode(), *weights]))

    def score_clip(frames: np.ndarray, size_px: tuple[int, int]) -> dict:
        ego_score = float(ego_exo_classifier.scores(classifier, encode(frames)[None])[0])
        if ego_score < filters.EGO_SCORE:
            return {"ego_score": ego_score}
        found = detect(frames)
        width_px, height_px = size_px
        return {
            "ego_score": ego_score,
            "hands": max(map(len, found.hands)),
            "objects": sum(map(len, found.objects)),
            "frames": len(frames),
            "motion": filters.motion(found.centres() * np.array(size_px), width_px=width_px, height_px=height_px),
        }

    with KillableWorker(timeout_s=decoding.timeout_s) as decoder:

        def score_part(row: dict) -> bool:
            part, path = Path(row["part"]), Path(row["scores"])
            clips = pq.read_table(part).to_pandas()
            made_from = made_by.copy()
            made_from.update(part.read_bytes())
            for source, name in clips[["source", "path"]].drop_duplicates().itertuples(index=False):
                made_from.update(_content(folders[source], name))
            if is_finished(path, made_from.hexdigest()):
                return True
            rows: list[dict] = []
            for (source, name), of_video in clips.groupby(["source", "path"], sort=False):
                spans = tuple(zip(of_video["start_s"], of_video["end_s"], strict=True))
                candidate_rows = of_video.to_dict("records")
                try:
                    video_frames = clip_reader.read(
                        decoder, folders[source], name, spans, frames=decoding.frames, size_px=decoding.size_px
                    )
                except clip_reader.RefusedError as error:
                    rows += [row | {"reason": error.reason, "detail": error.detail} for row in candidate_rows]
                else:
                    rows += _scored(candidate_rows, video_frames, score_clip)
            killed = any(row["reason"] == KILLED for row in rows)
            table = pa.Table.from_pylist(rows, marked(SCORED, "" if killed else made_from.hexdigest()))
            with written_whole(path) as partial:
                pq.write_table(table, partial, compression="zstd")
            return False

        yield score_part


def _scored(
    rows: list[dict], decoded: clip_reader.DecodedVideo, score_clip: Callable[[np.ndarray, tuple[int, int]], dict]
) -> list[dict]:
    """Score the clips of a decoded video; clips of which its end leaves too little have a reason instead."""
    scored = []
    for row, (start_s, end_s), frames in zip(rows, decoded.spans, decoded.clips, strict=True):
        row |= {"end_s": end_s, "duration_s": decoded.duration_s, "fps": decoded.fps}
        if frames is None or end_s - start_s < candidates.SHORTEST_S:
            reason = "outside_video" if frames is None else "under_1_s"
            scored.append(row | {"reason": reason, "detail": f"the video is {decoded.duration_s:g} s long"})
        else:
            scored.append(row | score_clip(frames, decoded.size_px) | {"reason": "", "detail": ""})
    return scored


def _content(root: Path, relative: str) -> bytes:
    """Return the digest of a video's bytes, so that a film that was repaired is scored again."""
    try:
        with video.inside(root, relative).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (video.VideoError, OSError):  # decoding will say what is wrong with it
        return b"unreadable"
