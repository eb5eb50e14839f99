"""Scores on the released files: counted by hand from their rows, and the same in any order of samples and options.

Retrieval and yes or no are counted in tests/components/metrics.
"""

import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from components import params
from components.benchmarks import registry
from components.benchmarks.runner import asking, guesses
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.runner.rows import read, summary
from components.benchmarks.shared.sample import Choice, Sample
from components.evaluation.items import MODEL, Item
from components.evaluation.replies import Reply
from tests.components.benchmarks import released

SETTINGS = params.load(released.ROOT / "params/eval.yaml", params.Eval)
FEW = 300
RELEASED = (
    "egoschema", "vlnqa", "egoplan_2", "pope", "mvbench", "egoexomem", "egotempo", "epic100_mir",
    "video_consistency_verify", "video_consistency_ground",
)  # fmt: skip
CLOSED = ("egoschema", "vlnqa", "egoplan_2", "pope", "mvbench", "egoexomem", "video_consistency_verify")


def few(name: str) -> list[Sample]:
    samples = [sample for sample in released.loaded(name).samples if sample.has_answer]
    if registry.BENCHMARKS[name].metric == "retrieval":
        samples = [sample for sample in samples if sample.target.is_caption]
    return random.Random(0).sample(samples, min(FEW, len(samples)))


def reversed_options(sample: Sample[Choice]) -> Sample[Choice]:
    options = sample.target.options
    return replace(sample, target=Choice(options[::-1], len(options) - 1 - sample.target.index))


def answered(name: str, samples: list[Sample[Choice]], said: dict[str, int]) -> dict[str, dict]:
    """Return the summary of a benchmark whose samples were answered by letters: id -> place of the option."""
    benchmark = registry.BENCHMARKS[name]
    items, replies = [], {}
    for sample in samples:
        row = asking.row(sample, form="letter", reasoned=False) | {"sample_id": sample.sample_id}
        items.append(Item(name, MODEL, sample.sample_id, row))
        replies[items[-1].key] = (Reply("ABCDE"[said[sample.sample_id]], tokens=2), 0.1)
    by_id = {sample.sample_id: sample for sample in samples}
    return summary(name, benchmark, read(benchmark, by_id, items, replies, is_ranked=False), SETTINGS)


@pytest.mark.parametrize("name", RELEASED)
def test_the_order_of_samples_changes_no_guess(name):
    samples = few(name)
    turned = random.Random(1).sample(samples, len(samples))
    references = METRICS[registry.BENCHMARKS[name].metric].references
    before, after = references(samples), references(turned)
    place = {sample.sample_id: at for at, sample in enumerate(samples)}
    for kind, each in before.items():
        assert after[kind].label == each.label and after[kind].whole == pytest.approx(dict(each.whole))
        for metric, values in each.scores.items():
            moved = [values[place[sample.sample_id]] for sample in turned]
            assert after[kind].scores[metric] == pytest.approx(moved, rel=1e-5), (kind, metric)


@pytest.mark.parametrize("name", CLOSED)
def test_the_order_of_options_changes_no_guess_but_the_constant_one(name):
    samples = few(name)
    turned = [reversed_options(sample) for sample in samples]
    references = METRICS[registry.BENCHMARKS[name].metric].references
    before, after = references(samples), references(turned)
    for kind in ("random", "text_only"):
        assert after[kind].scores == before[kind].scores


@pytest.mark.parametrize("name", ["egoschema", "vlnqa", "egoplan_2", "mvbench", "egoexomem"])
def test_answers_score_the_same_in_any_order_of_samples_and_options(name):
    samples = few(name)
    rng = random.Random(2)
    said = {sample.sample_id: rng.randrange(len(sample.target.options)) for sample in samples}
    before = answered(name, samples, said)
    from_the_end = {sample.sample_id: len(sample.target.options) - 1 - said[sample.sample_id] for sample in samples}
    others = [reversed_options(sample) for sample in samples]
    for after in (answered(name, rng.sample(samples, len(samples)), said), answered(name, others, from_the_end)):
        assert after.keys() == before.keys()
        for key, entry in before.items():
            for number in ("value", "lo", "hi", "n", "videos", "chance", "text_guess"):
                assert after[key][number] == pytest.approx(entry[number]), (key, number)


def test_choices_are_counted_from_the_rows_by_hand():
    rows = json.loads((released.there("vlnqa") / "vlnqa.json").read_text())
    samples = list(released.loaded("vlnqa").samples)
    found = answered("vlnqa", samples, dict.fromkeys((sample.sample_id for sample in samples), 1))
    right = sum(row["gt"] == "B" for row in rows)
    assert found["vlnqa/accuracy"]["value"] == found["vlnqa/accuracy_official"]["value"] == right / len(rows) == 0.23
    lines = (released.there("egoschema") / "egoschema_subset_questions.jsonl").read_text().splitlines()
    truths = Counter(json.loads(line)["CA"] for line in lines)
    samples = list(released.loaded("egoschema").samples)
    found = answered("egoschema", samples, dict.fromkeys((sample.sample_id for sample in samples), 4))
    assert found["egoschema/accuracy"]["value"] == truths[4] / 500 == 0.234


def test_overlaps_in_time_are_the_shares_of_painted_hundredths_of_a_second():
    samples = few("video_consistency_ground")
    score = METRICS["temporal"].score
    for sample, answer in zip(samples, guesses.others(samples), strict=True):
        painted = np.zeros((2, 30_000), dtype=bool)  # five minutes
        for row, (start_s, end_s) in zip(painted, (answer, (sample.target.start_s, sample.target.end_s)), strict=True):
            row[round(100 * start_s) : round(100 * end_s)] = True
        share = (painted[0] & painted[1]).sum() / (painted[0] | painted[1]).sum()
        found = score(sample, answer)
        assert found["miou"] == pytest.approx(share, abs=1e-9)
        assert [found[f"r1_{name}"] for name in ("05", "10", "30", "50", "70")] == [
            share >= least for least in (0.05, 0.1, 0.3, 0.5, 0.7)
        ]


def test_open_answers_are_alike_by_the_letters_that_must_change():
    samples = few("egotempo")
    for sample, answer in zip(samples, guesses.by_words(samples), strict=True):
        one, other = (" ".join(text.lower().split()) for text in (answer, sample.target.answers[0]))
        row = list(range(len(other) + 1))
        for place, letter in enumerate(one, 1):
            row, last = [place], row
            for at, known in enumerate(other, 1):
                row.append(min(row[-1] + 1, last[at] + 1, last[at - 1] + (letter != known)))
        share = row[-1] / max(len(one), len(other))
        assert METRICS["open"].score(sample, answer)["anls"] == pytest.approx(1 - share if share < 0.5 else 0.0)
