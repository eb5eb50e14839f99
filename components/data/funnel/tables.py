"""The tables of the funnel: the clips kept, the reason of each other one, and rows for the later steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import records
from components.data.funnel import filters
from components.data.sample_table import dropped
from components.records import content_id, content_ids

STAGES = ("candidates", "read", "ego", "hands")
WRITTEN = {name: records.SCHEMAS[name] for name in ("kept", "rejects", "videos", "clips")}
TEST_PERCENT = 10  # of the videos, by their name: HTM-AA has no split, and both corpora have the same videos

Rows = dict[str, pd.DataFrame]


def not_candidates(refused: pd.DataFrame) -> Rows:
    """Return the rejects of `candidates.write`."""
    gone = dropped(refused, refused["reason"].to_numpy(), row_id="parent", detail="text")
    return {"rejects": gone.assign(step="funnel/candidates")}


def kept_and_rejected(scored: pd.DataFrame) -> Rows:
    """Sort the scored clips of a part into those kept and those rejected.

    Args:
        scored: rows of `scoring.SCORED`, of whole videos.

    Returns:
        Rows of the tables in WRITTEN.
    """
    read = scored[scored["reason"] == ""]
    view, filtered = filters.reasons(read)
    numbers = read[["ego_score", "hands", "objects", "frames", "motion"]].to_dict("records")
    details = [
        f"ego score {row['ego_score']:.3f}"
        if reason == "exo_view"
        else "{hands:.0f} hands, {objects:.0f} objects in {frames:.0f} frames, motion {motion:.3f}".format(**row)
        for row, reason in zip(numbers, view, strict=True)
    ]
    read = read.assign(detail=details)
    stages = [("read", scored, scored["reason"].to_numpy()), ("ego", read, view), ("hands", read, filtered)]
    gone = [
        dropped(frame, reasons, row_id="clip_id", detail="detail").assign(step=f"funnel/{stage}")
        for stage, frame, reasons in stages
    ]
    kept = read[(view == "") & (filtered == "")]
    kept = kept.assign(split=[split_of(take) for take in kept["take_id"]])
    return {"kept": kept, "rejects": pd.concat(gone)} | media(kept)


def split_of(take_id: str) -> str:
    """Return the split of a video of the web.

    >>> split_of("6yooogsTG8k")
    'train'
    """
    return "test" if int(content_id("split", take_id), 16) % 100 < TEST_PERCENT else "train"


def media(kept: pd.DataFrame) -> Rows:
    """Return the rows of `records.VIDEO` and `records.CLIP` of the clips kept: web video as the later steps read it."""
    rows = kept.assign(
        video_id=content_ids("web", kept["source"], kept["path"]),
        take_name=kept["take_id"],
        camera_id="",
        view="ego",
        narration_id=kept["parent"],
        moment_id=content_ids("moment", kept["clip_id"]),
    )
    return {"videos": rows.drop_duplicates("video_id"), "clips": rows}


def write(folder: Path, batches: Iterable[Rows]) -> Counter:
    """Write the tables batch by batch.

    Args:
        folder: of the tables in WRITTEN.
        batches: rows by table.

    Returns:
        How many clips were kept, as "kept", and how many rows each (stage, reason) dropped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counted: Counter = Counter(kept=0)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd"))
            for name, schema in WRITTEN.items()
        }
        for batch in batches:
            for name, rows in batch.items():
                if len(rows):
                    table = pa.Table.from_pandas(rows[WRITTEN[name].names], WRITTEN[name], preserve_index=False)
                    files[name].write_table(table.replace_schema_metadata(None))
            counted["kept"] += len(batch.get("kept", ()))
            steps = batch["rejects"]["step"].str.removeprefix("funnel/")
            counted.update(zip(steps, batch["rejects"]["reason"], strict=True))
    return counted


def stages(rows_in: int, counted: Counter) -> list[dict]:
    """Return the rows of `records.FUNNEL`: for each stage the clips in and out, and the reasons of the others."""
    rows = []
    for stage in STAGES:
        reasons = sorted((key[1], count) for key, count in counted.items() if key[0] == stage)
        rows_out = rows_in - sum(count for _, count in reasons)
        listed = [{"reason": reason, "rows": count} for reason, count in reasons]
        rows.append({"stage": stage, "rows_in": rows_in, "rows_out": rows_out, "reasons": listed})
        rows_in = rows_out
    return rows
