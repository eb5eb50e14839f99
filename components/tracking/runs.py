"""Runs, evaluations and artifacts in MLflow, and the cache of finished stages that is built on them.

Each pipeline run has a parent run, and each stage a nested one, all in one experiment so that MLflow compares them.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking import away, owners
from components.tracking.experiment import experiment
from components.tracking.store import client, tracking_uri, ui

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

OWNER = "owner"  # tag of a run: the process that will end it
MAX_METRICS, _MAX_PARAMS = 1000, 100  # in one call to MLflow
_MAX_DIGEST = 36  # letters of a digest that MLflow's dataset table holds
_DATASETS = threading.Lock()  # two stages that start at once would both add the dataset, and the second would fail


@dataclass(frozen=True)
class RunInfo:
    """A run as the report shows it; times in seconds since 1970, `end_s` None while it runs."""

    run_id: str
    name: str
    status: str
    start_s: float
    end_s: float | None
    params: dict[str, str]
    tags: dict[str, str]
    url: str


def open_pipeline_run(name: str, *, tags: dict[str, str]) -> str:
    """Open the parent run of a pipeline run and return its id; open runs of processes that are gone end first."""
    end_dead()
    return _open(name, {"kind": "pipeline", **tags})


def open_stage_run(
    parent_run_id: str, stage_name: str, *, params: dict, tags: dict[str, str], dataset_digest: str | None
) -> str:
    """Open a nested run for a stage.

    Args:
        parent_run_id: the pipeline run.
        stage_name: becomes the run's name.
        params: every parameter of the stage; nested dicts become `outer.inner`.
        tags: stage_key, versions, code_digest, git_commit, checkpoint.
        dataset_digest: of the data it trains on, logged as MLflow input; None for a stage that reads no dataset.

    Returns:
        The id of the run.
    """
    nested = {"kind": "stage", "stage": stage_name, "mlflow.parentRunId": parent_run_id}
    run_id = _open(stage_name, {**nested, **tags, **({"dataset_digest": dataset_digest} if dataset_digest else {})})
    log_params(run_id, params)
    if dataset_digest:
        log_dataset(run_id, dataset_digest)
    return run_id


def log_params(run_id: str, params: dict) -> None:
    """Log parameters; nested dicts become `outer.inner`."""
    from mlflow.entities import Param

    entries = [Param(name, str(value)) for name, value in _flatten(params).items()]
    for start in range(0, len(entries), _MAX_PARAMS):
        client().log_batch(run_id, params=entries[start : start + _MAX_PARAMS])


def log_dataset(run_id: str, digest: str) -> None:
    """Log the dataset with this digest as the input of a run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset("egoflow", digest[:_MAX_DIGEST], "dvc", json.dumps({"path": "data/dataset"}))
    _log_input(run_id, DatasetInput(dataset, [InputTag("mlflow.data.context", "training")]))


def _log_input(run_id: str, dataset: DatasetInput) -> None:
    from mlflow.exceptions import MlflowException

    try:
        with _DATASETS:
            client().log_inputs(run_id, [dataset])
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":
            raise
        client().log_inputs(run_id, [dataset])  # another process added it between MLflow's look and its insert


def open_benchmark_run(name: str, *, tags: dict[str, str]) -> str:
    """Open the run of a checkpoint on a public benchmark and return its id.

    Args:
        name: of the benchmark.
        tags: checkpoint.
    """
    return _open(f"benchmark {name}", {"kind": "benchmark", "benchmark": name, **tags})


def set_tags(run_id: str, tags: dict[str, str]) -> None:
    """Set tags of an open run that were not known at its start, such as a pipeline run's dataset_digest."""
    for name, value in tags.items():
        client().set_tag(run_id, name, value)


def finish(run_id: str, status: str) -> None:
    """End a run as FINISHED, FAILED or KILLED."""
    client().set_terminated(run_id, status)


def end_open(parent_run_id: str) -> list[str]:
    """End a pipeline run and the runs nested in it as KILLED, where they are open; return their ids."""
    nested = f"tags.`mlflow.parentRunId` = '{parent_run_id}'"
    store, ended = client(), []
    for run in [store.get_run(parent_run_id), *store.search_runs([experiment(store, tracking_uri())], nested)]:
        if run.info.status == "RUNNING":
            store.set_terminated(run.info.run_id, "KILLED")
            ended.append(run.info.run_id)
    return ended


def end_dead() -> list[str]:
    """End every open run whose process on this host is gone as KILLED, so that none stays open; return their ids."""
    store, ended = client(), []
    for run in store.search_runs([experiment(store, tracking_uri())], "attributes.status = 'RUNNING'"):
        if owners.is_gone(run.data.tags.get(OWNER, "")):
            store.set_terminated(run.info.run_id, "KILLED")
            ended.append(run.info.run_id)
    return ended


def finished_stage(stage_key: str) -> str | None:
    """Look a stage key up in the cache: the id of the newest finished run with exactly this key, or None."""
    return next((run.info.run_id for run in _finished(f"tags.stage_key = '{stage_key}'")), None)


