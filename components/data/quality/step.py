"""Stage `quality`: how good the questions of each type are; contracts/quality.py says how good is enough.

Correctness is told by the world (components/world/truth.py) where the miniature world wrote the sources; real data has
no oracle, and `checked` is 0 there. All else needs no truth. In memory are some rows of the samples at a time, the
videos, the ids of held-out takes, and what `blind_baseline` and `near_duplicates` say of themselves.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.contracts import sample
from components.data.contracts.quality import KEYS, TYPES
from components.data.quality import batches, blind_baseline, contamination, near_duplicates, oracle
from components.metrics.statistics import wilson
from components.params import Data


def count_samples(path: Path) -> pd.DataFrame:
    """Count the `samples` of each type, and find its worst answer position.

    Returns:
        By `type`: KEYS, `samples` and `position_sigma`: how far the share of the worst position is from an equal share,
        in standard deviations; NaN without options.
    """
    samples, positions = [], []
    for table, frame in batches.read(path, ["target"]):
        samples.append(frame.value_counts(["type", *KEYS]).rename("samples").reset_index())
        positions += [
            sample.count_positions(table.take(pa.array(rows))).assign(type=name)
            for name, rows in frame.groupby("type").groups.items()
        ]
    found = pd.concat(samples).groupby(["type", *KEYS])["samples"].sum().reset_index(list(KEYS))
    worst = {}
    for name, places in pd.concat(positions).groupby("type") if positions else ():
        sigmas = sample.distances(places)["sigmas"]
        worst[name] = sigmas[sigmas.abs().idxmax()]
    return found.assign(position_sigma=pd.Series(worst, dtype=np.float64).reindex(found.index))


def count_contaminated(
    path: Path, videos: pd.DataFrame, lists: dict[str, set[str]]
) -> tuple[pd.Series, dict[str, int]]:
    """Count the contaminated samples of each type, and those of each benchmark.

    Args:
        path: a table of `records.SAMPLE`.
        videos: table of components/records/schemas.py.
        lists: as `contamination.benchmark_videos` takes it.
    """
    held_out_takes: set[str] = set()
    for _, frame in batches.read(path, ["take_id", "split"]):
        held_out_takes |= set(frame.loc[frame["split"] == "test", "take_id"])
    of_benchmarks = contamination.benchmark_videos(videos, held_out_takes, lists)
    types, benchmarks = [], []
    for frame, shown in batches.shown(path):
        marks = contamination.contaminated(frame, shown, of_benchmarks)
        types.append(marks.any(axis=1).groupby(frame["type"]).sum())
        benchmarks.append(marks.sum())
    return pd.concat(types).groupby("type").sum(), pd.concat(benchmarks, axis=1).sum(axis=1).astype(int).to_dict()


def measure(
    path: Path, videos: pd.DataFrame, judged: pd.DataFrame, lists: dict[str, set[str]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Measure every type. Each measure reads the samples for itself, some at a time and as often as it needs to.

    Args:
        path: a table of `records.SAMPLE`.
        videos: table of components/records/schemas.py.
        judged: as `oracle.count_by_type` returns it.
        lists: as `contamination.benchmark_videos` takes it.

    Returns:
        Rows of TYPES, and the contaminated samples of each benchmark.
    """
    contaminated, of_benchmarks = count_contaminated(path, videos, lists)
    repeated = near_duplicates.count_by_type(partial(batches.spans, path))
    found = count_samples(path).join(judged)
    found = found.join(repeated.rename("near_duplicates")).join(contaminated.rename("contaminated"))
    found = found.join(blind_baseline.accuracy(partial(batches.options, path)))
    whole = ["checked", "right", "near_duplicates", "contaminated", "blind_asked"]
    found[whole] = found[whole].fillna(0)
    found["share_right"] = found["right"] / found["checked"].where(found["checked"] > 0)
    found["blind_accuracy"] = found["blind_right"] / found["blind_asked"].where(found["blind_asked"] > 0)
    found["blind_lift"] = blind_baseline.lift(found["blind_accuracy"], found["chance"])
    lowest = [wilson(right, asked)[0] for right, asked in zip(found["blind_right"], found["blind_asked"], strict=True)]
    found["blind_lift_low"] = blind_baseline.lift(np.array(lowest), found["chance"])
    found["duplicate_share"] = found["near_duplicates"] / found["samples"]
    return found.reset_index(drop=True), of_benchmarks


def run(params: Data, data_dir: Path) -> dict:
    """Read data/dataset/samples.parquet and data/annotations/videos.parquet, write data/quality/types.parquet.

    Returns:
        `counts` over all types, and `row_counts`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: a list of `quality.benchmarks` is missing or broken.
    """
    root = data_dir.resolve().parent
    lists = contamination.lists(params.quality.benchmarks, root)
    path = data_dir / "dataset/samples.parquet"
    videos = records.read_videos(data_dir).to_pandas()
    world = params.world
    source = params.sources.egoexo4d
    takes = {}
    if source is not None:
        takes = oracle.scripted_takes(
            root / source,
            seed=params.seed,
            takes=world.takes,
            take_s=world.take_s,
            val_fraction=world.val_fraction,
            test_fraction=world.test_fraction,
        )
    judged = oracle.count_by_type(batches.answers(path), takes)
    found, contaminated = measure(path, videos, judged, lists)
    rows = pa.Table.from_pandas(found[TYPES.names], TYPES, preserve_index=False)
    records.write_table(data_dir / "quality/types.parquet", rows, TYPES)
    sums = found[["samples", "checked", "right", "near_duplicates"]].sum().astype(int).to_dict()
    counts = {"types": len(found)} | sums | {"contaminated": contaminated}
    return {"counts": counts, "row_counts": [("samples", pq.read_metadata(path).num_rows, sums["samples"], 0)]}
