"""Clip expansion of Ego-ExoClip's 261.3K narrations into 1.1M exo pairs, against a row-by-row reading of the formula.

Run as: python -m tests.benchmarks.clips [--largest 1000000], or all of it in some eight minutes of a core

CPU seconds, which other work on the machine stretches less than wall time; every measurement has a process of its own,
so that its peak memory is its own too, and the corpora of the series are written by another one, part by part. Both
sides give the same rows (asserted). Spans are narration, video, start and end of every view: ours from the table, the
peer's from rows that already lie in memory. The whole step goes from narrations and videos to the Parquet file, with
content ids and every column: ours from the files of both, through partitions, with statistics and rejects too, the peer
from tables in memory. An id is a SHA-256 of its parents on both sides, so no step can be faster than the ids alone.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.clips import step as clips
from components.data.clips.moments import numbered, sorted_rows
from components.data.clips.window_rules import betas, windows
from tests.benchmarks import rows

NARRATIONS, GROUPS, VIDEOS = 261_300, 2_925, 15_478  # systems §1.2
TAKE_S = 145.0  # 623.6 h over 15,478 videos
MIN_FRAMES, FPS = 2, 30.0
SIZES = (100_000, 1_000_000, 10_000_000)
PART = 500_000  # narrations of a corpus that are made at once
HOW = {"rule": "beta_over_alpha", "clamp": True, "length_s": None, "annotators": "merged", "min_frames": MIN_FRAMES}


def corpus(narrations: int, *, part: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give narrations at random times of takes with one ego and four or five exo cameras, as the tables are read."""
    rng = np.random.default_rng(part)
    takes = round(narrations * GROUPS / NARRATIONS)
    videos = round(takes * VIDEOS / GROUPS)
    take = np.sort(rng.integers(0, takes, narrations))
    uids = np.array([records.content_id("take", part, n) * 2 for n in range(takes)])
    of_camera = np.sort(np.append(np.repeat(np.arange(takes), 5), rng.permutation(takes)[: videos - 5 * takes]))
    is_ego = np.append(True, of_camera[1:] != of_camera[:-1])
    shared = {"source": "egoexo4d", "split": "train"}
    said = {
        "narration_id": [f"{n:016x}" for n in part * PART + rng.permutation(narrations)],
        "take_id": uids[take],
        "annotator_id": rng.choice(["1", "2"], narrations),
        "time_s": rng.uniform(0, TAKE_S, narrations),
        "text": rng.choice([f"C picks up cup {n} from the counter with the right hand" for n in range(99)], narrations),
        "start_s": np.nan,
        "end_s": np.nan,
        "subject": None,
        "ego_visible": True,
        "best_exo": None,
        "unsure": False,
    }
    filmed = {
        "video_id": [f"{n:016x}" for n in part * PART + rng.permutation(len(of_camera))],
        "take_id": uids[of_camera],
        "take_name": uids[of_camera],
        "camera_id": "cam",
        "path": "cam.mp4",
        "view": np.where(is_ego, "ego", "exo"),
        "duration_s": TAKE_S,
        "fps": FPS,
    }
    return pd.DataFrame(said | shared), pd.DataFrame(filmed | shared)


def write(narrations: int, data_dir: Path) -> None:
    """Write a corpus as the step reads it, part by part."""
    (data_dir / "annotations").mkdir(parents=True)
    with ExitStack() as opened:
        files = [
            opened.enter_context(pq.ParquetWriter(data_dir / f"annotations/{name}.parquet", schema, compression="zstd"))
            for name, schema in (("narrations", records.NARRATION), ("videos", records.VIDEO))
        ]
        for part, first in enumerate(range(0, narrations, PART)):
            for file, frame in zip(files, corpus(min(PART, narrations - first), part=part), strict=True):
                file.write_table(pa.Table.from_pandas(frame[file.schema.names], file.schema, preserve_index=False))


def spans(narrations: pd.DataFrame, videos: pd.DataFrame) -> dict[str, np.ndarray]:
    """Apply the formula with the functions of the step, without ids."""
    said, filmed = numbered(narrations, videos)
    take, time_s = said["take"].to_numpy(), said["time_s"].to_numpy()
    order = sorted_rows(take, time_s)
    take, time_s = take[order], time_s[order]
    alpha_s = float(betas(time_s, timeline=take).mean())
    start_s, end_s = windows(time_s, np.full(len(order), TAKE_S), alpha_s, timeline=take)
    places = pd.DataFrame({"take": take, "start_s": start_s, "moment_id": order})
    moment, video = clips.expand(places, filmed)
    return {"narration": order[moment], "video": video, "start_s": start_s[moment], "end_s": end_s[moment]}


