"""What the report knows of one stage: read from its checkpoint folder and from MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components import tracking
from components.records import PREDICTION, read_table
from components.tracking import history


@dataclass(frozen=True)
class Stage:
    """One row of the report.

    `trained` is the run that trained it: an earlier pipeline run's where the stage was reused.
    `metrics` is None and `predictions` empty for a stage that was not evaluated.
    """

    name: str
    checkpoint: Path
    reused: bool
    trained: tracking.RunInfo
    history: dict[str, list[tuple[int, float]]]
    metrics: dict[str, dict] | None
    predictions: list[dict]

    @property
    def wall_s(self) -> float | None:
        """Time from the start to the end of the training run; None while it runs."""
        return self.trained.end_s - self.trained.start_s if self.trained.end_s is not None else None

    @property
    def parents(self) -> set[str]:
        """Names of the stages that it starts from, as its run's parameters have them."""
        return {value for name, value in self.trained.params.items() if name.startswith("parents.")}


def read_stage(name: str, checkpoint: Path, run_id: str, reused: bool) -> Stage:
    """Read a stage; `run_id` may be the run that trained it or the light run that stands in for it."""
    info = tracking.describe(run_id)
    if "reused_from" in info.tags:
        info = tracking.describe(info.tags["reused_from"])
    metrics, predictions = (checkpoint / "evaluation" / file for file in ("metrics.json", "predictions.parquet"))
    rows = read_table(predictions, PREDICTION).to_pylist() if predictions.exists() else []
    return Stage(
        name=name,
        checkpoint=checkpoint,
        reused=reused,
        trained=info,
        history=history.curves(history.read(checkpoint / "history.jsonl")[0]),
        metrics=json.loads(metrics.read_text()) if metrics.exists() else None,
        predictions=[row for row in rows if row["condition"] == "model"],
    )
