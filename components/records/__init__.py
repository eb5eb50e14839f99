"""The frozen records: their columns (`schemas`), their ids (`ids`), their Parquet files (`tables`)."""

from components.records.ids import content_id, content_ids
from components.records.schemas import (
    BOX_LABEL,
    CAPTION,
    CLIP,
    FUNNEL,
    INTERVAL,
    KEPT,
    MEDIA,
    NARRATION,
    PREDICTION,
    QUESTION,
    REJECT,
    SAMPLE,
    SCHEMAS,
    SPAN,
    TARGET,
    VIDEO,
    VIDEOS,
)
from components.records.tables import read_batches, read_table, read_videos, write_table

__all__ = [
    "BOX_LABEL",
    "CAPTION",
    "CLIP",
    "FUNNEL",
    "INTERVAL",
    "KEPT",
    "MEDIA",
    "NARRATION",
    "PREDICTION",
    "QUESTION",
    "REJECT",
    "SAMPLE",
    "SCHEMAS",
    "SPAN",
    "TARGET",
    "VIDEO",
    "VIDEOS",
    "content_id",
    "content_ids",
    "read_batches",
    "read_table",
    "read_videos",
    "write_table",
]
