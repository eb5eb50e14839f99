"""The model registry: versions of a model, and the alias `champion`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking.promotion_gate import PromotionDecision, decide
from components.tracking.runs import ROOT, client, evaluation, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

ALIAS = "champion"
_SERVING_NEEDS = ("torch", "transformers", "numpy", "pillow", "pyarrow", "pydantic", "ruamel.yaml", "scipy")


@dataclass(frozen=True)
class Champion:
    """The version that holds the alias, the run that trained it, the digest of its data, and its checkpoint folder."""

    version: str
    run_id: str
    dataset_digest: str
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
        return known.version
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
    return store.create_model_version(name, f"runs:/{run_id}/model", run_id, tags=tags).version


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
            tags = found.tags
            return Champion(str(version), _run_of(found), tags.get("dataset_digest", ""), tags.get("checkpoint", ""))
    return None


def promote(
    name: str,
    version: str,
    *,
    primary_metric: str,
    guardrail_metrics: Sequence[str],
    champion_metrics: dict[str, dict] | None = None,
) -> PromotionDecision:
    """Move the alias `champion` to a version if the gate (components/tracking/promotion_gate.py) lets it through.

    Args:
        name: of the model in the registry.
        version: the candidate; its run must have a logged evaluation.
        primary_metric: must be better than the champion's beyond the interval.
        guardrail_metrics: must not be worse beyond theirs.
        champion_metrics: evaluation of the champion on the candidate's data. By default its own logged one, which
            counts only if it was made on the same data.

    Returns:
        The decision, which is also written to the version's tag `gate`.

    Raises:
        ValueError: a run without evaluation (names it), or an evaluation without a metric of the gate.
    """
    store, holder = client(), champion(name)
    candidate = store.get_model_version(name, version)
    if holder and holder.version == str(version):
        return PromotionDecision(False, f"version {version} is the champion already", str(version))
    digest = candidate.tags.get("dataset_digest", "")
    if holder and champion_metrics is None:
        if holder.dataset_digest != digest:
            reason = (
                f"the champion (version {holder.version}) was measured on data {holder.dataset_digest}, this model on "
                f"{digest}: evaluate the champion on the new data first"
            )
            return PromotionDecision(False, reason, str(version))
        champion_metrics = _evaluation_of(holder.run_id)
    decision = decide(
        _evaluation_of(_run_of(candidate)),
        champion_metrics if holder else None,
        version=str(version),
        primary_metric=primary_metric,
        guardrail_metrics=guardrail_metrics,
    )
    store.set_model_version_tag(name, version, "gate", decision.reason)
    if decision.promoted:
        store.set_registered_model_alias(name, ALIAS, version)
    return decision


def _run_of(version: ModelVersion) -> str:
    if version.run_id is None:
        raise ValueError(
            f"version {version.version} of {version.name!r} names no run that trained it; register models by "
            "tracking.register, and take this version out of the registry"
        )
    return version.run_id


def _evaluation_of(run_id: str) -> dict[str, dict]:
    metrics = evaluation(run_id)
    if metrics is None:
        raise ValueError(f"run {run_id} has no evaluation; call tracking.log_evaluation before tracking.promote")
    return metrics
