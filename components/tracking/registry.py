"""The model registry: versions of a model, and the alias `champion`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking.runs import ROOT, client, tracking_uri

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

ALIAS = "champion"
_SERVING_NEEDS = ("torch", "transformers", "numpy", "pillow", "pyarrow", "pydantic", "ruamel.yaml")


@dataclass(frozen=True)
class Champion:
    """The version that holds the alias, and its checkpoint folder."""

    version: str
    checkpoint: str


def register(run_id: str, checkpoint: Path, name: str) -> str:
    """Register a checkpoint as a version of the model `name`; a run that has a version already keeps it.

    The version holds the weights, how their stage asks, and the code that ran, and is loaded by module name
    (components/evaluation/serving.py). There is no pickle, so opening a version runs no code that is not in it as text.

    Args:
        run_id: of the run that trained it; its dataset_digest becomes a tag of the version.
        checkpoint: the finished stage's folder, with stage.json and `model/`; its path becomes a tag too.
        name: of the model in the registry.

    Returns:
        The version.
    """
    import mlflow

    store = client()
    for known in store.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        return str(known.version)
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
            pip_requirements=[f"{package}=={installed(package)}" for package in _SERVING_NEEDS],
        )
        store.log_artifacts(run_id, f"{folder}/model", "model")
    if not store.search_registered_models(f"name = '{name}'"):
        store.create_registered_model(name)
    digest = store.get_run(run_id).data.tags.get("dataset_digest", "")
    tags = {"dataset_digest": digest, "checkpoint": str(checkpoint)}
    return str(store.create_model_version(name, f"runs:/{run_id}/model", run_id, tags=tags).version)


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
            return Champion(str(version), found.tags.get("checkpoint", ""))
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
