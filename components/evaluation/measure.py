"""Evaluate a checkpoint on the held-out takes, beside a blind control and chance, with intervals over takes.

Writes `evaluation/metrics.json` and `evaluation/predictions.parquet` into the checkpoint folder.
Blind: the same questions, each with the frames of another take. The score that remains does not come from seeing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components import params, records
from components.evaluation.score import CHOICES, SCORABLE, TASKS
from components.metrics import statistics

if TYPE_CHECKING:
    from components.evaluation.answer import Answerer, FrameSource
    from components.evaluation.qwen import QwenAnswerer

logger = logging.getLogger(__name__)


def evaluate(checkpoint: Path, data: Path, settings: params.Eval, *, tasks: list[str]) -> dict[str, dict]:
    """Evaluate a checkpoint in some tasks and write the two files.

    Args:
        checkpoint: folder with `model/` and stage.json.
        data: the data folder, with dataset/ and frames/.
        settings: of params/eval.yaml.
        tasks: names in `settings.limits`.

    Returns:
        "<task>/<metric>" -> value, lo, hi, blind, chance, n, difference_lo (of value - blind) and learned.

    Raises:
        ValueError: a task is unknown, has no held-out sample, or asks for a mapping that the model does not have.
    """
    from components.data.frames.store import FrameStore
    from components.evaluation import mapping

    stage = json.loads((checkpoint / "stage.json").read_text())
    store = FrameStore(data / "frames")
    store.check(stage["frames_contract"])  # frames must be sampled as they were in training
    answerer = answerer_of(
        checkpoint / "model",
        stage["params"],
        store,
        batch=settings.per_device_eval_batch_size,
        max_new_tokens=settings.max_new_tokens,
    )
    table = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE)
    table = table.filter(pa.array(store.holds(table["sample_id"])))
    held_out = table.filter(pc.equal(table["split"], "test"))
    answers_of: dict[str, Callable[[list[dict], list[str]], list]] = {
        task: answerer.rank if task in CHOICES else answerer.complete for task in TASKS
    }
    if of_mapping := mapping.TASKS.keys() & set(tasks):
        train = table.filter(pc.equal(table["split"], "train"))
        known = select(train, mapping.BASE, limit=mapping.ORACLE_PAIRS, seed=settings.seed, paired=True)
        pairs = mapping.Pairs(_with_mapping(answerer, of_mapping), known)
        answers_of |= {task: partial(pairs.answer, task) for task in of_mapping}
    found: dict[str, dict] = {}
    predictions: list[dict] = []
    for task in tasks:
        if task not in settings.limits:
            raise ValueError(f"task {task!r} came, allowed are {sorted(settings.limits)} of params/eval.yaml")
        kind = mapping.BASE if task in of_mapping else task
        samples = select(held_out, kind, limit=settings.limits[task], seed=settings.seed, paired=task in of_mapping)
        if not samples:
            raise ValueError(
                f"no held-out sample for task {task!r} in {data}/dataset; run `dvc repro`, or leave the task out of "
                "params/eval.yaml"
            )
        score, chance = (TASKS | mapping.TASKS)[task]
        shown = {"model": [sample["sample_id"] for sample in samples], "blind": blind(samples, seed=settings.seed)}
        scores = {}
        for condition, frames_of in shown.items():
            answers = answers_of[task](samples, frames_of)
            scores[condition] = score(samples, answers)
            predictions += _rows(samples, answers, scores[condition], task, condition)
        estimates = _estimates(samples, scores, chance(samples), settings)
        logger.info("%s: %s", task, {name: round(entry["value"], 3) for name, entry in estimates.items()})
        found |= {f"{task}/{name}": entry for name, entry in estimates.items()}
    folder = checkpoint / "evaluation"
    folder.mkdir(exist_ok=True)
    records.write_table(folder / "predictions.parquet", predictions, records.PREDICTION)
    (folder / "metrics.json").write_text(json.dumps(found, indent=2))
    return found


def answerer_of(folder: Path, stage: dict, store: FrameSource, **limits: int) -> Answerer | QwenAnswerer:
    """Load the model of a folder with its processor, for the frames of one store.

    Args:
        folder: of the model.
        stage: parameters of the stage that trained it, which say how samples are shown and asked.
        store: of the frames.
        limits: `batch` and `max_new_tokens`.

    Returns:
        What answers samples by the model.
    """
    return opened(folder, stage)(store=store, **limits)


def opened(folder: Path, stage: dict) -> Callable[..., Answerer | QwenAnswerer]:
    """Load the model of a folder with its processor, for the frames of any store.

    Args:
        folder: of the model.
        stage: parameters of the stage that trained it, which say how samples are shown and asked.

    Returns:
        Makes what answers samples by the model, of `store`, `batch` and `max_new_tokens`.

    Raises:
        ValueError: the model's configuration does not say what its stage showed: it was trained before it did.
    """
    if json.loads((folder / "config.json").read_text())["model_type"] in params.QWEN:
        from components.evaluation.qwen import QwenAnswerer
        from components.models import qwen_vl

        model, processor = qwen_vl.load(folder), qwen_vl.load_processor(folder, pixels=None)
        asked = {"most_frames": stage["max_frames"], "reasoned": stage["reasoned"]}
        return partial(QwenAnswerer, model, processor, **asked)
    from components.evaluation.answer import Answerer
    from components.models import build

    model, processor = build.load(folder), build.load_processor({"all": folder})
    if model.config.guidance != stage["guidance"]:
        raise ValueError(
            f"{folder}/config.json has guidance {model.config.guidance}, but its stage was trained with "
            f"{stage['guidance']}; allowed are equal ones: run the pipeline, which trains the stage again"
        )
    return partial(Answerer, model, processor, reasoned=stage["reasoned"])


def _with_mapping(answerer: Answerer | QwenAnswerer, tasks: Collection[str]) -> Answerer:
    from components.evaluation.answer import Answerer

    if not isinstance(answerer, Answerer):
        raise ValueError(
            f"tasks {sorted(tasks)} came, but a Qwen model has no mapping F that they could evaluate; take them out of "
            "`evaluate` of its stage in the recipe"
        )
    return answerer


def select(held_out: pa.Table, task: str, *, limit: int, seed: int, paired: bool = False) -> list[dict]:
    """Return at most `limit` samples of a task, drawn by content so that every checkpoint is asked the same.

    Args:
        held_out: rows of `records.SAMPLE`.
        task: of `score.TASKS`; samples that it cannot score (`score.SCORABLE`) are left out.
        limit: most samples; a larger one only adds to them.
        seed: of the draw.
        paired: only samples whose moment was filmed from outside too.
    """
    of_thoughts = task == "reasoning"
    name = "qa" if of_thoughts else task.removesuffix("_ego").removesuffix("_exo")
    view = "exo" if task.endswith("_exo") else "ego"
    frame = held_out.select(["sample_id", "task", "view", "question_type"]).to_pandas()
    wanted = (frame["task"] == name) & (frame["view"] == view) & ((frame["question_type"] == "cot") == of_thoughts)
    if paired:
        wanted &= pc.list_value_length(held_out["paired"]).to_numpy() > 0
    drawn = frame.loc[wanted, "sample_id"].map(lambda sample_id: records.content_id(seed, sample_id)).sort_values()
    samples = records.rows(held_out, drawn.index)
    return list(islice(filter(SCORABLE[task], samples) if task in SCORABLE else samples, limit))


def blind(samples: list[dict], *, seed: int) -> list[str]:
    """Return for each sample the id of another one, whose frames it is shown instead.

    The other has frames of the same kind and is of another take.

    Raises:
        ValueError: there is no such sample.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for sample in samples:
        others = [
            s["sample_id"]
            for s in samples
            if s["take_id"] != sample["take_id"] and s["frame_kind"] == sample["frame_kind"]
        ]
        if not others:
            raise ValueError(
                f"sample {sample['sample_id']} has no other take to be blinded with; more test takes are needed "
                "(world.val_fraction)"
            )
        chosen.append(others[rng.integers(len(others))])
    return chosen


