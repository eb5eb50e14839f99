"""Let a checkpoint answer a benchmark: evaluation answers and keeps each item, so a killed run goes on.

`<checkpoint>/benchmarks/<name>/<form>/` (`<form>_<level>/` where prompts are not plain) gets metrics.json,
predictions.parquet (a row for each answer and score), rejects.parquet, submission.json where the authors keep answers,
identity.json, and items/ with finished answers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

from components import params, records, video
from components.benchmarks.runner import asking, judge, judge_descriptions
from components.benchmarks.runner.askable import questions
from components.benchmarks.runner.films import NO_FRAMES, Films, with_films
from components.benchmarks.runner.protocol import How
from components.benchmarks.runner.rows import OFFICIAL, ROW, TEXT_ONLY, Answered, read, rows, summary
from components.benchmarks.shared import sentences
from components.benchmarks.shared.sample import Benchmark, Loaded, Reject, Sample
from components.evaluation import budget, identity
from components.evaluation.answer import Answerer
from components.evaluation.ask import model_of
from components.evaluation.items import MODEL, Item
from components.evaluation.journal import Journal, Key
from components.evaluation.load import opened
from components.evaluation.measure import ALONE, Answer, answer_all, count_tokens
from components.evaluation.qwen import QwenAnswerer
from components.evaluation.replies import Reply

RANKABLE = ("accuracy", "yes_no", "yes_no_in_both_views")  # metrics of closed questions
JUDGES = {"open": judge.judged, "description": judge_descriptions.judged}  # metric of open answers -> its judge
SUBMISSION = "submission.json"
logger = logging.getLogger(__name__)


class Asked:
    """A checkpoint that is opened once and answers any number of benchmarks.

    Args:
        checkpoint: folder of a finished stage, or of an export of a whole model.
        data: parameters of the frames that it was trained with.
        settings: of params/eval.yaml.

    Raises:
        ValueError: as `components.evaluation.ask.model_of`.
    """

    def __init__(self, checkpoint: Path, data: params.Data, settings: params.Eval):
        self.checkpoint, self.settings, self.size_px = checkpoint, settings, data.frames.size_px
        folder, stage = model_of(checkpoint, data)
        self.made_of = {
            "checkpoint": identity.of_files(path for path in folder.iterdir() if path.is_file()),
            "contract": stage["frames_contract"],
        }
        self.reasoned: bool = stage["params"]["reasoned"]
        self._answerer: Callable[..., Answerer | QwenAnswerer] = opened(folder, stage["params"])

    def run(self, name: str, benchmark: Benchmark, roots: Sequence[Path], how: How) -> dict[str, dict]:
        """Answer one benchmark and write its files.

        Args:
            name: of the benchmark.
            benchmark: its description.
            roots: folders that hold files and films.
            how: it is asked.

        Returns:
            The content of metrics.json (`rows.summary`); {} where no answer is public.

        Raises:
            ValueError: as `askable.questions`; no sample whose films can be read, or the token budget would cut right
                answers.
            components.llm.StoppedError: the judge did not judge every answer.
        """
        nearest = _nearest_of(how.sentence_model) if how.sentence_model else None
        root, whole = questions(name, benchmark, roots, nearest)
        form, n_frames = how.form_of(benchmark), how.frames_of(benchmark)
        loaded = _drawn(whole, how.limit, self.settings.seed)
        if n_frames:
            loaded = with_films(loaded, root, n_frames=n_frames)
        if not loaded.samples:
            raise ValueError(f"{name}: none of {loaded.rows} rows in {root} can be asked: {loaded.reasons}")
        samples = {_key(sample, root if n_frames else None): sample for sample in loaded.samples}
        films = Films(root, samples, n_frames=n_frames, size_px=self.size_px)
        conditions = (MODEL, TEXT_ONLY) if n_frames else (MODEL,)
        asked_as = partial(asking.row, form=form, level=how.level, reasoned=self.reasoned)
        items = _items(name, {key: asked_as(sample) for key, sample in samples.items()}, conditions)
        contract = how.contract(
            benchmark,
            size_px=self.size_px,
            thought=any(item.sample["reasoned"] for item in items),
            otherwise=self.settings.max_new_tokens,
        )
        max_new_tokens = contract["max_new_tokens"]
        limits = {"max_batch_tokens": self.settings.max_batch_tokens, "max_new_tokens": max_new_tokens}
        answerer = self._answerer(store=films, **limits)
        is_ranked = form == "ranked" and benchmark.metric in RANKABLE
        if not is_ranked:
            counted = partial(count_tokens, answerer)
            budget.check({name: [item.sample for item in items]}, count_tokens=counted, max_new_tokens=max_new_tokens)
        made_of = self.made_of | {
            "code": identity.of_code(),
            "sampling": contract,
            "level": how.level,
            "sentence_model": how.sentence_model and how.sentence_model.name,
        }
        folder = how.folder(self.checkpoint, name, benchmark)
        journal = Journal(folder / "items" / identity.digest(made_of)[:16], rank=ALONE.rank)
        answer = _showing(films, answerer.rank if is_ranked else answerer.complete)
        answer_all(items, {name: answer}, journal, ALONE)
        replies = journal.read()
        unasked = _unasked(items, replies)
        asked = [item for item in items if item.sample["sample_id"] not in unasked]
        if not asked:
            raise ValueError(
                f"{name}: none of {len(samples)} samples could be asked: {Loaded((), [*unasked.values()]).reasons}"
            )
        rejects = [*loaded.rejects, *(replace(unasked[key], row_id=samples[key].sample_id) for key in sorted(unasked))]
        answers = read(benchmark, samples, asked, replies, is_ranked=is_ranked)
        if how.judge and benchmark.metric in JUDGES:
            answers = JUDGES[benchmark.metric](answers, how.judge, ledger_path=folder / "judge.jsonl")
        found = judge_descriptions.with_mean(summary(name, benchmark, answers, self.settings))
        made_of |= {"limit": how.limit, "samples": identity.digest({"keys": sorted(samples)})}
        _write(folder, found, name, answers, rejects, made_of)
        return found


@cache
def _nearest_of(folder: Path) -> Callable[..., list[str]]:
    return sentences.nearest_of(folder)


def _drawn(loaded: Loaded, limit: int | None, seed: int) -> Loaded:
    # pairs of views stand together; of a pair that the limit tears, each view is still a sample
    order = sorted(
        loaded.samples,
        key=lambda sample: (records.content_id(seed, sample.pair or sample.sample_id), sample.sample_id),
    )
    return Loaded(order[:limit], loaded.rejects)


def _key(sample: Sample, root: Path | None) -> str:
    """Return what tells a sample, with the films that it shows, from every other: an answer is of these alone."""
    films = [video.inside(root, medium.path).stat() for medium in sample.media] if root else []
    made_of = {"sample": asdict(sample), "films": [[film.st_size, film.st_mtime_ns] for film in films]}
    return f"{sample.sample_id} {identity.digest(made_of)[:16]}"


def _showing(films: Films, answer: Answer) -> Answer:
    """Return what answers as `answer` does, and says of samples without frames why there are none."""

    def answering(samples: list[dict], frames_of: list[str]) -> list[Reply]:
        replies = answer(samples, frames_of)
        return [
            replace(reply, unreadable=films.unreadable.get(name, ""))
            for reply, name in zip(replies, frames_of, strict=True)
        ]

    return answering


def _unasked(items: Sequence[Item], replies: Mapping[Key, tuple[Reply, float]]) -> dict[str, Reject]:
    """Return the samples that could not be asked as they should: by the id in their items."""
    found = {}
    for item in items:
        reply, key = replies[item.key][0], item.sample["sample_id"]
        if reply.unreadable:
            found[key] = Reject(key, "unreadable_film", reply.unreadable)
        elif reply.is_too_long:
            found[key] = Reject(key, "beyond_the_models_context")
    return found


def _items(name: str, asked: Mapping[str, dict], conditions: Sequence[str]) -> list[Item]:
    return [
        Item(name, condition, NO_FRAMES if condition == TEXT_ONLY else key, row | {"sample_id": key})
        for condition in conditions
        for key, row in asked.items()
    ]


def _write(
    folder: Path, found: dict, name: str, answers: Sequence[Answered], rejects: Sequence[Reject], made_of: dict
) -> None:
    (folder / "identity.json").unlink(missing_ok=True)  # comes last: killed between, it is no result
    records.write_table(folder / "predictions.parquet", rows(name, answers), ROW)
    step = [{"step": "benchmark", **asdict(reject)} for reject in rejects]
    records.write_table(folder / "rejects.parquet", step, records.REJECT)
    (folder / "metrics.json").write_text(json.dumps(found, indent=2, allow_nan=False))
    own = [each for each in answers if each.item.condition == MODEL and each.parser != OFFICIAL]
    (folder / SUBMISSION).unlink(missing_ok=True)
    if not all(each.sample.has_answer for each in own):  # a server wants the answers to all
        submission = {each.sample.sample_id: each.answer for each in own}
        (folder / SUBMISSION).write_text(json.dumps(submission, indent=2))
    (folder / "identity.json").write_text(json.dumps(made_of, indent=2))
