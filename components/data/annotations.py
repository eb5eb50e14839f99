"""Stage `annotations`: every source dataset becomes rows of the common records; no later stage knows its format.

Sources are read and written batch by batch. What stays in memory is the split of each take, the columns of each video
that other sources are joined to, and 64 bits of each row's id. Narrations of corpora without videos go to
`point_narrations`: clips are made only of narrations of takes with videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records, video
from components.data.seen_ids import seen_before
from components.data.sources import (
    cc3m,
    charades_ego,
    dci,
    ego4d,
    egoclip,
    egoexo4d,
    egoexolearn,
    egotimeqa,
    egtea,
    epic100,
    general,
    htm_aa,
    interlink7m,
    internvid,
    lemma,
    openeqa,
    panda70m,
    ssv2,
    vidal,
    visor,
    webvid,
)
from components.data.sources.shared.cleaning import Tables, reject_rows
from components.params import Data
from components.video.killable_worker import KillableWorker, WorkerDiedError

PROBE_TIMEOUT_S = 30.0
IDS = {
    "videos": "video_id",
    "narrations": "narration_id",
    "boxes": "box_id",
    "intervals": "interval_id",
    "captions": "caption_id",
    "questions": "question_id",
    "point_narrations": "narration_id",
}
JOINED = ["video_id", "source", "take_id", "take_name", "view", "path", "duration_s", "fps", "split"]  # of videos
SOURCES: dict[str, Callable[..., Iterator[Tables]]] = {  # in the order in which they are read
    "egoexo4d": egoexo4d.read,
    "epic100": epic100.read,
    "visor": visor.read,
    "egoexolearn": egoexolearn.read,
    "charades_ego": charades_ego.read,
    "lemma": lemma.read,
    "ego4d": ego4d.read,
    "egoclip": egoclip.read,
    "egtea": egtea.read,
    "ssv2": ssv2.read,
    "egotimeqa": egotimeqa.read,
    "openeqa": openeqa.read,
    "htm_aa": htm_aa.read,
    "interlink7m": interlink7m.read,
    "panda70m": panda70m.read,
    "webvid": webvid.read,
    "internvid": internvid.read,
    "vidal": vidal.read,
    "cc3m": cc3m.read,
    "dci": dci.read,
    "general": general.read,
}
NEEDS: dict[str, tuple[str, ...]] = {  # what an adapter takes beside its folder, by the name of the argument
    "egoexo4d": ("probe",),  # as `video.probe`
    "epic100": ("probe",),
    "ego4d": ("probe",),
    "visor": ("videos",),  # columns JOINED of the videos of all sources that are read before it
    "egoexolearn": ("videos", "probe"),
    "charades_ego": ("probe",),
    "lemma": ("probe",),
}


def run(params: Data, data_dir: Path) -> dict:
    """Read the source datasets, write data/annotations/<table>.parquet for the tables of IDS, and rejects.

    Args:
        params: of the data graph; `sources` names the folders.
        data_dir: the data folder; source paths that are not absolute are relative to the folder it lies in.

    Returns:
        `counts` (rows of each table, rejects by source and reason) and `row_counts`: (what, rows in, rows out,
        rejected).

    Raises:
        ValueError: no source is named; or a source lacks its folder, a file or a column.
        AssertionError: rows of a source are neither written nor rejected.
    """
    project, folder = data_dir.resolve().parent, data_dir / "annotations"
    roots = _roots(params, project)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.parquet" for name in (*IDS, "rejects")}
    with ExitStack() as stack:
        tables = _Tables(
            {
                name: stack.enter_context(pq.ParquetWriter(path, records.SCHEMAS[name], compression="zstd"))
                for name, path in paths.items()
            }
        )
        with KillableWorker(timeout_s=PROBE_TIMEOUT_S) as worker:

            def probe(path: Path, fps: float | None = None) -> video.Probe:
                worker.timeout_s = PROBE_TIMEOUT_S + video.longest_read_s(path)
                try:
                    return worker.call(video.probe, path, fps)
                except WorkerDiedError as error:
                    raise video.VideoError(path, f"probing was {error}") from error

            for name, root in roots.items():
                offered = {"probe": probe, "videos": pa.concat_tables(tables.videos)}
                tables.add(name, SOURCES[name](root, **{need: offered[need] for need in NEEDS.get(name, ())}))
    for name, path in paths.items():
        stored, written = pq.read_metadata(path).num_rows, tables.written[name]
        assert stored == written, f"{path}: {written} rows were handed over, {stored} are stored"
    counts = {name: tables.written[name] for name in paths}
    return {"counts": counts | {"reasons": dict(sorted(tables.reasons.items()))}, "row_counts": tables.row_counts}


def _roots(params: Data, project: Path) -> dict[str, Path]:
    """Return the folder of each source that is named, in the order of SOURCES; all are there.

    Raises:
        ValueError: no source is named, or one is no folder.
    """
    given = params.sources.given()
    roots = {name: project / given[name] for name in SOURCES if name in given}
    if not roots:
        raise ValueError(
            f"sources of params/data.yaml names no dataset; name the folder of at least one of {', '.join(SOURCES)}"
        )
    for name, root in roots.items():
        if not root.is_dir():  # found now, not after hours of other sources
            raise ValueError(
                f"{root} is no folder; put {name} there, or mend or take out sources.{name} in params/data.yaml"
            )
    return roots


class _Tables:
    """Where the rows of all sources go, and what is counted and kept of them."""

    def __init__(self, writers: dict[str, pq.ParquetWriter]) -> None:
        self.written: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.row_counts: list[tuple[str, int, int, int]] = []
        self.videos = [records.VIDEO.empty_table().select(JOINED)]
        self._writers = writers
        self._seen: dict[str, list[np.ndarray]] = {name: [] for name in IDS}

    def add(self, source: str, batches: Iterable[Tables]) -> None:
        """Write the rows and rejects of a source; of rows with the same id only the first is kept."""
        rows_in, before = 0, Counter(self.written)
        for tables, refused in batches:
            rows_in += len(refused) + sum(map(len, tables.values()))
            for name, frame in tables.items():
                fresh, repeated = _fresh(frame, IDS[name], self._seen[name], source)
                refused = pd.concat([refused, repeated])
                self._write(name, fresh)
            self.reasons.update((source + "/" + refused["reason"]).value_counts().to_dict())
            self._write("rejects", refused)
        made = self.written - before
        self.row_counts.append((source, rows_in, made.total() - made["rejects"], made["rejects"]))

    def _write(self, name: str, frame: pd.DataFrame) -> None:
        if not len(frame):
            return
        schema = records.SCHEMAS[name]
        table = pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False).replace_schema_metadata(None)
        self._writers[name].write_table(table)
        self.written[name] += len(table)
        if name == "videos":
            self.videos.append(table.select(JOINED))


def _fresh(frame: pd.DataFrame, key: str, seen: list[np.ndarray], source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the first row of each id that is not in `seen`, reject the others, and add the new ids, 64 bits each."""
    keys = np.frombuffer(bytes.fromhex("".join(frame[key].tolist())), dtype=">u8").astype(np.uint64)
    known = pd.Series(keys).duplicated().to_numpy() | seen_before(keys, seen)
    repeated = frame[known]
    reasons, details = ["repeated_id"] * len(repeated), ["an earlier row has it"] * len(repeated)
    return frame[~known], reject_rows(source, repeated[key], reasons, details)
