"""Stage `funnel`: web video -> data/funnel, the clips that EgoRe can ask about (systems §4.1).

models/, candidates/ and scores/ hold what a killed run had finished; the tables kept, rejects, table, videos and clips
are written anew from them. classifier.json has the scores of the models on takes that they were not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from components import records
from components.data.funnel import candidates, folder_detector, tables
from components.data.funnel.clip_reader import Decoding
from components.data.funnel.detections import LEARNED
from components.data.partition.finished_parts import remove_stale
from components.params import Data


def run(params: Data, data_dir: Path) -> dict:
    """Read data/annotations, data/clips and the videos of the web corpora, and write data/funnel.

    Args:
        params: of the data pipeline.
        data_dir: the data folder, in the project root.

    Returns:
        `counts` (clips out of each stage, parts, those reused) and `row_counts`: (stage, rows in, rows out, rejected).

    Raises:
        ValueError: there is nothing that the models could be trained on, or `hand_detector` names no detector.
    """
    if params.funnel.hand_detector != LEARNED:
        folder_detector.opened(_project(data_dir) / params.funnel.hand_detector)  # before the expensive part
    folder, given = data_dir / "funnel", params.sources.given()
    sources = [source for source in candidates.TABLES if source in given]
    counts = {"rows": 0, "parts": 0, "parts_reused": 0}
    counted = tables.write(folder, _batches(params, data_dir, folder, sources, counts))
    rows = tables.stages(counts["rows"], counted)
    assert rows[-1]["rows_out"] == counted["kept"], (
        f"funnel: {counts['rows']} rows came in, {counted['kept']} are kept and {rows[-1]['rows_out']} should be"
    )
    records.write_table(folder / "table.parquet", rows, records.FUNNEL)
    row_counts = [
        (row["stage"], row["rows_in"], row["rows_out"], sum(reason["rows"] for reason in row["reasons"]))
        for row in rows
    ]
    return {"counts": counts | {row["stage"]: row["rows_out"] for row in rows}, "row_counts": row_counts}


def _batches(params: Data, data_dir: Path, folder: Path, sources: list[str], counts: dict) -> Iterator[tables.Rows]:
    """Yield the rows to write: the rejects of the candidates, then, when all are scored, the rows of each part."""
    chosen, project = params.funnel, _project(data_dir)
    detector = chosen.hand_detector if chosen.hand_detector == LEARNED else str(project / chosen.hand_detector)
    roots = {source: project / path for source, path in params.sources.given().items()}
    parts: list[Path] = []
    for path, rows, refused in candidates.write(data_dir, folder / "candidates", sources, rows=chosen.shard_rows):
        parts.append(path)
        counts["rows"] += rows
        yield tables.not_candidates(refused)
    remove_stale(folder / "candidates", "part-*", parts)
    if not parts:
        return
    from components.data.funnel import scoring, train_models

    decoding = Decoding(chosen.clip_frames, chosen.size_px, chosen.timeout_s)
    train_models.train(
        data_dir,
        folder,
        roots,
        encoder=chosen.features,
        detector=detector,
        decoding=decoding,
        takes={"train": chosen.train_takes, "test": chosen.test_takes},
        seed=params.seed,
    )
    scored, reused = scoring.score(
        parts, folder / "scores", folder, roots, encoder=chosen.features, detector=detector, decoding=decoding
    )
    counts |= {"parts": len(scored), "parts_reused": reused}
    for path in scored:
        yield tables.kept_and_rejected(pq.read_table(path).to_pandas())


def _project(data_dir: Path) -> Path:
    return data_dir.resolve().parent
