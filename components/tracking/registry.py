"""Model versions and the alias `champion`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

from components.tracking.promotion_gate import PromotionDecision, decide
from components.tracking.runs import ROOT, client, evaluation, tracking_uri

ALIAS = "champion"
_SERVING_NEEDS = ("torch", "transformers", "numpy", "pyarrow", "pydantic", "ruamel.yaml")


@dataclass(frozen=True)
class Champion:
    """The version that holds the alias: where it was trained, on which data, and its weights."""

    version: str
    run_id: str
    dataset_digest: str
    checkpoint: str


def register(run_id: str, checkpoint: Path, name: str) -> str:
    """Make a version of the registered model `name` from a checkpoint; a run that has one keeps it.

    The version holds the weights and the code that ran, and is loaded by name (components/models/serving.py): no
    pickle, so opening a version runs no code that is not in it as text.

    Args:
        run_id: the run that trained it; gives the version its tags dataset_digest and checkpoint.
        checkpoint: the stage's folder, with `model/` inside.
        name: in the registry.

    Returns:
        The version.
    """
    import mlflow

    store = client()
    for known in store.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        return known.version
    mlflow.set_tracking_uri(tracking_uri())
    with tempfile.TemporaryDirectory() as folder:
        mlflow.pyfunc.save_model(
            f"{folder}/model",
            loader_module="components.models.serving",
            data_path=str(checkpoint / "model"),
            code_paths=[str(ROOT / "components")],
            pip_requirements=[f"{package}=={installed(package)}" for package in _SERVING_NEEDS],
        )
        store.log_artifacts(run_id, f"{folder}/model", "model")
    if not store.search_registered_models(f"name = '{name}'"):
        store.create_registered_model(name)
    digest = store.get_run(run_id).data.tags.get("dataset_digest", "")
    tags = {"dataset_digest": digest, "checkpoint": str(checkpoint)}
    return store.create_model_version(name, f"runs:/{run_id}/model", run_id, tags=tags).version


def champion(name: str) -> Champion | None:
    """Return the version that holds the alias, or None where no version does."""
    store = client()
    for model in store.search_registered_models(f"name = '{name}'"):
        if (version := model.aliases.get(ALIAS)) is not None:
            found = store.get_model_version(name, version)
            tags = found.tags
            return Champion(str(version), found.run_id, tags.get("dataset_digest", ""), tags.get("checkpoint", ""))
    return None


def promote(
    name: str, version: str, *, main: str, guards: Sequence[str], champion_metrics: dict[str, dict] | None = None
) -> PromotionDecision:
    """Move the alias `champion` to a version if the gate (components/tracking/promotion_gate.py) lets it through.

    Args:
        name: in the registry.
        version: the candidate; its run must have a logged evaluation.
        main: the metric that must be better than the champion's beyond the interval.
        guards: metrics that must not be worse beyond theirs.
        champion_metrics: the champion measured on the candidate's data. By default its own logged evaluation, which
            counts only if it was made on the same data.

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
        _evaluation_of(candidate.run_id),
        champion_metrics if holder else None,
        version=str(version),
        main=main,
        guards=guards,
    )
    store.set_model_version_tag(name, version, "gate", decision.reason)
    if decision.promoted:
        store.set_registered_model_alias(name, ALIAS, version)
    return decision


def _evaluation_of(run_id: str) -> dict[str, dict]:
    metrics = evaluation(run_id)
    if metrics is None:
        raise ValueError(f"run {run_id} has no evaluation; call tracking.log_evaluation before tracking.promote")
    return metrics
