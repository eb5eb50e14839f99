"""The address that a person opens first."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from components.tracking.store import client, ui

SHOWN = "tags.kind != 'reused'"  # of the runs in a list: a reused stage has one in every pipeline run


def runs_url(run_id: str) -> str:
    """Return the address of all runs in the UI, newest first and without those that only show a reused stage.

    Args:
        run_id: of one of them.
    """
    # without `workflowType` MLflow 3 opens an experiment on its page for prompts and traces
    words = {"workflowType": "machine_learning", "searchFilter": SHOWN}
    experiment = client().get_run(run_id).info.experiment_id
    return f"{ui()}/#/experiments/{experiment}/runs?{urlencode(words, quote_via=quote)}"
