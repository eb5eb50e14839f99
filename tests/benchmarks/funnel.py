"""The shard pass of EgoRe's funnel on Ray with two workers, against one worker in the same run.

Run as: python -m tests.benchmarks.funnel [--parts 8] [--limit 300], in some three minutes

Wall seconds of an idle machine with two cores or more; anything else that runs there spoils them. A worker asks Ray for
one core, and gets it here: one worker has one core of the machine, two workers have two, and Ray's own processes share
them. (Left alone on two cores, one worker keeps more than one of them busy, as decord's thread runs beside the reading
one for a part of the time.) On one core Ray's processes take from the only worker, which the ratio holds too.

First from the call to the last part of scores: Ray runs already and the training of the models is no part of it, but
the workers start in that time, some seconds that a corpus of hours does not notice. Then for each part, once every
worker has finished its first. To hand a part to a worker costs the cluster about 0.05 CPU seconds whatever is in it; a
part here is of some seconds, one of 20,000 clips (`funnel.shard_rows`) of many minutes.

Two cores of a machine may be less than twice one: they can share caches, memory and, in a rented machine, a core. So
the same parts are also scored by bare processes, two against one, without Daft and Ray: the ratio of Ray is to be read
beside theirs. A process for each size of the cluster, because Daft chooses its runner once; all write the same bytes
(asserted).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa

from components.data.funnel.clip_reader import Decoding
from components.video.killable_worker import KillableWorker, WorkerDiedError
from components.world import web
from tests.benchmarks import rows

DECODING = Decoding(frames=8, size_px=64, timeout_s=60.0)
CLIP_S, FPS, SIZE_PX, SEED = 2.0, 24, 256, 7
SOURCE, FILMED, OF_PART = "htm_aa", 6, 48  # films that differ, the others are links to them; films in each part


def corpus(folder: Path, parts: int) -> list[Path]:
    """Film web video and write candidates of 2 s, the same number in each part."""
    from components import records
    from components.data.funnel.candidates import CANDIDATE

    planned = [each for each in web.plan_videos(SEED, 3 * FILMED) if each.corpus == SOURCE and each.kind in web.SHARES]
    for each in planned[:FILMED]:
        web.film(each, folder / f"{SOURCE}/videos/{each.vid}.mp4", fps=FPS, size_px=SIZE_PX)
    films = sorted((folder / SOURCE / "videos").iterdir())
    for number in range(parts * OF_PART):
        os.link(films[number % FILMED], folder / f"{SOURCE}/videos/{number}.mp4")
    frame = pd.DataFrame(
        [
            {"clip_id": f"{number}-{start_s}", "parent": "", "source": SOURCE, "take_id": str(number)}
            | {"path": f"videos/{number}.mp4", "start_s": start_s, "end_s": start_s + CLIP_S, "text": ""}
            for number in range(parts * OF_PART)
            for start_s in np.arange(0.0, web.VIDEO_S, CLIP_S)
        ]
    )
    # neighbours, so that each part has as many of every film
    of_part = frame["take_id"].astype(int) // OF_PART
    paths = [folder / f"candidates/part-{number:05d}.parquet" for number in range(parts)]
    for number, path in enumerate(paths):
        table = pa.Table.from_pandas(frame[of_part == number], CANDIDATE, preserve_index=False)
        records.write_table(path, table, CANDIDATE)
    return paths


def models(folder: Path) -> None:
    """Write a classifier and a detector; what they answer does not change what they cost, if every clip is ego."""
    import torch
    from safetensors.torch import save_file

    from components.data.funnel import ego_exo_classifier, features, hand_detector

    torch.manual_seed(0)
    views = ego_exo_classifier.Classifier(len(features.grid(np.zeros((2, 64, 64, 3), np.uint8))))
    torch.nn.init.constant_(views.layers[-1].bias, 10.0)
    (folder / "models").mkdir()
    save_file(views.state_dict(), folder / "models/classifier.safetensors")
    save_file(hand_detector.Detector().state_dict(), folder / "models/detector.safetensors")


def score(folder: Path, paths: list[Path], target: Path, workers: int) -> dict[str, float]:
    """Score every part on a Ray of `workers` cores; give wall seconds of all, and of a part once the workers run."""
    os.environ |= {"DAFT_RUNNER": "ray", "RAY_USAGE_STATS_ENABLED": "0", "DAFT_ANALYTICS_ENABLED": "0"}
    os.environ |= {"RAY_AUTH_MODE": "disabled", "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *_python_path()])}
    import ray

    from components.data.funnel import scoring

    _keep_to(workers)  # Ray's processes inherit it
    ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
    roots = {SOURCE: folder / SOURCE}
    # what the first workers of a cluster load from disk is no part of what is compared
    scoring.score(
        paths[:workers],
        folder / f"warm-{workers}",
        folder,
        roots,
        encoder="grid",
        detector="learned",
        decoding=DECODING,
    )
    began_s = time.perf_counter()
    made, _ = scoring.score(paths, target, folder, roots, encoder="grid", detector="learned", decoding=DECODING)
    seconds = time.perf_counter() - began_s
    ray.shutdown()
    return {"all": seconds, "part": _of_part_s(made, workers)}


def score_bare(folder: Path, paths: list[Path], target: Path, processes: int) -> float:
    """Score every part in bare processes, as many parts in each; give wall seconds of a part once all of them run."""
    target.mkdir()
    shares = [paths[number::processes] for number in range(processes)]
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_keep_to, initargs=(processes,)) as pool:
        list(pool.map(_score_share, shares, [target] * processes, [folder] * processes))
    return _of_part_s([target / path.name for path in paths], processes)


def _keep_to(cores: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _score_share(paths: list[Path], target: Path, folder: Path) -> None:
    from components.data.funnel import scoring

    with scoring.worker(str(folder), {SOURCE: str(folder / SOURCE)}, "grid", "learned", DECODING) as work:
        for path in paths:
            work({"part": str(path), "scores": str(target / path.name)})


def _of_part_s(made: list[Path], workers: int) -> float:
    """Give wall seconds of a part, from when every worker has finished one."""
    done_s = sorted(path.stat().st_mtime for path in made)
    return (done_s[-1] - done_s[workers - 1]) / (len(done_s) - workers)


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.funnel", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=8, help=f"pieces of work, {OF_PART} films each")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which one measurement is given up")
    chosen = parser.parse_args()
    with TemporaryDirectory() as name:
        folder, told = Path(name), {}
        with KillableWorker(timeout_s=chosen.limit) as worker:
            paths = worker.call(corpus, folder, chosen.parts)
            worker.call(models, folder)
        for workers in (1, 2):
            try:
                with KillableWorker(timeout_s=chosen.limit) as worker:
                    told[workers] = worker.call(score, folder, paths, folder / f"by-{workers}", workers)
            except WorkerDiedError as error:
                done = len(list((folder / f"by-{workers}").glob("part-*.parquet")))
                sys.exit(
                    f"funnel on Ray, {workers} workers: {error}; {done} of {chosen.parts} parts were there, nothing is "
                    "written. Run it on an idle machine, with fewer --parts or a higher --limit"
                )
        # one process gets as many parts as each of the two
        bare = [score_bare(folder, paths[:: 3 - n], folder / f"bare-{n}", n) for n in (1, 2)]
        for path in paths:
            for made in (folder / "by-2" / path.name, *folder.glob(f"bare-*/{path.name}")):
                assert made.read_bytes() == (folder / "by-1" / path.name).read_bytes(), made
    what = f"funnel: {chosen.parts * OF_PART} films on Ray, 2 workers against 1"
    measured = [
        rows.row(f"{what}, with their start", told[2]["all"], told[1]["all"], unit="wall s"),
        rows.row(f"{what}, a part once they run", told[2]["part"], told[1]["part"], unit="wall s"),
        rows.row(
            f"funnel: {OF_PART} films in bare processes, 2 against 1, a part once they run", *bare[::-1], unit="wall s"
        ),
    ]
    rows.write(measured)
    print(rows.show(measured))


if __name__ == "__main__":
    main()
