"""One self-contained HTML page per pipeline run: its stages, their data, their scores, and samples with answers.

No script, no external resource: the page can be mailed, kept as an artifact and opened in ten years.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from components import tracking
from components.evaluation.promotion_gate import Decision
from components.report import controls, counts, curves, gallery, lineage, pairs, quality, table
from components.report.decision import verdict
from components.report.stage import Stage, read_stage
from components.report.templates import render

WORST = 10  # items of the page of a score's lineage; `egoflow lineage` draws more


def build(
    pipeline_run_id: str,
    stages: Sequence[tuple[str, Path, str, bool]],
    *,
    data: Path,
    output: Path,
    decision: Decision | None = None,
    data_steps: Sequence[tuple[str, str, float]] = (),
) -> Path:
    """Write the page.

    Args:
        pipeline_run_id: MLflow's parent run; its tags recipe, dataset_digest and git_commit stand in the header.
        stages: (name, checkpoint folder, MLflow run id, reused) in training order. Files that a checkpoint folder
            lacks (`history.jsonl`, `evaluation/`) are left out of the page.
        data: the data folder, with dataset/, frames/ and the rejects tables of every step.
        output: folder for `index.html`, such as reports/<pipeline_run_id>, and for `lineage.html`, which goes from the
            first metric of the gate back to the rows of annotation.
        decision: of the promotion gate about the last stage; None where there was none.
        data_steps: (name, "ran" or "reused", seconds) of this run.

    Returns:
        The path of the page.
    """
    from components.data.frames.store import FrameStore

    run = tracking.describe(pipeline_run_id)
    read = [read_stage(*stage) for stage in stages]
    store = FrameStore(data / "frames")
    champion = champion_of(decision)
    decided = None if decision is None else verdict(decision, read[-1].metrics or {}, champion)
    metrics = decided.metrics if decided else []
    output.mkdir(parents=True, exist_ok=True)
    page = render(
        "page.html",
        run=run,
        # the run that asks for its report is still open
        wall_s=(run.end_s or time.time()) - run.start_s,
        stages=read,
        data_steps=data_steps,
        decision=decided,
        lineage=write_lineage(metrics[0], read[-1].checkpoint, data, output) if metrics else None,
        duration=duration,
        moment=lambda at_s: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at_s)),
        # a page that is moved with its checkpoints finds them still
        link=lambda path: Path(os.path.relpath(path, output)).as_posix(),
        table=table.stage_table(read, champion),
        controls=controls.control_table(read),
        grpo=table.grpo_blocks(read),
        curves=[(stage, curves.charts(stage.history)) for stage in read if stage.history],
        gallery=gallery.gallery(read, samples=data / "dataset" / "samples.parquet", frames=store.frames),
        pair_tasks=pairs.pair_tasks(read, samples=data / "dataset" / "samples.parquet", frames=store.frames),
        counts=counts.read_counts(data),
        rejects=counts.read_rejects(data),
        quality=quality.read_quality(data),
    )
    path = output / "index.html"
    path.write_text(page)
    return path


def write_lineage(metric: str, checkpoint: Path, data: Path, output: Path) -> Path:
    """Write the page of what a score stands on beside the report, and return its path.

    Args:
        metric: "<task>/<score>".
        checkpoint: that was evaluated in it.
        data: the data folder.
        output: folder of the report.
    """
    from components.evaluation.lineage import of_metric  # with torch, which the page itself does not need

    rows = of_metric(checkpoint / "evaluation" / "predictions.parquet", data, metric, limit=WORST)
    return lineage.write(output / "lineage.html", why=(metric, rows), impact=None)


def champion_of(decision: Decision | None) -> tuple[str, dict[str, dict]] | None:
    """Return name and scores of the model that a decision compares with, or None where there was none.

    Args:
        decision: of the promotion gate.
    """
    if decision is None or decision.champion_checkpoint is None:
        return None
    metrics = decision.champion_checkpoint / "evaluation" / "metrics.json"
    if not metrics.is_file():  # it could not be compared, and the decision says why
        return None
    return f"champion, version {decision.champion_version}", json.loads(metrics.read_text())


def duration(seconds: float | None) -> str:
    """Return a duration as text for a reader; an unknown one is a dash.

    >>> duration(3723.4), duration(59.6), duration(None)
    ('1 h 2 min', '60 s', '–')
    """
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest:02d} s" if minutes > 1 else f"{round(seconds)} s"


__all__ = ["Stage", "build", "duration"]
