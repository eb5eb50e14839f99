"""What a finished stage of a rehearsal says about its recipe: what it trained, was shown, could say and could earn."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean

from components import params
from components.tracking import history
from components.train import algorithms, plan
from components.train.plan import WITHOUT_DATASET
from components.train.rehearsal import shown_samples
from components.train.rehearsal.outcome import Measured
from components.train.rehearsal.shown_samples import DRAWN


def measure(
    whole: params.Stage,
    small: params.Stage,
    model: params.AnyModel,
    *,
    data: params.Data,
    evaluation: params.Eval,
    folder: Path,
    checkpoint: Path,
) -> Measured:
    """Measure a finished stage.

    Args:
        whole: the stage as the recipe has it, whose limits the samples are held against.
        small: the stage that was trained.
        model: block of the recipe that was trained.
        data: parameters of the data that it was trained on.
        evaluation: params/eval.yaml as the project has it.
        folder: outputs of the data graph.
        checkpoint: of the stage.

    Raises:
        ValueError: the samples are not those that the training was shown.
    """
    made = json.loads((checkpoint / "stage.json").read_text())
    curves = history.curves(history.read(checkpoint / "history.jsonl")[0])
    losses = [value for _, value in curves.get("loss", [])]
    cut = [value for _, value in curves.get("completions/clipped_ratio", [])]
    took = checkpoint / "evaluation" / "seconds.txt"
    answer_tokens = whole.answer_tokens or evaluation.max_new_tokens
    mixture = []
    if small.algorithm not in WITHOUT_DATASET and small.distill is None:
        teacher = made["parents"].get(plan.SAMPLES)
        # relative to the project that trained it; its checkpoints lie side by side
        distilled = checkpoint.parent / Path(teacher).name / plan.SAMPLES_FILE if teacher else None
        shown = algorithms.samples(small, data, folder, model, distilled)
        if shown.samples_digest(made["steps"]) != made["samples_digest"]:
            raise ValueError(f"stage {small.name!r} saw other samples than {folder} has now; rehearse it again")
        longer = small.model_copy(update={"max_steps": math.ceil(DRAWN / small.train_batch_size)})
        drawn = algorithms.samples(longer, data, folder, model, distilled)
        mixture = shown_samples.read(whole, shown, drawn, model, checkpoint / "model", limit=answer_tokens)
    return Measured(
        stage=small.name,
        algorithm=small.algorithm,
        steps=made["steps"],
        ranks=small.ranks,
        zero_stage=small.zero_stage,
        trained=made["trained"],
        gradient={
            name.removeprefix("grad_norm/"): max(value for _, value in curve)
            for name, curve in curves.items()
            if name.startswith("grad_norm/")
        },
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        seconds=made["seconds"],
        evaluation_s=float(took.read_text()) if took.is_file() else None,
        completions_cut=fmean(cut) if cut else None,
        evaluated=_evaluated(checkpoint / "evaluation"),
        answer_tokens=answer_tokens,
        mixture=mixture,
    )


def _evaluated(folder: Path) -> dict[str, float | None]:
    """Return task -> samples that were asked, 0 where all were left out, and the forms of the answers."""
    metrics, skipped = (
        json.loads(file.read_text()) if file.is_file() else []
        for file in (folder / "metrics.json", folder / "skipped.json")
    )
    asked = {name.partition("/")[0]: metrics[name]["n"] for name in metrics}
    forms = {name: metrics[name]["value"] for name in metrics if name.endswith(("/format", "/cut"))}
    return dict.fromkeys((each["task"] for each in skipped), 0) | asked | forms
