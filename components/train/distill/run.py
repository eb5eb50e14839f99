"""One stage of algorithm `distill`: every question is answered once, whatever happens, and the answers are samples.

Answers go to a ledger as they come, a file of each rank in the stage's folder; a killed stage goes on where it stopped
and ends in the same bytes, also with another number of ranks. The first rank writes `samples.parquet`, beside it
`rejects.parquet` with what is no answer and why, and then stage.json, which marks the folder whole.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from accelerate import PartialState

from components import params, records
from components.data.frames.store import FrameStore
from components.llm import ledger
from components.models import checkpoint_files
from components.tracking import MetricLog, history
from components.train import algorithms, plan, starting_point
from components.train.distill import endpoint_teacher, questions, teacher
from components.train.distill.questions import Question
from components.train.provenance import recorded_parents

logger = logging.getLogger(__name__)


def run(
    recipe: params.Recipe,
    stage: params.Stage,
    settings: params.Distill,
    data: params.Data,
    parents: dict[str, Path],
    options: argparse.Namespace,
) -> int:
    """Let the teacher answer and write its answers.

    Args:
        recipe: the whole training run.
        stage: the one of its stages that asks.
        settings: its block `distill`.
        data: parameters of the data.
        parents: part of the teacher -> folder of the weights that give it.
        options: of the command line: folders, MLflow run and provenance.

    Returns:
        0.

    Raises:
        ValueError: the recipe and the parents or the data do not fit, or nothing was answered.
    """
    # without `cpu`, accelerate takes each rank of a machine without GPUs for the only one
    began_s, output, place = time.monotonic(), options.output, PartialState(cpu=not torch.cuda.is_available())
    output.mkdir(parents=True, exist_ok=True)
    store = FrameStore(options.data / "frames")
    store.check(algorithms.contract(data))
    asked = questions.asked(stage, settings, options.data)
    batches = in_batches(asked, stage.train_batch_size)
    log = None
    if place.is_main_process:  # what was logged before stays: every batch is answered once
        log = MetricLog(options.run_id, output / "history.jsonl", from_step=len(batches))
    mine = list(enumerate(batches))[place.process_index :: place.num_processes]
    try:
        if log and not settings.endpoint:  # which is asked in no batches
            _log_again(mine, output, log)
        left = [question for question in asked if question.key not in outcomes(output)]
        if left and settings.endpoint:
            if place.is_main_process:  # the calls are under way together, in one process
                _ask_endpoint(left, store, settings.endpoint, output, most_frames=stage.max_frames)
        elif left:
            model, processor = starting_point.load(recipe, stage, data, parents)
            device = torch.device(place.device or "cpu")
            dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
            answering = teacher.Teacher(
                model.to(device, dtype), processor, store, settings, folder=_folder(recipe.model, parents),
                most_frames=stage.max_frames,
            )  # fmt: skip
            _answer(mine, answering, output, place.process_index, stage.seed, log)
        place.wait_for_everyone()
        if log:
            digest, counts = _write(asked, settings, stage.name, output)
            made = {**options.provenance, "stage": stage.name, "recipe": recipe.name, "params": stage.model_dump()}
            made |= {"parents": recorded_parents(options.parents), "trained": {}, "answers": counts}
            made |= {"steps": len(batches)}
            made |= {"seconds": round(time.monotonic() - began_s, 1), "frames_contract": algorithms.contract(data)}
            made |= {"samples_digest": digest}
            checkpoint_files.finish(output, made)
            shutil.rmtree(output / "trainer", ignore_errors=True)  # where the ranks met
    finally:
        if log:
            log.close()
    place.wait_for_everyone()
    return 0


def in_batches(asked: Sequence[Question], size: int) -> list[list[Question]]:
    """Group questions of like length; which stand together never depends on what is answered already."""
    ordered = sorted(asked, key=lambda question: (question.segment["frame_kind"], len(question.query)))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def outcomes(output: Path) -> dict[str, dict]:
    """Return the lines of all ledgers of a stage's folder, of however many ranks, by the keys of their questions."""
    found: dict[str, dict] = {}
    for path in sorted(output.glob(plan.ANSWERS_FILES)):
        known = ledger.load(path)
        found |= {key: known.read(key) for key in known.entries}
    return found


