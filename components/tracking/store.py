"""Where runs and models are kept, and how MLflow is opened there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from components.tracking import away, own_folder
from components.tracking.experiment import EXPERIMENT, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[2]


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or by default the database `mlflow.db` at the project root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"


def ui() -> str:
    """Return where the UI is, or where `mlflow ui` opens it."""
    return tracking_uri().rstrip("/") if tracking_uri().startswith("http") else "http://127.0.0.1:5000"


def client() -> MlflowClient:
    """Open the tracking store and registry at `tracking_uri()`; its calls wait for a server that is away."""
    # it has every method of a client
    return cast("MlflowClient", away.Patient(impatient_client(), tracking_uri()))


def impatient_client() -> MlflowClient:
    """Open the tracking store and registry at `tracking_uri()`; its calls fail at once where no server answers.

    Raises:
        ValueError: the library that a database needs is not installed.
    """
    # MLflow reads these when it is imported
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # it would try again for four minutes without a word; who is to wait says so (away.py)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    from mlflow import MlflowClient

    uri = tracking_uri()
    if uri.startswith("http"):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    if not uri.startswith("sqlite:///"):
        # of this host alone: a database that is shared has its tables before the hosts begin (docs/operations.md)
        with _made_by_one(ROOT / ".cache" / "locks" / f"mlflow-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"):
            return _opened(uri)
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    with _made_by_one(database.with_name(f"{database.name}.lock")):
        own_folder.settle(database, EXPERIMENT)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _opened(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"MLFLOW_TRACKING_URI is {shown(uri)}, and the library that speaks to it is not installed: {error.name}; "
            "for postgresql:// take the extra of this project: pip install -e '.[servers]'"
        ) from error


@contextlib.contextmanager
def _made_by_one(lock: Path) -> Generator[None]:
    """Let one process make or upgrade the tables of a database; two at once end in `duplicate column name`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
