"""A row for every answer and score of a benchmark, and what the rows add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from components import params, records
from components.benchmarks.runner import pairs
from components.benchmarks.runner.asking import asked_officially
from components.benchmarks.runner.groups import estimates, length_bucket, mean_of_subsets, means
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.shared.sample import Benchmark, Sample
from components.evaluation.items import MODEL, Item
from components.evaluation.journal import Key
from components.evaluation.replies import Reply
from components.params.evaluation import CUT

TEXT_ONLY = "text_only"  # the condition of items that are asked without frames
RANKED, STRICT, OFFICIAL = "ranked", "strict", "official"
# as every evaluation's rows, with what benchmarks group and read by; here, for the data steps must not depend on it
ROW = pa.schema(
    [
        *records.PREDICTION,
        ("subsets", pa.list_(pa.string())),
        ("length_bucket", pa.string()),
        ("parser", pa.string()),  # "strict" | "official" | "ranked"
        ("read_by", pa.string()),  # which path of the parser read the answer
    ]
)


@dataclass(frozen=True)
class Answered:
    """One answer as one parser reads it.

    Attributes:
        item: that was asked.
        sample: of the benchmark.
        reply: of the model.
        seconds: that it took.
        parser: "strict", "official" or "ranked".
        answer: what was read; None for nothing.
        path: of the parser that read it.
        scores: of the answer; None where the right one is not public.
    """

    item: Item
    sample: Sample
    reply: Reply
    seconds: float
    parser: str
    answer: Any
    path: str
    scores: Mapping[str, float] | None


def read(
    benchmark: Benchmark,
    samples: Mapping[str, Sample],
    items: Sequence[Item],
    replies: Mapping[Key, tuple[Reply, float]],
    *,
    is_ranked: bool,
) -> list[Answered]:
    """Read and score every answer by every parser that reads its form.

    Args:
        benchmark: its description.
        samples: by id.
        items: that were answered.
        replies: item key -> its reply and seconds.
        is_ranked: whether options were ranked: nothing had to be read then.

    Raises:
        ValueError: the benchmark wants rankings, which no completion is.
    """
    metric = METRICS[benchmark.metric]
    if metric.read is None:
        raise ValueError(f"no completion is an answer of {benchmark.title}")
    found = []
    for item in items:
        reply, seconds = replies[item.key]
        sample = samples[item.sample["sample_id"]]
        if is_ranked:
            reads = {RANKED: (sample.target.options.index(reply.completion), RANKED)}
        else:
            reads = {STRICT: metric.read(sample, reply.completion, reasoned=item.sample["reasoned"])}
            if metric.official and asked_officially(sample, item.sample, official=benchmark.official):
                reads[OFFICIAL] = metric.official(sample, reply.completion, parser=benchmark.official)
        for parser, (answer, path) in reads.items():
            scores = dict(metric.score(sample, answer)) if sample.has_answer else None
            if scores is not None and not is_ranked:
                scores[CUT] = float(reply.is_cut)
            found.append(Answered(item, sample, reply, seconds, parser, answer, path, scores))
    return found


def rows(name: str, answers: Sequence[Answered]) -> Iterator[dict]:
    """Yield rows of ROW: of each answer one for each parser and score; a null score where no answer is public.

    Args:
        name: of the benchmark.
        answers: as `read` returns them.
    """
    for each in answers:
        item, sample, reply = each.item, each.sample, each.reply
        row = {
            "sample_id": sample.sample_id, "take_id": sample.video, "task": name, "view": item.sample["view"],
            "condition": item.condition, "question": item.sample["question"], "answer": item.sample["answer"],
            "completion": reply.completion, "parsed": None if each.answer is None else str(each.answer),
            "tokens": reply.tokens, "is_cut": reply.is_cut, "seconds": each.seconds, "subsets": list(sample.subsets),
            "length_bucket": length_bucket(sample.length_s), "parser": each.parser, "read_by": each.path,
        }  # fmt: skip
        scores: Mapping[str, float | None] = {"": None} if each.scores is None else each.scores
        yield from (row | {"score_name": score, "score": value} for score, value in scores.items())


def summary(name: str, benchmark: Benchmark, answers: Sequence[Answered], settings: params.Eval) -> dict[str, dict]:
    """Return "<benchmark>/<group>/<metric>" -> the numbers that MLflow and the leaderboard show.

    Args:
        name: of the benchmark.
        benchmark: its description.
        answers: as `read` returns them.
        settings: seed and draws of the bootstrap.

    Returns:
        `value`, `lo`, `hi`, `n`, `videos`; `blind`, the same checkpoint without frames; `chance`, `constant` and
        `text_guess`, the references. Scores read by the authors' parser are named "<metric>_official". What only all
        answers together have, and the mean of all subsets, has no interval. Samples that ask the same of both views
        have the scores of pairs too (`pairs.scores`).
    """
    metric = METRICS[benchmark.metric]
    scored = [each for each in answers if each.scores is not None]
    if not scored:
        return {}
    found: dict[str, dict] = {}
    asked = [each.sample for each in scored if each.item.condition == MODEL and each.parser != OFFICIAL]
    references = metric.references(asked)
    kinds = {"chance": "random", "constant": "constant", "text_guess": "text_only"}
    of_references = {beside: means(asked, references[kind].scores) for beside, kind in kinds.items()}
    if asked_of_both := pairs.pairs_of(asked):
        standing = pairs.as_samples(asked, asked_of_both)
        for beside, kind in kinds.items():
            of_references[beside] |= means(standing, pairs.guessed(asked, asked_of_both, references[kind].scores))
    for parser in dict.fromkeys(each.parser for each in scored):
        own, blind = (
            [each for each in scored if (each.item.condition, each.parser) == (condition, parser)]
            for condition in (MODEL, TEXT_ONLY)
        )
        suffix = "_official" if parser == OFFICIAL else ""
        blinded = means([each.sample for each in blind], _scores(blind)) | means(*_of_pairs(blind))
        scores = _scores(own)
        samples = [each.sample for each in own]
        for key, entry in (estimates(samples, scores, settings) | estimates(*_of_pairs(own), settings)).items():
            besides = {beside: known.get(key) for beside, known in of_references.items()}
            found[f"{name}/{key}{suffix}"] = entry | besides | {"blind": blinded.get(key)}
        whole = metric.whole(samples, [each.answer for each in own]) if metric.whole else {}
        mean = mean_of_subsets(means(samples, scores), metric.headline, benchmark.averaged)
        whole |= {} if mean is None else {f"mean_of_{benchmark.averaged}": mean}
        alone = {"lo": None, "hi": None, "blind": None} | dict.fromkeys(kinds)
        for key, value in whole.items():
            of_all = {"value": value, "n": len(own), "videos": len({sample.video for sample in samples})}
            found[f"{name}/{key}{suffix}"] = alone | of_all
    return found


def _scores(answers: Sequence[Answered]) -> dict[str, list[float | None]]:
    """Return metric -> a score of each answer; None of one that it is no score of."""
    names = dict.fromkeys(name for each in answers for name in each.scores or {})
    return {name: [(each.scores or {}).get(name) for each in answers] for name in names}


def _of_pairs(answers: Sequence[Answered]) -> tuple[list[Sample], dict[str, list[float]]]:
    """Return a sample for each pair of views with the scores of the pairs; of answers without pairs none."""
    samples = [each.sample for each in answers]
    of_both = pairs.pairs_of(samples)
    if not of_both:
        return [], {}
    read_as = [each.answer for each in answers]
    return pairs.as_samples(samples, of_both), pairs.scores(samples, of_both, _scores(answers), read_as)
