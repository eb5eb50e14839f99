"""Profiles of datasets in MLflow, found by the digest of the dataset; so a comparison needs none of the old data."""

from __future__ import annotations

from pathlib import Path

from components.tracking import away
from components.tracking.experiment import experiment
from components.tracking.store import client, tracking_uri

_FOLDER = "data_profile"  # among the artifacts of a run
_TAG = "data_profile"  # of a run that keeps one: the digest of the dataset


def keep_profile(run_id: str, digest: str, path: Path) -> None:
    """Keep the profile of a dataset as an artifact of a run.

    Args:
        run_id: of the run.
        digest: of the dataset.
        path: of the profile, a file of any name.
    """
    store = client()
    store.log_artifact(run_id, str(path), _FOLDER)
    store.set_tag(run_id, _TAG, digest)  # last: a run with the tag has the file


def has_profile(digest: str) -> bool:
    """Return whether the profile of a dataset is kept."""
    return _keeper(digest) is not None


def fetch_profile(digest: str, folder: Path) -> Path | None:
    """Bring the profile of a dataset into a folder.

    Args:
        digest: of the dataset.
        folder: that exists.

    Returns:
        The file; None where no profile of this dataset is kept.
    """
    from mlflow.artifacts import download_artifacts

    if (run_id := _keeper(digest)) is None:
        return None
    [file] = client().list_artifacts(run_id, _FOLDER)
    uri = f"{client().get_run(run_id).info.artifact_uri}/{file.path}"
    return Path(away.outlast(tracking_uri(), download_artifacts, artifact_uri=uri, dst_path=str(folder)))


def _keeper(digest: str) -> str | None:
    store = client()
    found = store.search_runs([experiment(store, tracking_uri())], f"tags.{_TAG} = '{digest}'", max_results=1)
    return found[0].info.run_id if found else None
