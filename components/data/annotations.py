"""Stage `annotations`: every source dataset becomes rows of the common records; from here nobody knows its format.

The sources of takes (Ego-Exo4D with VISOR and EgoExoLearn) are read whole. The corpora in SOURCES are read and written
batch by batch. Their narrations go to `point_narrations`: Ego-ExoClip takes only narrations of takes with videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records, video
from components.data.judging import Tables, rejected, seen_before
from components.data.sources import (
    cc3m,
    dci,
    ego4d,
    egoclip,
    egoexo4d,
    egoexolearn,
    egotimeqa,
    egtea,
    epic100,
    htm_aa,
    interlink7m,
    internvid,
    openeqa,
    panda70m,
    ssv2,
    vidal,
    visor,
    webvid,
)
from components.guard import Guard, GuardError
from components.params import Data

PROBE_TIMEOUT_S = 30.0
IDS = {"videos": "video_id", "narrations": "narration_id", "boxes": "box_id", "intervals": "interval_id"}
STREAMED = {"captions": "caption_id", "questions": "question_id", "point_narrations": "narration_id"}
SOURCES: dict[str, Callable[[Path], Iterator[Tables]]] = {
    "egoclip": egoclip.read,
    "ego4d": ego4d.read,
    "epic100": epic100.read,
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
}


def run(params: Data, data_dir: Path) -> dict:
    """Read the source datasets, write data/annotations/<table>.parquet for the tables of IDS and STREAMED, and rejects.

    Args:
        data_dir: the data folder; source paths that are not absolute are relative to the folder it lies in.

    Returns:
        `counts` (rows of each table, rejects by step and reason) and `ledger`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: a source lacks its folder, a file or a column.
        AssertionError: rows of a source are neither written nor rejected.
    """
    project, folder = data_dir.resolve().parent, data_dir / "annotations"
    corpora = {name: project / path for name, path in params.sources.given().items() if name in SOURCES}
    for name, root in corpora.items():
        if not root.is_dir():  # told now, not after hours of other sources
            raise ValueError(
                f"{root} is no folder; put {name} there, or mend or take out sources.{name} in params/data.yaml"
            )
    with Guard(timeout_s=PROBE_TIMEOUT_S) as guard:

        def probe(path: Path) -> video.Probe:
            try:
                return guard.call(video.probe, path)
            except GuardError as error:
                raise video.VideoError(f"{path}: probing was {error}") from error

        takes, refused_takes = egoexo4d.read(project / params.sources.egoexo4d, probe=probe)
    outlines, refused_outlines = visor.read(project / params.sources.visor, videos=takes["videos"])
    spans, refused_spans = egoexolearn.read(project / params.sources.egoexolearn, videos=takes["videos"])
    parts = (
        ("egoexo4d", takes, refused_takes),
        ("visor", outlines, refused_outlines),
        ("egoexolearn", spans, refused_spans),
    )
    tables: dict[str, list[dict]] = {}
    rejects: list[dict] = []
    ledger = []
    for source, made, refused in parts:
        rows_in = sum(len(rows) for rows in made.values()) + len(refused)
        for name, rows in made.items():
            tables[name], repeated = _once(rows, IDS[name], source)
            refused = refused + repeated
        rejects += refused
        ledger.append((source, rows_in, sum(len(tables[name]) for name in made), len(refused)))
    for name, rows in tables.items():
        records.write_table(folder / f"{name}.parquet", rows, records.SCHEMAS[name])
    streamed, reasons, streamed_ledger = _stream(corpora, folder, rejects)
    counts = {name: len(rows) for name, rows in tables.items()} | streamed
    return {"counts": counts | {"reasons": dict(sorted(reasons.items()))}, "ledger": ledger + streamed_ledger}


def _stream(corpora: dict[str, Path], folder: Path, rejects: list[dict]) -> tuple[dict, Counter, list]:
    """Write the tables of the corpora, and the rejects of all sources, `rejects` first.

    Returns:
        rows of each table, rejects by source and reason, and the ledger of the corpora.
    """
    reasons = Counter(f"{row['step'].removeprefix('annotations/')}/{row['reason']}" for row in rejects)
    seen: dict[str, list[np.ndarray]] = {name: [] for name in STREAMED}
    paths = {name: folder / f"{name}.parquet" for name in (*STREAMED, "rejects")}
    written, ledger = Counter({"rejects": len(rejects)}), []
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(pq.ParquetWriter(path, records.SCHEMAS[name], compression="zstd"))
            for name, path in paths.items()
        }
        writers["rejects"].write_table(pa.Table.from_pylist(rejects, records.REJECT))
        for source, root in corpora.items():
            rows_in, before = 0, Counter(written)
            for tables, refused in SOURCES[source](root):
                rows_in += len(refused) + sum(map(len, tables.values()))
                batch = {}
                for name, frame in tables.items():
                    batch[name], repeated = _fresh(frame, STREAMED[name], seen[name], source)
                    refused = pd.concat([refused, repeated])
                reasons.update((source + "/" + refused["reason"]).value_counts().to_dict())
                for name, frame in (batch | {"rejects": refused}).items():
                    if len(frame):
                        writers[name].write_table(_arrow(frame, records.SCHEMAS[name]))
                        written[name] += len(frame)
            made = written - before
            ledger.append((source, rows_in, made.total() - made["rejects"], made["rejects"]))
    for name, path in paths.items():
        stored = pq.read_metadata(path).num_rows
        assert stored == written[name], f"{path}: {written[name]} rows were handed over, {stored} are stored"
    return {name: written[name] for name in paths}, reasons, ledger


def _arrow(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False).replace_schema_metadata(None)


def _fresh(frame: pd.DataFrame, key: str, seen: list[np.ndarray], source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the rows whose id is not in `seen`, reject the others, and add the new ids, 64 bits each, to `seen`."""
    keys = np.frombuffer(bytes.fromhex("".join(frame[key])), dtype=">u8").astype(np.uint64)
    known = seen_before(keys, seen)
    repeated = frame[known]
    reasons, details = ["repeated_id"] * len(repeated), ["it stands in an earlier batch"] * len(repeated)
    return frame[~known], rejected(source, repeated[key], reasons, details)


def _once(rows: list[dict], key: str, source: str) -> tuple[list[dict], list[dict]]:
    """Keep the first row of each id and reject the others."""
    first = {row[key]: row for row in reversed(rows)}
    kept = [row for row in rows if first[row[key]] is row]
    repeated = [
        {"step": f"annotations/{source}", "row_id": row[key], "reason": "repeated_id", "detail": ""}
        for row in rows
        if first[row[key]] is not row
    ]
    return kept, repeated
