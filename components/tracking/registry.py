"""The model registry: versions of a model, and the alias `champion`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking.store import ROOT, client, tracking_uri

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

ALIAS = "champion"
DIGEST = "checkpoint_digest"  # tag of a version
_SERVING_NEEDS = ("torch", "transformers", "numpy", "pillow", "pyarrow", "pydantic", "ruamel.yaml")


@dataclass(frozen=True)
class Champion:
    """The version that holds the alias, its checkpoint folder, the run that trained it and the digest of its data."""

    version: str
    checkpoint: str
    run_id: str
    dataset_digest: str


def register(run_id: str, checkpoint: Path, name: str, *, example: list[dict]) -> str:
    """Register a checkpoint as a version of the model `name`; one that has a version already keeps it.

    The version holds the weights, how their stage asks, and the code that ran, and is loaded by module name
    (components/evaluation/serving.py). There is no pickle, so opening a version runs no code that is not in it as text.

    Args:
        run_id: of the run that trained it; its dataset_digest becomes a tag of the version.
        checkpoint: the finished stage's folder, with stage.json and `model/`; its path becomes a tag too.
        name: of the model in the registry.
        example: rows that the version can be asked, in JSON's types.

    Returns:
        The version.
    """
    import mlflow

    store, digest = client(), checkpoint_digest(checkpoint)
    with _alone(name):
        if known := _versions(name, digest):
            store.set_model_version_tag(name, known[0], "checkpoint", str(checkpoint))  # it may lie elsewhere now
            return known[0]
        mlflow.set_tracking_uri(tracking_uri())
        stage = json.loads((checkpoint / "stage.json").read_text())["params"]
        with tempfile.TemporaryDirectory() as folder:
            mlflow.pyfunc.save_model(
                f"{folder}/model",
                loader_module="components.evaluation.serving",
                data_path=str(checkpoint / "model"),
                code_paths=[str(ROOT / "components")],
                model_config={"stage": stage},
                signature=_signature(),
                input_example=example,
                pip_requirements=[f"{package}=={installed(package)}" for package in _SERVING_NEEDS],
            )
            store.log_artifacts(run_id, f"{folder}/model", "model")
        if not store.search_registered_models(f"name = '{name}'"):
            store.create_registered_model(name)
        dataset = store.get_run(run_id).data.tags.get("dataset_digest", "")
        tags = {"dataset_digest": dataset, "checkpoint": str(checkpoint), DIGEST: digest}
        made = str(store.create_model_version(name, f"runs:/{run_id}/model", run_id, tags=tags).version)
        first, *later = _versions(name, digest)
        if made in later:  # another host was first, or the server's answer was lost and this is the second request
            store.delete_model_version(name, made)
        return first


def checkpoint_digest(checkpoint: Path) -> str:
    """Return the sha256 of the files of a checkpoint's model and of how its stage shows and asks.

    Args:
        checkpoint: the finished stage's folder, with stage.json and `model/`.
    """
    stage = json.loads((checkpoint / "stage.json").read_text())["params"]
    whole = hashlib.sha256(json.dumps(stage, sort_keys=True).encode())
    for path in sorted(path for path in (checkpoint / "model").rglob("*") if path.is_file()):
        with path.open("rb") as file:
            name = path.relative_to(checkpoint).as_posix()
            whole.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _versions(name: str, digest: str) -> list[str]:
    """Return the versions of a model that hold a checkpoint, the first one first."""
    found = client().search_model_versions(f"name = '{name}' and tags.{DIGEST} = '{digest}'")
    return [str(number) for number in sorted(int(version.version) for version in found)]


@contextlib.contextmanager
def _alone(name: str) -> Generator[None]:
    """Wait until no other process of this project registers a version of the model."""
    lock = ROOT / ".cache" / "locks" / f"registry-{name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _signature() -> ModelSignature:
    """Return what a version takes and returns, as components/evaluation/serving.py has it."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    rows = [
        ColSpec(DataType.string, "question"),
        ColSpec(AnyType(), "frames"),  # against a nested array MLflow would check pixel after pixel
        ColSpec(DataType.string, "view", required=False),
        ColSpec(DataType.double, "duration_s", required=False),
        ColSpec(DataType.string, "target_kind", required=False),
        ColSpec(AnyType(), "choices", required=False),  # an array may not be empty in one row of many
    ]
    return ModelSignature(inputs=Schema(rows), outputs=Schema([ColSpec(DataType.string)]))


def champion(name: str) -> Champion | None:
    """Return the version of a model that holds the alias, or None where no version does."""
    store = client()
    for model in store.search_registered_models(f"name = '{name}'"):
        if (version := model.aliases.get(ALIAS)) is not None:
            found = store.get_model_version(name, version)
            checkpoint, dataset = (found.tags.get(tag, "") for tag in ("checkpoint", "dataset_digest"))
            return Champion(str(version), checkpoint, found.run_id or "", dataset)
    return None


def versions_of(checkpoints: Sequence[str]) -> dict[str, list[str]]:
    """Return checkpoint folder -> the registered versions that hold it, as "model/version"; names without a folder.

    Args:
        checkpoints: names of folders, wherever they lie.
    """
    found: dict[str, list[str]] = {name: [] for name in checkpoints}
    for version in client().search_model_versions():
        if (name := Path(version.tags.get("checkpoint", "")).name) in found:
            found[name].append(f"{version.name}/{version.version}")
    return found


def record_decision(name: str, version: str, *, promoted: bool, reason: str, numbers: Mapping[str, float]) -> None:
    """Write a decision of the gate to a version's tags (`gate`, `gate.<number>`), then move the alias if it says so.

    Args:
        name: of the model in the registry.
        version: the candidate.
        promoted: whether it takes the alias `champion`.
        reason: a sentence for a person.
        numbers: behind it, by name.
    """
    store = client()
    store.set_model_version_tag(name, version, "gate", reason)
    for what, number in numbers.items():
        store.set_model_version_tag(name, version, f"gate.{what}", f"{number:g}")
    if promoted:
        store.set_registered_model_alias(name, ALIAS, version)
