"""The same query in both views: what each stage scores by pair, and pairs with both answers side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.params.evaluation import PAIRS
from components.records import SAMPLE, read_table, rows
from components.records.view_pairs import view_pairs
from components.report.counts import CountTable
from components.report.gallery import STAGES, Answer, Item, blind, item
from components.report.stage import Stage
from components.report.table import percent, words

_PER_TASK = 3
_HEADER = (
    "stage",
    "pairs",
    "ego",
    "exo",
    "both",
    "95 % interval",
    "ego × exo",
    "constant",
    "coin",
    "strongest control",
)
_BESIDE = {"agreement": "same answer", "mutual_tiou": "tIoU of both", "said_yes": "yes"}


@dataclass(frozen=True)
class Pair:
    """One query in both views; `verdicts` are (stage, in words, right in both)."""

    question: str
    ego: Item
    exo: Item
    verdicts: list[tuple[str, str, bool]]


@dataclass(frozen=True)
class PairTask:
    """The scores of every stage that was asked a task of pairs, and some of its pairs."""

    task: str
    table: CountTable
    pairs: list[Pair]


def pair_tasks(stages: list[Stage], *, samples: Path, frames: Callable[[str], np.ndarray]) -> list[PairTask]:
    """Lay out the tasks of pairs.

    The pairs are the first by the id of their ego sample of those that the last such stage answered: nobody chose them.

    Args:
        stages: in training order.
        samples: data/dataset/samples.parquet.
        frames: sample id -> uint8 [T, H, W, 3], RGB.
    """
    found = []
    for task in PAIRS:
        asked = [stage for stage in stages if any(row["task"] == task for row in stage.predictions)]
        if asked:
            shown = asked[-STAGES:]
            pairs = [_pair(ego, exo, task, shown, frames) for ego, exo in _drawn(asked[-1], task, samples)]
            found.append(PairTask(task, _table(task, asked), pairs))
    return found


def _drawn(stage: Stage, task: str, samples: Path) -> list[tuple[dict, dict]]:
    answered = {row["sample_id"] for row in stage.predictions if row["task"] == task}
    table = read_table(samples, SAMPLE)
    wanted = [place for place, sample_id in enumerate(table["sample_id"].to_pylist()) if sample_id in answered]
    known = [*rows(table, wanted)]
    pairs, _ = view_pairs(known)
    drawn = sorted(((known[ego], known[exo]) for ego, exo in pairs), key=lambda pair: pair[0]["sample_id"])
    return drawn[:_PER_TASK]


def _pair(ego: dict, exo: dict, task: str, stages: list[Stage], frames: Callable[[str], np.ndarray]) -> Pair:
    answers: dict[str, list[Answer]] = {"ego": [], "exo": []}
    verdicts = []
    for stage in stages:
        scores, said = _scores(stage, task, (ego["sample_id"], exo["sample_id"]))
        if {"ego", "exo"} <= scores.keys():
            for sample in (ego, exo):
                right = scores[sample["view"]] == 1
                answers[sample["view"]].append(Answer(stage.name, said[sample["sample_id"]], [], right))
            verdicts.append((stage.name, verdict(scores), scores["consistent"] == 1))
    views = [
        item(sample, task, answers[sample["view"]], frames(name := sample["sample_id"]), blind(name, task, stages[-1]))
        for sample in (ego, exo)
    ]
    return Pair(ego["question"], *views, verdicts)


def _scores(stage: Stage, task: str, sample_ids: tuple[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    of_pair = [row for row in stage.predictions if row["task"] == task and row["sample_id"] in sample_ids]
    scores = {row["score_name"]: row["score"] for row in of_pair if row["score"] is not None}
    return scores, {row["sample_id"]: row["completion"] for row in of_pair}


def verdict(scores: dict[str, float]) -> str:
    """Return in words what became of a pair.

    Args:
        scores: "ego", "exo" and "agreement", as `components/metrics/consistency.py` has them.

    >>> verdict({"ego": 1.0, "exo": 0.0, "agreement": 0.0}), verdict({"ego": 0.0, "exo": 0.0, "agreement": 1.0})
    ('right in ego alone, different answers', 'wrong in both, the same answer')
    """
    right = [view for view in ("ego", "exo") if scores[view] == 1]
    where = {2: "right in both", 1: f"right in {''.join(right[:1])} alone", 0: "wrong in both"}[len(right)]
    return f"{where}, {'the same answer' if scores['agreement'] == 1 else 'different answers'}"


def _table(task: str, stages: list[Stage]) -> CountTable:
    beside = [name for name in _BESIDE if any(f"{task}/{name}" in (stage.metrics or {}) for stage in stages)]
    header = [*_HEADER, *(_BESIDE[name] for name in beside)]
    return CountTable(task, header, [_row(task, stage.name, stage.metrics or {}, beside) for stage in stages])


def _row(task: str, name: str, metrics: dict[str, dict], beside: list[str]) -> list[tuple[str, bool]]:
    of_task = {metric: metrics[f"{task}/{metric}"] for metric in ("ego", "exo", "consistent", *beside)}
    both = of_task["consistent"]
    strongest = both["strongest"]
    control = f"{words(strongest)} {percent(both['controls'][strongest]['value'])}" if strongest else "–"
    interval = "–" if both["lo"] is None else f"[{percent(both['lo'])}, {percent(both['hi'])}]"
    product = of_task["ego"]["value"] * of_task["exo"]["value"]
    numbers = [
        str(both["n"]), *(percent(of_task[metric]["value"]) for metric in ("ego", "exo", "consistent")), interval,
        percent(product), percent(both["constant"]), percent(both["coin"]),
    ]  # fmt: skip
    after = [percent(of_task[metric]["value"]) for metric in beside]
    return [(name, False), *((text, True) for text in numbers), (control, False), *((text, True) for text in after)]
