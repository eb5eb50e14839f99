"""The one experiment that all runs are in; one that somebody deleted or renamed is not silently begun anew."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking import own_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "egoflow"
ARTIFACTS = "MLFLOW_DEFAULT_ARTIFACT_ROOT"  # environment variable, as `mlflow server` reads it
MARK = "egoflow"  # tag of the experiment, by which it is known under another name


def experiment(store: MlflowClient, uri: str) -> str:
    """Return the id of the experiment, which is made where there is none.

    Args:
        store: that it is in.
        uri: of the store. Artifacts lie where MLFLOW_DEFAULT_ARTIFACT_ROOT says, by default beside a sqlite database;
            a tracking server has a place of its own.

    Raises:
        ValueError: it was deleted or renamed, or another database was given no place for artifacts; says what to do.
    """
    found = store.get_experiment_by_name(EXPERIMENT)
    if found is None:
        return _made(store, uri)
    if found.lifecycle_stage != "active":
        raise ValueError(
            f"the experiment {EXPERIMENT!r} at {shown(uri)} has been deleted, and with it every stage that could be "
            f"reused.\nBring it back: MLFLOW_TRACKING_URI={shown(uri)} mlflow experiments restore "
            f"-x {found.experiment_id}\nOr begin anew: mlflow gc --backend-store-uri {shown(uri)} "
            f"--experiment-ids {found.experiment_id}"
        )
    if MARK not in found.tags:
        store.set_experiment_tag(found.experiment_id, MARK, EXPERIMENT)
    return found.experiment_id


def shown(uri: str) -> str:
    """Return the address of a store as it may stand in a log, without user and password.

    >>> shown("postgresql://me:secret@db:5432/runs")
    'postgresql://***@db:5432/runs'
    """
    return re.sub(r"//[^/]*@", "//***@", uri)


def _made(store: MlflowClient, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    for other in store.search_experiments(filter_string=f"tags.{MARK} = '{EXPERIMENT}'"):
        raise ValueError(
            f"the experiment {EXPERIMENT!r} at {shown(uri)} has been renamed to {other.name!r}; under that name no "
            f"stage would be found, and all would be trained again.\nName it back: MLFLOW_TRACKING_URI={shown(uri)} "
            f"mlflow experiments rename -x {other.experiment_id} --new-name {EXPERIMENT}\nOr leave it and begin anew: "
            f'MLFLOW_TRACKING_URI={shown(uri)} python -c "import mlflow; '
            f"mlflow.MlflowClient().delete_experiment_tag('{other.experiment_id}', '{MARK}')\""
        )
    try:
        return store.create_experiment(EXPERIMENT, _artifacts(uri), tags={MARK: EXPERIMENT})
    except MlflowException as error:
        found = store.get_experiment_by_name(EXPERIMENT)  # another process may have created it first
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return found.experiment_id


def _artifacts(uri: str) -> str | None:
    """Return where a new experiment keeps its artifacts; None where its server knows."""
    if uri.startswith("http"):
        return None
    if place := os.environ.get(ARTIFACTS):
        return f"{place.rstrip('/')}/{EXPERIMENT}"
    if uri.startswith("sqlite:///"):
        return own_folder.artifacts_of(Path(uri.removeprefix("sqlite:///")).resolve())
    # MLflow would take ./mlruns, which lies elsewhere for whoever starts elsewhere
    raise ValueError(
        f"{ARTIFACTS} is not set, and the database at {shown(uri)} holds no files: name a place that all who use it "
        f"reach, as {ARTIFACTS}=s3://bucket/folder (and MLFLOW_S3_ENDPOINT_URL where it is not Amazon's)"
    )
