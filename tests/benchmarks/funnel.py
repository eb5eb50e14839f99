"""The shard pass of EgoRe's funnel on Ray with two workers, against one worker in the same run.

Run as: python -m tests.benchmarks.funnel [--videos 60] [--parts 8]

Wall seconds from the first candidate to the last part of scores, on a Ray that runs already: its start and the training
of the models are no part of it. A process for each size of the cluster, because Daft chooses its runner once; both
write the same bytes (asserted). The ratio can be no larger than what two cores of an idle machine give.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa

from components import params
from components.world import web
from tests.benchmarks import rows

HOW = {"frames": 8, "size_px": 64, "timeout_s": 60.0}
CLIP_S = 2.0


def corpus(folder: Path, *, videos: int, parts: int) -> list[Path]:
    """Film web video and write candidates of 2 s, the same number in each part."""
    from components import records
    from components.data.funnel.candidates import CANDIDATE

    data = params.load(Path("params/data.yaml"), params.Data)
    planned = [each for each in web.plan_videos(data.seed, videos) if each.kind in web.SHARES]
    roots = {name: folder / name for name in web.CORPORA}
    for root in roots.values():
        root.mkdir()
    web.write(planned, roots, fps=data.world.fps, size_px=data.world.size_px)
    frame = pd.DataFrame(
        [
            {"clip_id": f"{each.vid}-{start_s}", "parent": each.vid, "source": each.corpus, "take_id": each.vid}
            | {"path": f"videos/{each.vid}.mp4", "start_s": start_s, "end_s": start_s + CLIP_S, "text": ""}
            for each in planned
            for start_s in np.arange(0.0, web.VIDEO_S, CLIP_S)
        ]
    )
    of_part = frame["take_id"].factorize()[0] % parts
    paths = [folder / f"candidates/part-{number:05d}.parquet" for number in range(parts)]
    for number, path in enumerate(paths):
        table = pa.Table.from_pandas(frame[of_part == number], CANDIDATE, preserve_index=False)
        records.write_table(path, table, CANDIDATE)
    return paths


def models(folder: Path) -> None:
    """Write a classifier and a detector; what they answer does not change what they cost, if every clip is ego."""
    import torch
    from safetensors.torch import save_file

    from components.data.funnel import classifier, features, hands

    torch.manual_seed(0)
    views = classifier.Classifier(len(features.grid(np.zeros((2, 64, 64, 3), np.uint8))))
    torch.nn.init.constant_(views.layers[-1].bias, 10.0)
    (folder / "models").mkdir()
    save_file(views.state_dict(), folder / "models/classifier.safetensors")
    save_file(hands.Detector().state_dict(), folder / "models/detector.safetensors")


def score(folder: Path, paths: list[Path], target: Path, workers: int) -> float:
    """Score every part on a Ray of `workers` cores; give wall seconds."""
    os.environ |= {"DAFT_RUNNER": "ray", "RAY_USAGE_STATS_ENABLED": "0", "DAFT_ANALYTICS_ENABLED": "0"}
    os.environ |= {"RAY_AUTH_MODE": "disabled", "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *_python_path()])}
    import ray

    from components.data.funnel import scoring

    ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
    roots = {name: folder / name for name in web.CORPORA}
    # what the first workers of a cluster load from disk is no part of what is compared
    scoring.score(paths[:workers], folder / f"warm-{workers}", folder, roots, encoder="grid", **HOW)
    began_s = time.perf_counter()
    scoring.score(paths, target, folder, roots, encoder="grid", **HOW)
    seconds = time.perf_counter() - began_s
    ray.shutdown()
    return seconds


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.funnel", description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=240, help="films of web video")
    parser.add_argument("--parts", type=int, default=8, help="parts, the pieces of work that workers take")
    chosen = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
            paths = alone.submit(corpus, folder, videos=chosen.videos, parts=chosen.parts).result()
            alone.submit(models, folder).result()
            seconds = {n: alone.submit(score, folder, paths, folder / f"by-{n}", n).result() for n in (1, 2)}
        for path in paths:
            assert (folder / "by-1" / path.name).read_bytes() == (folder / "by-2" / path.name).read_bytes(), path.name
    made = [rows.row(f"funnel: {chosen.videos} films on Ray, 2 workers against 1", seconds[2], seconds[1], unit="s")]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