def _answer(
    batches: Sequence[tuple[int, list[Question]]],
    answering: teacher.Teacher,
    output: Path,
    rank: int,
    seed: int,
    log: MetricLog | None,
) -> None:
    """Answer this rank's batches; of one that is finished in part, only what is missing is kept."""
    settled = outcomes(output)
    with ledger.opened(output / plan.ANSWERS_FILES.replace("*", str(rank))) as replies:
        for number, batch in batches:
            left = {question.key for question in batch} - settled.keys()
            if not left:
                continue
            # the whole batch again, or its answers might round otherwise than beside their neighbours
            said = answering.answer(batch, seed=seed + number)
            for question, reply in zip(batch, said, strict=True):
                if question.key in left:
                    settled[question.key] = _line(question, reply)
                    replies.append(settled[question.key])
            if log:
                log.log(number + 1, _measured(batch, settled))


def _log_again(batches: Sequence[tuple[int, list[Question]]], output: Path, log: MetricLog) -> None:
    """Log the batches whose answers are whole and whose record is missing: a kill came between the two."""
    settled = outcomes(output)
    logged = {row["step"] for row in history.read(output / "history.jsonl")[0]}
    for number, batch in batches:
        if number + 1 not in logged and all(question.key in settled for question in batch):
            log.log(number + 1, _measured(batch, settled))


def _measured(batch: Sequence[Question], lines: Mapping[str, dict]) -> dict[str, float]:
    """Return what the curves show of a batch, from its lines in the ledgers."""
    found = [lines[question.key] for question in batch]
    tokens = sum(line["usage"]["output_tokens"] for line in found) / len(found)
    return {"answer_tokens": tokens, "rejected": sum(line["outcome"] != teacher.ANSWER for line in found)}


def _ask_endpoint(
    left: Sequence[Question], store: FrameStore, endpoint: params.Llm, output: Path, *, most_frames: int | None
) -> None:
    """Answer questions by an endpoint, and keep its answers as those of a model are kept."""
    said = endpoint_teacher.answers(left, store, endpoint, output=output, most_frames=most_frames)
    with ledger.opened(output / plan.ANSWERS_FILES.replace("*", "0")) as replies:
        for question, reply in said:
            replies.append(_line(question, reply))


def _line(question: Question, reply: teacher.Said) -> dict:
    """Return the line of the ledger for an answer."""
    usage = {"input_tokens": reply.prompt_tokens, "output_tokens": reply.answer_tokens}
    line = {"key": question.key, "outcome": reply.outcome, "text": reply.text, "usage": usage}
    return line | {"query": question.query, "view": question.view}


def _write(asked: Sequence[Question], settings: params.Distill, step: str, output: Path) -> tuple[str, dict[str, int]]:
    """Write samples and rejects; return the sha256 of the samples, and how many questions had which outcome."""
    lines = outcomes(output)
    rows, rejects = table(asked, lines, settings, step=step)
    counts = dict(Counter(lines[question.key]["outcome"] for question in asked))
    logger.info("stage %r: %d questions, %s", step, len(asked), counts)
    if not rows:
        raise ValueError(
            f"stage {step!r}: none of {len(asked)} questions was answered ({counts}), so there is nothing to learn; "
            f"look at {output}/{plan.ANSWERS_FILES}, or mend `distill.max_new_tokens` in the recipe"
        )
    records.write_table(output / "rejects.parquet", rejects, records.REJECT)
    records.write_table(output / plan.SAMPLES_FILE, rows, records.SAMPLE)
    return hashlib.sha256((output / plan.SAMPLES_FILE).read_bytes()).hexdigest(), counts


def table(
    asked: Sequence[Question], lines: Mapping[str, dict], settings: params.Distill, *, step: str
) -> tuple[list[dict], list[dict]]:
    """Return the samples and the rejects that the lines of the ledgers make.

    Args:
        asked: in the order of the samples.
        lines: of every question, by its key.
        settings: say whether an answer that was cut is a sample.
        step: name of the stage, for the rejects.

    Returns:
        Rows of `records.SAMPLE`, and of `records.REJECT`.
    """
    learned = {teacher.ANSWER, *((teacher.CUT,) if settings.keep_cut else ())}
    rows: list[dict] = []
    rejects: list[dict] = []
    for question in asked:
        line = lines[question.key]
        if line["outcome"] in learned and line["text"]:
            rows += questions.samples(question, line["text"])
        else:
            detail = f"{question.view}, {question.query!r}: {line['text']!r}"
            reject = {"step": step, "row_id": question.segment["sample_id"], "reason": line["outcome"]}
            rejects.append(reject | {"detail": detail})
    return rows, rejects


def _folder(model: params.AnyModel, parents: dict[str, Path]) -> Path:
    """Return the folder whose generation settings are the teacher's own."""
    if isinstance(model, params.Qwen):
        from components.models import qwen_vl

        return qwen_vl.folder_of(parents.get("all", model.base))
    return parents.get("all", parents.get("language_model", Path()))
