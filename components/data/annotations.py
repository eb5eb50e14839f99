"""Stage `annotations`: every source dataset becomes rows of the common records; from here nobody knows its format."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from components import records, video
from components.data.sources import egoexo4d, egoexolearn, visor
from components.guard import Guard, GuardError
from components.params import Data

PROBE_TIMEOUT_S = 30.0
IDS = {"videos": "video_id", "narrations": "narration_id", "boxes": "box_id", "intervals": "interval_id"}


def run(params: Data, data_dir: Path) -> dict:
    """Read the source datasets, write data/annotations/{videos,narrations,boxes,intervals,rejects}.parquet.

    Args:
        data_dir: the data folder; source paths that are not absolute are relative to the folder it lies in.

    Returns:
        `counts` (rows of each table, rejects by step and reason) and `ledger`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: a source lacks a file or a column.
    """
    project = data_dir.resolve().parent
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
    for name, rows in (tables | {"rejects": rejects}).items():
        records.write_table(data_dir / "annotations" / f"{name}.parquet", rows, records.SCHEMAS[name])
    reasons = Counter(f"{row['step'].removeprefix('annotations/')}/{row['reason']}" for row in rejects)
    counts = {name: len(rows) for name, rows in tables.items()} | {"rejects": len(rejects)}
    return {"counts": counts | {"reasons": dict(sorted(reasons.items()))}, "ledger": ledger}


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