def last_pipeline_tags(recipe: str) -> dict[str, str] | None:
    """Return the tags of the last finished pipeline run of a recipe (itself a tag), None where there is none."""
    last = last_pipeline_run(recipe)
    return None if last is None else last.tags


def last_pipeline_run(recipe: str) -> RunInfo | None:
    """Return the last finished pipeline run of a recipe (one of its tags), None where there is none."""
    finished = _finished(f"tags.kind = 'pipeline' and tags.recipe = '{recipe}'")
    return next((_info(run) for run in finished), None)


def describe(run_id: str) -> RunInfo:
    """Read a run for the report, with its address in the MLflow UI."""
    return _info(client().get_run(run_id))


def _info(run: Run) -> RunInfo:
    info = run.info
    return RunInfo(
        run_id=info.run_id,
        name=info.run_name or info.run_id,
        status=info.status,
        start_s=info.start_time / 1000,
        end_s=info.end_time / 1000 if info.end_time else None,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        url=f"{ui()}/#/experiments/{info.experiment_id}/runs/{info.run_id}",
    )


def log_artifacts(run_id: str, path: Path, artifact_path: str) -> None:
    """Copy a file or a folder into the artifacts of a run.

    Args:
        run_id: of the run.
        path: the file or folder.
        artifact_path: folder among the artifacts.
    """
    if path.is_dir():
        client().log_artifacts(run_id, str(path), artifact_path)
    else:
        client().log_artifact(run_id, str(path), artifact_path)


def log_evaluation(run_id: str, metrics_json: Path) -> None:
    """Log the file that components/evaluation/measure.py wrote, so that every stage has the same metric names.

    Args:
        run_id: the stage's run.
        metrics_json: "<task>/<metric>" -> `value` and more, as components/evaluation/results.py writes it. Logged are
            "<task>/<metric>", and with a dot behind it each further fraction that is known (`lo`, `hi`, `chance`) and
            the value of each of its `controls`.
    """
    _log_evaluation(run_id, json.loads(metrics_json.read_text()))


def evaluation(run_id: str) -> dict[str, dict] | None:
    """Read the logged evaluation of a run; None where it was not evaluated."""
    from mlflow.artifacts import load_dict

    if not client().list_artifacts(run_id, "evaluation"):
        return None
    path = f"{client().get_run(run_id).info.artifact_uri}/evaluation/metrics.json"
    return away.outlast(tracking_uri(), load_dict, path)


def link_reused(parent_run_id: str, stage_name: str, run_id: str) -> str:
    """Show a reused stage in a pipeline run: open a nested run with the evaluation of the run that trained it.

    Args:
        parent_run_id: the pipeline run.
        stage_name: becomes the nested run's name.
        run_id: of the run that trained the stage.

    Returns:
        The id of the nested run. It has no stage_key, so that the cache always leads to the run that trained.
    """
    tags = {"kind": "reused", "stage": stage_name, "mlflow.parentRunId": parent_run_id, "reused_from": run_id}
    nested = _open(stage_name, tags)
    if (metrics := evaluation(run_id)) is not None:
        _log_evaluation(nested, metrics)
    finish(nested, "FINISHED")
    return nested


def _open(name: str, tags: dict[str, str]) -> str:
    if "git_commit" in tags:
        tags = {**tags, "mlflow.source.git.commit": tags["git_commit"]}  # the name that the UI shows
    store = client()
    return store.create_run(
        experiment(store, tracking_uri()), tags={**tags, OWNER: owners.me()}, run_name=name
    ).info.run_id


def _finished(condition: str) -> list:
    store = client()
    query, newest = f"{condition} and attributes.status = 'FINISHED'", ["attributes.end_time DESC"]
    return store.search_runs([experiment(store, tracking_uri())], query, max_results=1, order_by=newest)


def _log_evaluation(run_id: str, metrics: dict[str, dict]) -> None:
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    values = {}
    for name, entry in metrics.items():
        values[name] = entry["value"]
        numbers = {part: number for part, number in entry.items() if isinstance(number, float) and part != "value"}
        numbers |= {control: found["value"] for control, found in entry.get("controls", {}).items()}
        values |= {f"{name}.{part}": number for part, number in numbers.items()}
    entries = [Metric(name, value, now_ms, 0) for name, value in values.items()]
    for start in range(0, len(entries), MAX_METRICS):
        client().log_batch(run_id, metrics=entries[start : start + MAX_METRICS])
    client().log_dict(run_id, metrics, "evaluation/metrics.json")


def _flatten(params: dict, prefix: str = "") -> dict[str, object]:
    """Return a dict without nesting, with keys such as `outer.inner`.

    >>> _flatten({"steps": 3, "lora": {"rank": 8}})
    {'steps': 3, 'lora.rank': 8}
    """
    flat: dict[str, object] = {}
    for name, value in params.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
