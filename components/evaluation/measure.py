"""Evaluate a checkpoint on the held-out takes, beside its controls and chance, with intervals over takes.

Every finished item is kept at once (`journal`), so a killed evaluation goes on, also with another number of ranks; the
first rank writes the results (`results`).
Controls answer the same questions with less to see: frames of another take, mid-grey ones, the mean training frame, or
none at all (`guesser`). What they score too does not come from seeing.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components import params, records
from components.data.frames.store import FrameStore
from components.evaluation import alignment, budget, identity, mapping, perception, results
from components.evaluation.answer import Answerer
from components.evaluation.control_frames import ControlFrames
from components.evaluation.guesser import guess
from components.evaluation.items import (
    GUESSER,
    MEAN_FRAME,
    MODEL,
    Item,
    Skipped,
    of_task,
    select,
    told_in_time,
    with_controls,
)
from components.evaluation.journal import Journal, Key
from components.evaluation.load import answerer_of
from components.evaluation.qwen import QwenAnswerer
from components.evaluation.ranks import Ranks
from components.evaluation.replies import Reply
from components.evaluation.score import CHOICES
from components.models import checkpoint_files
from components.prompts import reasons

logger = logging.getLogger(__name__)

ITEMS_AT_ONCE = 128  # that a rank answers and keeps together; a killed evaluation loses at most these
ALONE = Ranks()
# they ask ego captions whose moment was filmed from outside too
OF_BOTH_VIEWS = mapping.TASKS | perception.TASKS | alignment.TASKS

Answer = Callable[[list[dict], list[str]], list[Reply]]  # samples and whose frames they are shown


@dataclass(frozen=True)
class Asked:
    """How the questions of an evaluation are asked, as the recipe of the run says.

    Attributes:
        tasks: names in `limits` of params/eval.yaml.
        rank_options: options of closed questions are ranked; else the model writes its answer.
        max_new_tokens: longest answer.
        time_step_s: answers about time are multiples of this (egore.time_step_s of params/data.yaml).
        teacher: checkpoint folder that the task `alignment` compares with.
    """

    tasks: Sequence[str]
    rank_options: bool
    max_new_tokens: int
    time_step_s: float
    teacher: Path | None = None

    def ranks(self, task: str) -> bool:
        """Return whether the options of a task are ranked."""
        return task in perception.TASKS or (self.rank_options and task in CHOICES)

    def writes(self, task: str) -> bool:
        """Return whether the model writes the answers of a task."""
        return task not in (*mapping.RETRIEVAL, alignment.TASK) and not self.ranks(task)


def evaluate(
    checkpoint: Path, data: Path, settings: params.Eval, how: Asked, *, ranks: Ranks = ALONE
) -> dict[str, dict]:
    """Evaluate a checkpoint in some tasks and write its files.

    Args:
        checkpoint: folder with `model/` and stage.json.
        data: the data folder, with dataset/ and frames/.
        settings: of params/eval.yaml.
        how: tasks, and how they are asked.
        ranks: the place of this process among those that evaluate together.

    Returns:
        The content of metrics.json (`results.write`); {} on all ranks but the first, which writes it.

    Raises:
        ValueError: a task is unknown or asks for a mapping that the model does not have, no task has a held-out sample,
            a view has no mean frame, or the token budget would cut perfect answers.
    """
    if unknown := sorted(set(how.tasks) - set(settings.limits)):
        raise ValueError(f"tasks {unknown} came, allowed are {sorted(settings.limits)} of params/eval.yaml")
    stage = checkpoint_files.check(checkpoint, members=("params", "frames_contract"))
    store = FrameStore(data / "frames")
    store.check(stage["frames_contract"])  # frames must be sampled as they were in training
    limits = {"max_batch_tokens": settings.max_batch_tokens, "max_new_tokens": how.max_new_tokens}
    # an option that is ranked is asked for plainly: no thought stands before it
    shown = stage["params"] | {"reasoned": stage["params"]["reasoned"] and not how.rank_options}
    table = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE)
    table = table.filter(pa.array(store.holds(table["sample_id"])))
    train = table.filter(pc.equal(table["split"], "train"))
    frames = ControlFrames(store, train)
    answerer = answerer_of(checkpoint / "model", shown, frames, device=ranks.device, **limits)
    answers = _answers(answerer, train, settings, how)
    if alignment.TASK in how.tasks:
        answers[alignment.TASK] = _aligned(answerer, how.teacher, frames, ranks).answer
    items, skipped = _items(table, store, answerer, settings, how)
    if not items:
        raise ValueError(
            f"no task has a held-out sample in {data}/dataset: "
            f"{'; '.join(f'{each.task}: {each.reason}' for each in skipped)}. Run `dvc repro`, or mend `evaluate` of "
            "the stage in the recipe"
        )
    frames.check({mapping.shown_view(item.task, item.sample) for item in items if item.condition == MEAN_FRAME})
    written: dict[str, list[dict]] = {}
    for item in items:
        if item.condition == MODEL and how.writes(item.task):
            written.setdefault(item.task, []).append(item.sample)
    budget.check(written, count_tokens=partial(count_tokens, answerer), max_new_tokens=how.max_new_tokens)
    made_of = identity.of_answers(checkpoint, data, rank_options=how.rank_options, max_new_tokens=how.max_new_tokens)
    # the nearest of a set depends on the set: on which items it holds, and on the pairs that an oracle knows
    if how.teacher is not None:
        made_of |= {"teacher": identity.of_files([how.teacher / "stage.json", *(how.teacher / "model").iterdir()])}
    made_of |= {"retrieval": [settings.seed, sorted(item.key for item in items if item.task in mapping.RETRIEVAL)]}
    journals = checkpoint / "evaluation" / "items"
    journal = Journal(journals / identity.digest(made_of)[:16], rank=ranks.rank)
    answer_all([item for item in items if item.condition != GUESSER], answers, journal, ranks)
    ranks.wait()
    if ranks.rank:
        return {}
    whole = made_of | {"tasks": list(how.tasks), "params": settings.model_dump(mode="json", exclude={"promotion"})}
    replies = journal.read() | _guessed(items, train)
    found = results.write(
        checkpoint / "evaluation", items, replies, skipped, settings=settings, writes=how.writes, identity=whole
    )
    journal.forget_others()
    return found


def _answers(
    answerer: Answerer | QwenAnswerer, train: pa.Table, settings: params.Eval, how: Asked
) -> dict[str, Answer]:
    """Return what answers each task."""
    answers: dict[str, Answer] = {task: answerer.rank if how.ranks(task) else answerer.complete for task in how.tasks}
    of_perception = perception.TASKS.keys() & set(how.tasks)
    answers |= {task: perception.answerer_of(answerer, task).rank for task in of_perception}
    of_mapping = sorted(mapping.TASKS.keys() & set(how.tasks))
    if not of_mapping:
        return answers
    if not isinstance(answerer, Answerer):
        raise ValueError(
            f"tasks {of_mapping} came, but a Qwen model has no mapping F that they could evaluate; take them out of "
            "`evaluate` of its stage in the recipe"
        )
    known, _ = select(
        of_task(train, mapping.BASE, paired=True), mapping.BASE, limit=mapping.ORACLE_PAIRS, seed=settings.seed
    )
    pairs = mapping.Pairs(answerer, known)
    return answers | {task: partial(pairs.answer, task) for task in of_mapping}


def _aligned(
    answerer: Answerer | QwenAnswerer, teacher: Path | None, frames: ControlFrames, ranks: Ranks
) -> alignment.Alignment:
    if teacher is None:
        raise ValueError(f"task {alignment.TASK!r} needs a teacher; name its stage as `teacher` in the recipe")
    stage = checkpoint_files.check(teacher, members=("params",))["params"] | {"reasoned": False}
    limits = {"max_batch_tokens": answerer.max_batch_tokens, "max_new_tokens": answerer.max_new_tokens}
    inside = answerer_of(teacher / "model", stage, frames, device=ranks.device, **limits)
    if not isinstance(answerer, Answerer) or not isinstance(inside, Answerer):
        raise ValueError(f"task {alignment.TASK!r} came for a Qwen model, allowed are miniature and egoflow")
    return alignment.Alignment(answerer, inside)


def _items(
    samples: pa.Table,
    store: FrameStore,
    answerer: Answerer | QwenAnswerer,
    settings: params.Eval,
    how: Asked,
) -> tuple[list[Item], list[Skipped]]:
    """Return what is asked, task after task, and what is left out of that."""
    held_out = samples.filter(pc.equal(samples["split"], "test"))
    limits: dict[str, int] = {**settings.limits}
    items: list[Item] = []
    skipped: list[Skipped] = []
    for task in how.tasks:
        kind = _kind(task)
        usable = of_task(held_out, kind, paired=task in OF_BOTH_VIEWS)
        if isinstance(answerer, QwenAnswerer):
            shown = {"contract": store.contract, "most_frames": answerer.most_frames, "time_step_s": how.time_step_s}
            usable, untold = told_in_time(usable, task, **shown)
            skipped += untold
        chosen, unscorable = select(usable, kind, limit=limits[task], seed=settings.seed)
        if task in perception.TASKS:
            captions, chosen = chosen, perception.questions(chosen, task)
            if lost := len(captions) - len(chosen):
                skipped.append(Skipped(task, "a caption that is no sentence of the miniature's grammar", lost))
        for sample in chosen:
            sample["reasoned"] = how.writes(task) and reasons(sample, reasoned=answerer.reasoned)
        controls = settings.controls
        if task in (*mapping.RETRIEVAL, alignment.TASK):
            # the nearest of fewer is easier to find, and the mean length of answers, which a score is divided by, is
            # that of the samples of its condition; no text tells either
            controls = {name: limits[task] for name in controls if name != GUESSER}
        asked, without_control = with_controls(task, chosen, controls, seed=settings.seed)
        items += asked
        skipped += unscorable + without_control
    return items, skipped


def _kind(task: str) -> str:
    """Return the task of the data whose samples a task asks."""
    return mapping.BASE if task in OF_BOTH_VIEWS else task


def _guessed(items: Sequence[Item], train: pa.Table) -> dict[Key, tuple[Reply, float]]:
    """Return the replies of the guesser, which cost no time worth counting."""
    found: dict[Key, tuple[Reply, float]] = {}
    of_guesser = [item for item in items if item.condition == GUESSER]
    for task, group in groupby(of_guesser, lambda item: item.task):
        asked = list(group)
        known = of_task(train, _kind(task))
        known = perception.known(known, task) if task in perception.TASKS else known
        answers = guess(known, [item.sample for item in asked])
        found |= {item.key: (Reply(answer), 0.0) for item, answer in zip(asked, answers, strict=True)}
    return found


def answer_all(items: Sequence[Item], answers: Mapping[str, Answer], journal: Journal, ranks: Ranks) -> None:
    """Answer this rank's share of the items that are not finished.

    Which items belong to which rank depends on neither what is finished nor on how fast others are: none is answered
    twice, none is left.

    Args:
        items: of all ranks, in the same order on each.
        answers: task -> what answers its samples.
        journal: takes the replies, and knows those that are finished.
        ranks: the place of this process among those that answer together.
    """
    finished = journal.read()
    for number, part in enumerate(_parts(items, ranks.size)):
        left = [item for item in part if item.key not in finished]
        if number % ranks.size != ranks.rank or not left:
            continue
        began_s = time.monotonic()
        task = left[0].task
        if task in mapping.RETRIEVAL:
            left = part  # the nearest of all features is found with all of them
        replies = answers[task]([item.sample for item in left], [item.frames_of for item in left])
        journal.write(left, replies, seconds=(time.monotonic() - began_s) / len(left))
        logger.info("%s, %s: %d items answered", task, left[0].condition, len(left))


def _parts(items: Sequence[Item], ranks: int) -> Iterator[list[Item]]:
    """Yield items that are answered together: of one task and condition, of similar length, some for each rank."""
    for (task, _), group in groupby(items, lambda item: (item.task, item.condition)):
        ordered = sorted(group, key=lambda item: (item.sample["frame_kind"], len(item.sample["question"])))
        size = len(ordered) if task in mapping.RETRIEVAL else min(ITEMS_AT_ONCE, math.ceil(len(ordered) / ranks))
        yield from (ordered[start : start + size] for start in range(0, len(ordered), size))


def count_tokens(answerer: Answerer | QwenAnswerer, texts: list[str]) -> list[int]:
    """Return the number of tokens of each answer, with its end token."""
    ids = answerer.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [len(each) + 1 for each in ids]