def plain_spans(
    narrations: list[dict], videos: list[dict], *, alpha_s: float | None = None, anew: bool = False
) -> list[dict]:
    """Read the formula row by row.

    Args:
        alpha_s: given where ids are compared: they are of the exact times, and a mean depends on the order of its sum.
        anew: sum the density of the take for each of its narrations, as the formula is written, and not once a take.
    """
    cameras: dict[str, list[dict]] = {}
    for video in videos:
        cameras.setdefault(video["take_id"], []).append(video)
    timelines: dict[str, list[dict]] = {}
    for narration in narrations:
        timelines.setdefault(narration["take_id"], []).append(narration)
    beta_s = {}
    for take, said in timelines.items():
        said.sort(key=lambda narration: narration["time_s"])
        beta_s[take] = (said[-1]["time_s"] - said[0]["time_s"]) / (len(said) - 1)
    alpha_s = alpha_s or sum(beta_s.values()) / len(beta_s)
    made = []
    for take, said in timelines.items():
        half_s = beta_s[take] / (2 * alpha_s)
        n = len(said) - 1
        for i, narration in enumerate(said):
            t = narration["time_s"]
            if anew:
                half_s = sum(said[j + 1]["time_s"] - said[j]["time_s"] for j in range(n)) / n / (2 * alpha_s)
            start_s, end_s = max(t - half_s, 0.0), min(t + half_s, TAKE_S)
            if i > 0:
                start_s = max(start_s, said[i - 1]["time_s"])
            if i < len(said) - 1:
                end_s = min(end_s, said[i + 1]["time_s"])
            for video in cameras[take]:
                made.append({"narration": narration, "video": video, "start_s": start_s, "end_s": end_s})
    return made


def plain_step(narrations: pd.DataFrame, videos: pd.DataFrame, alpha_s: float, path: Path) -> None:
    """Make the rows of records.CLIP one by one, from table to file as the step does."""
    made = []
    for span in plain_spans(narrations.to_dict("records"), videos.to_dict("records"), alpha_s=alpha_s):
        narration, video, start_s, end_s = span.values()
        if (end_s - start_s) * video["fps"] < MIN_FRAMES - 1e-6:
            continue
        moment_id = records.content_id("moment", narration["narration_id"], start_s, end_s)
        made.append(
            {
                "clip_id": records.content_id("clip", moment_id, video["video_id"]),
                "moment_id": moment_id,
                "narration_id": narration["narration_id"],
                "source": narration["source"],
                "take_id": narration["take_id"],
                "video_id": video["video_id"],
                "view": video["view"],
                "start_s": start_s,
                "end_s": end_s,
                "text": narration["text"],
                "split": narration["split"],
            }
        )
    made.sort(key=lambda row: (row["take_id"], row["start_s"], row["moment_id"], row["view"], row["video_id"]))
    records.write_table(path, made, records.CLIP)


def ids_alone(narrations: pd.DataFrame, videos: pd.DataFrame) -> list[str]:
    """Hash as many clips as there are views of narrations."""
    said, filmed = numbered(narrations, videos)
    moment, video = clips.expand(said.assign(start_s=0.0, moment_id=said["narration_id"]), filmed)
    parents = narrations["narration_id"].to_numpy()[moment], videos["video_id"].to_numpy()[video]
    return records.content_ids("clip", *(ids.tolist() for ids in parents))


def timed(work: Callable, *arguments: object, repeat: int = 1) -> tuple[float, object]:
    """Give the least CPU seconds of some runs, and the last result."""
    seconds = []
    for _ in range(repeat):
        began_s = time.process_time()
        made = work(*arguments)
        seconds.append(time.process_time() - began_s)
    return min(seconds), made


