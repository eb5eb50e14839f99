"""What a person sees of MLflow first: the address of the runs, what it hides, and what a run says of itself."""

import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from components import tracking
from components.tracking.store import client

README = (Path(__file__).parents[3] / "README.md").read_text()


def test_the_address_in_readme_opens_the_runs_and_hides_reused_stages():
    parent = tracking.open_pipeline_run("p", tags={})
    stage = tracking.open_stage_run(parent, "s", params={}, tags={"stage_key": "sight"}, dataset_digest=None)
    reused = tracking.link_reused(parent, "s", stage)
    url = urlsplit(tracking.runs_url(parent))
    assert f"<{tracking.runs_url(parent)}>" in README
    path, _, query = url.fragment.partition("?")
    words = parse_qs(query)
    assert words["workflowType"] == ["machine_learning"], "without, MLflow opens its page for prompts"
    experiment = path.split("/")[2]
    [filtered] = words["searchFilter"]
    shown = {run.info.run_id for run in client().search_runs([experiment], filtered)}
    assert {parent, stage} <= shown and reused not in shown


def test_a_run_shows_what_the_machine_was_busy_with(monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    run_id = tracking.open_pipeline_run("p", tags={})
    with tracking.system_metrics(run_id):
        time.sleep(0.4)
    names = client().get_run(run_id).data.metrics
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= names.keys()


def test_parameters_and_dataset_of_a_run_can_be_logged_when_they_are_known():
    run_id = tracking.open_pipeline_run("p", tags={})
    tracking.log_params(run_id, {"stages": {"sft": {"max_steps": 60, "mixture": {"egore/qa/ego": 1.0}}}})
    tracking.log_dataset(run_id, "9" * 64)
    run = client().get_run(run_id)
    assert run.data.params == {"stages.sft.max_steps": "60", "stages.sft.mixture.egore/qa/ego": "1.0"}
    assert run.inputs.dataset_inputs[0].dataset.digest == "9" * 36
