"""What an evaluation leaves behind: its numbers, a row for every answer, what was left out, and what it is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from components import params, records
from components.evaluation import alignment, mapping, pairs, perception
from components.evaluation.estimates import estimates
from components.evaluation.items import GUESSER, Item, Skipped, units
from components.evaluation.journal import Key
from components.evaluation.replies import Reply
from components.evaluation.score import TASKS, parsed
from components.params.evaluation import CUT, FORMAT

logger = logging.getLogger(__name__)

KNOWN = TASKS | mapping.TASKS | pairs.TASKS | perception.TASKS | alignment.TASKS  # task -> its scores and its chance


def write(
    folder: Path,
    items: Sequence[Item],
    replies: Mapping[Key, tuple[Reply, float]],
    skipped: Sequence[Skipped],
    *,
    settings: params.Eval,
    writes: Callable[[str], bool],
    identity: Mapping[str, object],
) -> dict[str, dict]:
    """Score all answers and write `metrics.json`, `predictions.parquet`, `skipped.json` and `identity.json`.

    Args:
        folder: that takes the files.
        items: of all tasks.
        replies: item key -> its reply and seconds.
        skipped: what was not asked.
        settings: of params/eval.yaml.
        writes: whether the model writes the answers of a task, so that they can be cut.
        identity: everything that the numbers depend on.

    Returns:
        The content of metrics.json: "<task>/<metric>" -> value, lo, hi, n, chance, controls (name -> value, n, and the
        paired difference to it with lo and hi), strongest (the name of one), learned, and `reason`, which says why some
        of them are None; of pairs of views `constant` and `coin` too, what these references score.
    """
    found: dict[str, dict] = {}
    rows: list[dict] = []
    left_out = list(skipped)
    for task, group in groupby(items, lambda item: item.task):
        of_task = list(group)
        asked: list[Item] = []
        too_long: set[str] = set()
        for unit in units(task, of_task):
            if any(replies[item.key][0].is_too_long for item in unit):
                too_long |= {item.sample["sample_id"] for item in unit}
            else:
                asked += unit
        if too_long:
            reason = "the prompt and its answer do not fit the model's context (`max_position_embeddings`)"
            left_out.append(Skipped(task, reason, len(too_long)))
        if all(item.condition == GUESSER for item in asked):  # whose answers are never too long
            continue
        scored = [
            row
            for _, group in groupby(asked, lambda item: item.condition)
            for row in _rows(task, [*group], replies, writes=writes(task))
        ]
        _, chance = KNOWN[task]
        samples = [*{item.sample["sample_id"]: item.sample for item in asked}.values()]
        of_metrics = estimates(scored, chance(samples), settings)
        for reference, values in pairs.references(task, samples).items():
            for name in values.keys() & of_metrics.keys():
                of_metrics[name][reference] = values[name]
        logger.info("%s: %s", task, {name: round(entry["value"], 3) for name, entry in of_metrics.items()})
        found |= {f"{task}/{name}": entry for name, entry in of_metrics.items()}
        rows += scored
    for each in left_out:
        logger.warning("%s: %d samples left out: %s", each.task, each.samples, each.reason)
    contents = {"metrics": found, "skipped": [asdict(each) for each in left_out], "identity": dict(identity)}
    texts = {name: json.dumps(content, indent=2, allow_nan=False) for name, content in contents.items()}
    # what says which evaluation this is goes first and comes last: killed between, it is no evaluation
    (folder / "identity.json").unlink(missing_ok=True)
    records.write_table(folder / "predictions.parquet", rows, records.PREDICTION)
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
    return found


def _rows(task: str, items: Sequence[Item], replies: Mapping[Key, tuple[Reply, float]], *, writes: bool) -> list[dict]:
    """Return rows of `records.PREDICTION` for items of one condition, one for each item and score.

    The guesser is not scored in `format`.
    """
    score, _ = KNOWN[task]
    samples = [item.sample for item in items]
    made = [replies[item.key] for item in items]
    scores = score(samples, [reply.completion for reply, _ in made])
    if writes:
        scores[CUT] = [float(reply.is_cut) for reply, _ in made]
    rows = []
    for number, (item, (reply, seconds)) in enumerate(zip(items, made, strict=True)):
        sample = item.sample
        row = {
            "sample_id": sample["sample_id"], "take_id": sample["take_id"], "task": task, "view": sample["view"],
            "condition": item.condition, "question": sample["question"], "answer": sample["answer"],
            "completion": reply.completion, "parsed": parsed(sample, reply.completion), "tokens": reply.tokens,
            "is_cut": reply.is_cut, "seconds": seconds,
        }  # fmt: skip
        rows += [
            row | {"score_name": name, "score": values[number]}
            for name, values in scores.items()
            # it repeats answers of training, which can all be read
            if not (name == FORMAT and item.condition == GUESSER)
        ]
    return rows