def _rows(samples: list[dict], answers: list, scores: dict, task: str, condition: str) -> list[dict]:
    rows = []
    for number, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
        text = answer if isinstance(answer, str) else sample["target"]["choices"][answer]
        for name, values in scores.items():
            rows.append(
                {
                    "sample_id": sample["sample_id"], "take_id": sample["take_id"], "view": sample["view"],
                    "task": task, "condition": condition, "completion": text,
                    "score_name": name, "score": values[number],
                }
            )  # fmt: skip
    return rows


def _estimates(samples: list[dict], scores: dict, chance: dict[str, float], settings: params.Eval) -> dict[str, dict]:
    """Return metric -> its mean with interval, the blind control, chance, and whether it is above blind."""
    takes = np.array([sample["take_id"] for sample in samples])
    draws = {"seed": settings.seed, "resamples": settings.bootstrap_resamples}
    found = {}
    for name in scores["model"]:
        applies = np.array([value is not None for value in scores["model"][name]])
        model, blinded = (np.array([v for v in scores[c][name] if v is not None]) for c in ("model", "blind"))
        estimate = statistics.score(model, takes[applies], **draws)
        above = statistics.difference(model, blinded, takes[applies])
        found[name] = {
            "value": estimate.value, "lo": estimate.lo, "hi": estimate.hi, "n": estimate.n,
            "blind": float(blinded.mean()), "chance": chance[name],
            "difference_lo": above.lo, "learned": bool(above.lo > 0),
        }  # fmt: skip
    return found
