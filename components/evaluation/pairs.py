"""Pairs of views: one query about the same seconds of a take, asked of its ego and of its exo view (EgoExo-Con).

Each view is asked with frames of its own. Samples stand as ego, exo, ego, exo, … (`items.select`); what is scored of a
pair stands at its ego sample, so that means and intervals are of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from components import prompts
from components.evaluation import score
from components.evaluation.caption_slots import Sample, Scores
from components.metrics import consistency, temporal_iou
from components.metrics.consistency import THRESHOLD
from components.params.evaluation import FORMAT, NO_SKILL


def verification(samples: list[Sample], completions: list[str]) -> Scores:
    """Score yes/no answers by pair (`consistency.scores`), and whether each answer was "yes".

    Args:
        samples: of pairs, with `reasoned`, whether the answer must stand inside the answer tags; a thought is read past
            where none was asked for.
        completions: of them.
    """
    of_each = score.verification(samples, completions)
    right = np.array(of_each["accuracy"], dtype=np.float64)
    said = [score.parsed(sample, completion) for sample, completion in zip(samples, completions, strict=True)]
    same = np.array([ego is not None and ego == exo for ego, exo in _views(said)], dtype=np.float64)
    return _by_pair(right, same) | {"said_yes": of_each["said_yes"]}


def verification_references(samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Return what a constant answer and a coin for each view score (`consistency.references`)."""
    is_yes = np.array([target["choices"][target["answer_index"]] == prompts.YES for target in _targets(samples)])
    return consistency.references(np.stack([is_yes, ~is_yes]).astype(np.float64), np.eye(2))


def grounding(samples: list[Sample], completions: list[str]) -> Scores:
    """Score intervals by pair: right, and the same, from a tIoU of `THRESHOLD`; and how far both answers overlap."""
    of_each = score.TASKS["ground_temporal"][0](samples, completions)
    said = [_span(completion) for completion in completions]
    overlap = [temporal_iou(ego, exo) if ego and exo else 0.0 for ego, exo in _views(said)]
    right, same = ((np.array(values, dtype=np.float64) >= THRESHOLD) * 1.0 for values in (of_each["miou"], overlap))
    return _by_pair(right, same) | {"mutual_tiou": _at_ego(overlap), FORMAT: of_each[FORMAT]}


def grounding_references(samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Return what the best constant interval and a draw for each view score; both are of the true ones of all pairs."""
    spans = np.array([[target["span"][end] for end in ("start_s", "end_s")] for target in _targets(samples)])
    starts_s, ends_s = spans.T
    shared = np.minimum.outer(ends_s, ends_s) - np.maximum.outer(starts_s, starts_s)
    whole = np.maximum.outer(ends_s, ends_s) - np.minimum.outer(starts_s, starts_s)
    overlap = shared.clip(0) / whole
    same = (overlap >= THRESHOLD).astype(np.float64)
    found = consistency.references(same, same)
    return {
        "constant": found["constant"] | {"mutual_tiou": 1.0},
        "coin": found["coin"] | {"mutual_tiou": float(overlap.mean())},
    }


def references(task: str, samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Return "constant" and "coin" -> metric -> what that scores; {} of a task that asks no pairs."""
    return REFERENCES[task](samples) if task in REFERENCES else {}


def verification_chance(samples: list[Sample]) -> dict[str, float]:
    """Return what a coin scores, of skills the better of it and of a constant answer; and how often it says yes."""
    return _chance(verification_references(samples)) | {"said_yes": 0.5}


def grounding_chance(samples: list[Sample]) -> dict[str, float]:
    """Return what a draw for each view scores, of skills the better of it and of a constant one; neither has tags."""
    return _chance(grounding_references(samples)) | {FORMAT: 0.0}


def _chance(found: dict[str, dict[str, float]]) -> dict[str, float]:
    coin, constant = found["coin"], found["constant"]
    return {name: value if name in NO_SKILL else max(value, constant[name]) for name, value in coin.items()}


def _by_pair(right: np.ndarray, same: np.ndarray) -> Scores:
    found = {name: values.tolist() for name, values in consistency.scores(right[::2], right[1::2], same).items()}
    exo = [*chain.from_iterable((None, value) for value in found.pop("exo"))]
    of_pairs = {name: _at_ego(values) for name, values in found.items()}
    return {"ego": of_pairs.pop("ego"), "exo": exo} | of_pairs


def _views(values: Sequence) -> zip[tuple]:
    return zip(values[::2], values[1::2], strict=True)


def _at_ego(values: list[float]) -> list[float | None]:
    return [*chain.from_iterable((value, None) for value in values)]


def _targets(samples: list[Sample]) -> list[dict]:
    return [sample["target"] for sample in samples[::2]]


def _span(completion: str) -> tuple[float, float] | None:
    parts = prompts.split_think_answer(completion)
    return prompts.parse_span(parts[1]) if parts else None


REFERENCES = {"con_verify": verification_references, "con_ground": grounding_references}
# as score.TASKS
TASKS = {"con_verify": (verification, verification_chance), "con_ground": (grounding, grounding_chance)}
