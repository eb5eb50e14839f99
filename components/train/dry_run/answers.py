"""How many answers a stage of algorithm distill will write, and what the stages that learn from them will have."""

from __future__ import annotations

from pathlib import Path

from components import params, records
from components.train import plan
from components.train.distill import questions
from components.train.dry_run.stage_budget import Budget

NOT_YET = "?"  # the answer of every planned sample


def counted(stage: params.Stage, settings: params.Distill, data: Path, planned: Path) -> params.Stage:
    """Return a stage with the number of its questions, and write the samples that it will have.

    Args:
        stage: of algorithm distill.
        settings: its block `distill`.
        data: folder of the data graph's outputs.
        planned: folder that takes a table of the stage's name.

    Raises:
        ValueError: as `questions.asked`.
    """
    asked = questions.asked(stage, settings, data)
    rows = [row for question in asked for row in questions.samples(question, NOT_YET)]
    records.write_table(planned / f"{stage.name}.parquet", rows, records.SAMPLE)
    return stage.model_copy(update={"dataset_samples": len(asked)})


def planned_for(stage: params.Stage, planned: Path) -> Path | None:
    """Return the table of the samples that another stage will write for this one; None where there is none."""
    return planned / f"{stage.parents[plan.SAMPLES]}.parquet" if plan.SAMPLES in stage.parents else None


def told(needs: Budget) -> str | None:
    """Return in words what a stage of algorithm distill will write; None for any other."""
    stage, settings = needs.stage, needs.stage.distill
    if settings is None:
        return None
    most, how = settings.max_new_tokens, settings.generation
    if settings.endpoint:
        most, how = settings.endpoint.max_tokens, f"of {settings.endpoint.model} at an endpoint"
    return (
        f"stage {stage.name!r} writes {stage.dataset_samples:,} answers of {most} tokens at most, {how}, about "
        f"{' and '.join(settings.views)} clips"
    )
