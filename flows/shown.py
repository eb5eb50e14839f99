"""What Prefect's page of a pipeline run shows: the report, the decision, and a table of the stages."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components import tracking
from flows.summary import Finished


def publish(finished: Finished) -> None:
    """Make the artifacts of the flow run that this is called in.

    Args:
        finished: the pipeline run.
    """
    decision = finished.decision
    verdict = "is the champion now" if decision.promoted else "is not promoted"
    runs = tracking.runs_url(finished.run_id)
    create_link_artifact(finished.report.resolve().as_uri(), "the report, on the machine that ran it", key="report")
    create_markdown_artifact(
        f"Version {decision.version} **{verdict}**: {decision.reason}\n\n[All runs in MLflow]({runs})",
        key="decision",
    )
    rows: list[dict[str, Any]] = [
        {"part": "data", "stage": one.name, "how": one.how, "seconds": one.seconds} for one in finished.data
    ]
    rows += [
        {"part": "train", "stage": one.name, "how": one.how, "seconds": one.seconds, "evaluation_s": one.evaluation_s}
        for one in finished.stages
    ]
    create_table_artifact(rows, key="stages")
