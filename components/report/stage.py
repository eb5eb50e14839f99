"""One stage as the report shows it, read from its checkpoint folder and from MLflow."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

from components import tracking
from components.records import PREDICTION, read_table
from components.tracking import history
from components.tracking.code import other_code

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A training stage.

    Attributes:
        name: in the recipe.
        checkpoint: folder.
        reused: whether an earlier pipeline run trained it.
        trained: MLflow run that trained it.
        history: metric -> [(step, value), ...] of the training.
        metrics: content of metrics.json; None for a stage that was not evaluated, or by an earlier version alone.
        predictions: rows of `records.PREDICTION` with the right frames; empty for a stage that was not evaluated.
        skipped: content of skipped.json: task, reason, and samples that were not asked or not scored.
        blind: rows of `records.PREDICTION` of the controls, which did not see what was asked.
    """

    name: str
    checkpoint: Path
    reused: bool
    trained: tracking.RunInfo
    history: dict[str, list[tuple[int, float]]]
    metrics: dict[str, dict] | None
    predictions: list[dict]
    skipped: list[dict]
    blind: list[dict] = field(default_factory=list)

    @property
    def wall_s(self) -> float | None:
        """Seconds from the start to the end of the training run; None while it runs."""
        return self.trained.end_s - self.trained.start_s if self.trained.end_s is not None else None

    @property
    def adopted(self) -> str:
        """Why another checkpoint stands for this stage; "" where it was trained."""
        return self.trained.tags.get("adopted", "")

    def trained_by(self, code: str | None) -> str:
        """Say which code trained a reused stage, where that is not the code of the run; "" where it is.

        Args:
            code: digest of the training code of the run, a tag of it.
        """
        return other_code(self.trained.tags, code) if self.reused and code else ""

    @property
    def uses_muon(self) -> bool:
        """Whether Muon trained it, by the parameters of its run."""
        return self.trained.params.get("muon_learning_rate", "None") != "None"

    @property
    def rollout_pages(self) -> list[Path]:
        """The pages of completions with their rewards that GRPO wrote at regular steps."""
        return sorted((self.checkpoint / "rollouts").glob("*.html"))

    @property
    def parents(self) -> set[str]:
        """Names of the stages that it starts from, by the parameters of its run."""
        return {value for name, value in self.trained.params.items() if name.startswith("parents.")}


def read_stage(name: str, checkpoint: Path, run_id: str, reused: bool) -> Stage:
    """Read a stage.

    Args:
        name: in the recipe.
        checkpoint: folder; files that it lacks leave their fields empty.
        run_id: of the run that trained it, or of the nested run that stands for a reused one.
        reused: whether an earlier pipeline run trained it.

    Returns:
        The stage.

    Raises:
        ValueError: a line of history.jsonl is not JSON.
    """
    info = tracking.describe(run_id)
    if "reused_from" in info.tags:
        info = tracking.describe(info.tags["reused_from"])
    files = ("metrics.json", "predictions.parquet", "skipped.json")
    metrics, predictions, skipped = (checkpoint / "evaluation" / file for file in files)
    found = json.loads(metrics.read_text()) if metrics.exists() else None
    if found and any("controls" not in entry for entry in found.values()):
        logger.warning("%s is of an earlier version of the project: %s counts as not evaluated", metrics, name)
        found = None
    rows = read_table(predictions, PREDICTION).to_pylist() if found is not None and predictions.exists() else []
    return Stage(
        name=name,
        checkpoint=checkpoint,
        reused=reused,
        trained=info,
        history=history.curves(history.read(checkpoint / "history.jsonl")[0]),
        metrics=found,
        predictions=[row for row in rows if row["condition"] == "model"],
        skipped=json.loads(skipped.read_text()) if skipped.exists() else [],
        blind=[row for row in rows if row["condition"] != "model"],
    )
