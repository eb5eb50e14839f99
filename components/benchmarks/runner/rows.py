"""A row for every answer and score of a benchmark, and what the rows add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from components import params, records
from components.benchmarks.runner.groups import estimates, length_bucket
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
        ("subset", pa.string()),
        ("length_bucket", pa.string()),
        ("parser", pa.string()),  # "strict" | "official" | "ranked"
        ("read_by", pa.string()),  # which path of the parser read the answer
    ]
)


def rows(
    name: str,
    benchmark: Benchmark,
    samples: Mapping[str, Sample],
    items: Sequence[Item],
    replies: Mapping[Key, tuple[Reply, float]],
    *,
    is_ranked: bool,
) -> list[dict]:
    """Return rows of ROW: of each answer one for each parser and score; of a sample without a public answer one.

    Args:
        name: of the benchmark.
        benchmark: its description.
        samples: by id.
        items: that were answered.
        replies: item key -> its reply and seconds.
        is_ranked: whether options were ranked: nothing had to be read then.
    """
    metric = METRICS[benchmark.metric]
    found = []
    for item in items:
        reply, seconds = replies[item.key]
        sample = samples[item.sample["sample_id"]]
        reads = {STRICT: metric.read(sample, reply.completion, reasoned=item.sample["reasoned"])}
        if metric.official is not None:
            reads[OFFICIAL] = metric.official(sample, reply.completion, parser=benchmark.official)
        if is_ranked:
            reads = {RANKED: (reads[STRICT][0], RANKED)}
        row = {
            "sample_id": sample.sample_id, "take_id": sample.video, "task": name, "view": item.sample["view"],
            "condition": item.condition, "question": item.sample["question"], "answer": item.sample["answer"],
            "completion": reply.completion, "tokens": reply.tokens, "is_cut": reply.is_cut, "seconds": seconds,
            "subset": sample.subset, "length_bucket": length_bucket(sample.length_s),
        }  # fmt: skip
        for parser, (answer, path) in reads.items():
            read = {"parser": parser, "read_by": path, "parsed": None if answer is None else str(answer)}
            scores: Mapping[str, float | None] = {metric.headline: None}
            if sample.target.index is not None:
                scores = metric.score(sample, answer) | ({} if is_ranked else {CUT: float(reply.is_cut)})
            found += [row | read | {"score_name": score, "score": value} for score, value in scores.items()]
    return found


def summary(
    name: str, benchmark: Benchmark, samples: Mapping[str, Sample], scored: Sequence[Mapping], settings: params.Eval
) -> dict[str, dict]:
    """Return "<benchmark>/<group>/<metric>" -> the numbers that MLflow and the leaderboard show.

    Args:
        name: of the benchmark.
        benchmark: its description.
        samples: by id.
        scored: rows of ROW.
        settings: seed and draws of the bootstrap.

    Returns:
        `value`, `lo`, `hi`, `n`, `videos`; `blind`, the same checkpoint without frames; `chance`, a uniform guess;
        `constant` and `text_guess`. Scores read by the authors' parser are named "<metric>_official".
    """
    metric = METRICS[benchmark.metric]
    values: dict[tuple[str, str], dict[str, float]] = {}
    for row in scored:
        if row["score"] is not None:
            score = row["score_name"] + ("_official" if row["parser"] == OFFICIAL else "")
            values.setdefault((row["condition"], score), {})[row["sample_id"]] = row["score"]
    found: dict[str, dict] = {}
    for score in sorted({score for condition, score in values if condition == MODEL}):
        own = values[MODEL, score]
        asked = [samples[each] for each in own]
        entries = estimates(asked, {score: [*own.values()]}, settings)
        besides: dict[str, list[float]] = {"blind": [values[TEXT_ONLY, score][each] for each in own]}
        plain = score.removesuffix("_official")
        references = {"constant": "constant", "random": "chance", "text_only": "text_guess"}
        for kind, reference in metric.references(asked).items():
            if plain in reference.scores:
                besides[references[kind]] = reference.scores[plain]
        for beside in ("blind", "chance", "constant", "text_guess"):
            means = estimates(asked, {score: besides[beside]}, settings) if beside in besides else {}
            for key, entry in entries.items():
                entry[beside] = means[key]["value"] if key in means else None
        found |= {f"{name}/{key}": entry for key, entry in entries.items()}
    return found