def compare_spans(narrations: int) -> dict:
    """Time both sides of the formula and assert that they give the same spans."""
    said, filmed = corpus(narrations)
    ours_s, ours = timed(spans, said, filmed, repeat=3)
    said_rows, filmed_rows = said.to_dict("records"), filmed.to_dict("records")
    anew_s, again = timed(lambda: plain_spans(said_rows, filmed_rows, anew=True))
    peer_s, peer = timed(plain_spans, said_rows, filmed_rows)
    assert all(math.isclose(one["end_s"], two["end_s"]) for one, two in zip(again, peer, strict=True))
    narration, video = ({id(row): n for n, row in enumerate(each)} for each in (said_rows, filmed_rows))
    numbers = np.array([(narration[id(row["narration"])], video[id(row["video"])]) for row in peer]).T
    mine, theirs = np.lexsort((ours["video"], ours["narration"])), np.lexsort(numbers[::-1])
    np.testing.assert_array_equal(numbers[:, theirs], [ours["narration"][mine], ours["video"][mine]])
    for name in ("start_s", "end_s"):
        np.testing.assert_allclose(np.array([row[name] for row in peer])[theirs], ours[name][mine], atol=1e-9)
    exo = int(filmed["view"].eq("exo").to_numpy()[ours["video"]].sum())
    return {"ours": ours_s, "peer": peer_s, "anew": anew_s, "exo": exo}


def compare_step(narrations: int) -> dict:
    """Time both sides of the whole step and assert that they write the same rows."""
    said, filmed = corpus(narrations)
    with TemporaryDirectory() as name:
        data_dir, peer = Path(name), Path(name) / "peer.parquet"
        write(narrations, data_dir)
        ours_s, (counts, _) = timed(partial(clips.build, data_dir, rows=clips.PARTITION_ROWS, **HOW))
        peer_s, _ = timed(plain_step, said, filmed, counts["alpha_s"]["egoexo4d"], peer)
        ours = records.read_table(data_dir / "clips/clips.parquet", records.CLIP)
        assert ours.equals(records.read_table(peer, records.CLIP))
    return {"ours": ours_s, "peer": peer_s, "ids": timed(ids_alone, said, filmed)[0]}


def scale(data_dir: Path) -> dict:
    """Time our side alone on a written corpus, with the peak memory of the process."""
    before_gb = _peak_gb()
    seconds, (counts, _) = timed(partial(clips.build, data_dir, rows=clips.PARTITION_ROWS, **HOW))
    made = sum(counts["clips"].values())
    return {"narrations": counts["narrations"], "clips": made, "seconds": seconds} | {
        "before_gb": before_gb, "peak_gb": _peak_gb()
    }  # fmt: skip


def alone(work: Callable, *arguments: object) -> dict | None:
    """Run a measurement in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def scaled(narrations: int) -> dict:
    """Write a corpus in one process, measure in another, and print what it cost."""
    with TemporaryDirectory() as folder:
        alone(write, narrations, Path(folder))
        found = alone(scale, Path(folder))
    print(
        "{narrations:>10,} narrations: {clips:>10,} clips in {seconds:.2f} s, peak {peak_gb:.2f} GB, of which the "
        "process had {before_gb:.2f} GB before".format(**found),
        flush=True,
    )
    return found


def slope(series: list[dict]) -> float:
    """Give the power of the number of narrations that the seconds grow by."""
    return float(np.polyfit(*np.log([[each["narrations"], each["seconds"]] for each in series]).T, 1)[0])


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.clips", description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="most narrations of the scaling series")
    largest = parser.parse_args().largest
    formula, whole = alone(compare_spans, NARRATIONS), alone(compare_step, NARRATIONS)
    paper, series = scaled(NARRATIONS), [scaled(size) for size in SIZES if size <= largest]
    spans_of = f"clips: spans of {formula['exo']:,} exo pairs"
    made = [
        rows.row(f"{spans_of}, density once a take", formula["ours"], formula["peer"], unit="CPU s"),
        rows.row(f"{spans_of}, density once a row", formula["ours"], formula["anew"], unit="CPU s"),
        rows.row("clips: whole step, with ids and every column", whole["ours"], whole["peer"], unit="CPU s"),
        rows.row("clips: ids alone, SHA-256", whole["ids"], unit="CPU s"),
        rows.row(f"clips: peak memory at {NARRATIONS:,} narrations", paper["peak_gb"], unit="GB"),
        rows.row(f"clips: peak memory at {series[-1]['narrations']:,} narrations", series[-1]["peak_gb"], unit="GB"),
        rows.row(f"clips: slope of time to {series[-1]['narrations']:,} narrations, log-log", slope(series), unit=""),
    ]
    if len(series) > 2:
        # the start of a process is no growth: the upper end of the series shows what is
        upper = f"clips: the same, from {series[-2]['narrations']:,} narrations on"
        made.append(rows.row(upper, slope(series[-2:]), unit=""))
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
