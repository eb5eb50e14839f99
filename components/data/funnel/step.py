"""Stage `funnel`: web video -> data/funnel, the clips that EgoRe can ask about (systems §4.1).

models/, candidates/ and scores/ hold what a killed run had finished; kept, rejects, table, videos and clips are made of
them anew. classifier.json says how good the models are on takes that they never saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from components import records
from components.data.funnel import candidates, tables
from components.params import Data


def run(params: Data, data_dir: Path) -> dict:
    """Read data/annotations and data/clips and the videos of the web corpora, write data/funnel.

    Returns:
        `counts` (clips out of each stage, parts, those reused) and `row_counts`: (stage, rows in, rows out, rejected).

    Raises:
        ValueError: there is nothing that the models could learn from.
    """
    folder, given = data_dir / "funnel", params.sources.given()
    sources = [source for source in candidates.TABLES if source in given]
    told = {"rows": 0, "parts": 0, "parts_reused": 0}
    counted = tables.write(folder, _batches(params, data_dir, folder, sources, told))
    rows = tables.table(told["rows"], counted)
    assert rows[-1]["rows_out"] == counted["kept"], (
        f"funnel: {told['read']} rows came in, {counted['kept']} are kept and {rows[-1]['rows_out']} should be"
    )
    records.write_table(folder / "table.parquet", rows, records.FUNNEL)
    row_counts = [
        (row["stage"], row["rows_in"], row["rows_out"], sum(each["rows"] for each in row["reasons"])) for row in rows
    ]
    return {"counts": told | {row["stage"]: row["rows_out"] for row in rows}, "row_counts": row_counts}


def _batches(params: Data, data_dir: Path, folder: Path, sources: list[str], told: dict) -> Iterator[tables.Rows]:
    """Return the rows to write: the rejects of the candidates, then, when all are scored, those of each part."""
    chosen, project = params.funnel, data_dir.resolve().parent
    roots = {source: project / path for source, path in params.sources.given().items()}
    parts: list[Path] = []
    for path, rows, refused in candidates.write(data_dir, folder / "candidates", sources, rows=chosen.shard_rows):
        parts.append(path)
        told["rows"] += rows
        yield tables.not_candidates(refused)
    for stale in set((folder / "candidates").glob("part-*")) - set(parts):
        stale.unlink()
    if not parts:
        return
    from components.data.funnel import scoring, train_models

    how = {"frames": chosen.clip_frames, "size_px": chosen.size_px, "timeout_s": chosen.timeout_s}
    takes = {"train_takes": chosen.train_takes, "test_takes": chosen.test_takes}
    train_models.learn(data_dir, folder, roots, encoder=chosen.features, seed=params.seed, **how, **takes)
    scored, reused = scoring.score(parts, folder / "scores", folder, roots, encoder=chosen.features, **how)
    told |= {"parts": len(scored), "parts_reused": reused}
    for path in scored:
        yield tables.judged(pq.read_table(path).to_pandas())
