"""How the answers of a benchmark are scored, and what stands beside a score: constant, random and text-only answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_uppercase
from typing import Any

from components import prompts
from components.benchmarks.runner import guesses, pairs, rankings, text_guess
from components.benchmarks.shared import parsers
from components.benchmarks.shared.sample import Action, Box, Choice, Sample, Span, Text
from components.evaluation import captions
from components.metrics.anls import anls
from components.metrics.binary import yes_no
from components.metrics.grounding import box_scores, span_scores

Scores = Mapping[str, list[float]]  # metric -> a score of each sample
Read = tuple[Any, str]  # the answer, None where it cannot be read, and which path of the parser read it


@dataclass(frozen=True)
class Reference:
    """Answers that no model gave: what they are, in words, their scores, and those that only all together have."""

    label: str
    scores: Scores
    whole: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """What a benchmark's answers are scored by.

    Attributes:
        headline: name of the score that papers print.
        references: samples with right answers -> "constant", "random" and "text_only".
        read: reads a completion strictly; None where no completion is an answer.
        official: reads it as the authors' code does; None where that is the strict way.
        score: scores one answer, None for one that cannot be read.
        whole: scores that only all answers together have; None where there are none.
    """

    headline: str
    references: Callable[[Sequence[Sample]], Mapping[str, Reference]]
    read: Callable[..., Read] | None = None
    official: Callable[..., Read] | None = None
    score: Callable[[Sample, Any], dict[str, float]] = lambda sample, answer: {}
    whole: Callable[[Sequence[Sample], Sequence[Any]], dict[str, float]] | None = None


def read_choice(sample: Sample[Choice], completion: str, *, reasoned: bool) -> Read:
    """Read an option strictly (`parsers.strict`)."""
    return parsers.strict(completion, sample.target.options, reasoned=reasoned)


def read_officially(sample: Sample[Choice], completion: str, *, parser: str) -> Read:
    """Read an option as the authors of the benchmark do."""
    return parsers.OFFICIAL[parser](completion, sample.target.options)


def accuracy(sample: Sample[Choice], index: int | None) -> dict[str, float]:
    """Score the right option 1.0, another or none 0.0."""
    return {"accuracy": float(index == sample.target.index)}


def choice_references(samples: Sequence[Sample[Choice]]) -> dict[str, Reference]:
    """Return the best position that is always answered, a uniform guess, and the guess from other questions' text.

    Where options were shuffled, the best position of the file is one more: what an order that leaks would score.
    """
    most = max(len(sample.target.options) for sample in samples)
    shown = _best_position([sample.target.index for sample in samples], most, "always")
    found = {
        "constant": shown,
        "random": Reference("uniform", {"accuracy": [1 / len(sample.target.options) for sample in samples]}),
        "text_only": Reference("guessed from text", {"accuracy": text_guess.accuracy(samples)}),
    }
    if all(sample.target.index_in_file is not None for sample in samples):
        in_file = [sample.target.index_in_file for sample in samples]
        found["constant_in_file"] = _best_position(in_file, most, "unshuffled, always")
    return found


def _best_position(right: Sequence[int | None], most: int, words: str) -> Reference:
    best = max(range(most), key=right.count)
    return Reference(f"{words} {ascii_uppercase[best]}", {"accuracy": [float(place == best) for place in right]})


def read_yes_no(sample: Sample[Choice], completion: str, *, reasoned: bool) -> Read:
    """Read yes or no strictly (`parsers.strict_yes_no`); a model that reasons was asked for the letter of either."""
    read = parsers.strict_yes_no(completion, sample.target.options, reasoned=reasoned)
    if reasoned and read[0] is None:
        return parsers.strict(completion, sample.target.options, reasoned=True)
    return read


def yes_no_score(sample: Sample[Choice], index: int | None) -> dict[str, float]:
    """Score the right word 1.0, and say whether it was yes: always the same word is right half the time."""
    said_yes = index is not None and sample.target.options[index] == prompts.YES
    return accuracy(sample, index) | {"said_yes": float(said_yes)}


def yes_no_whole(samples: Sequence[Sample[Choice]], answers: Sequence[int | None]) -> dict[str, float]:
    """Return precision, recall and F1 of yes (`components.metrics.binary.yes_no`)."""
    yes = [sample.target.options.index(prompts.YES) for sample in samples]
    said = [None if index is None else index == place for index, place in zip(answers, yes, strict=True)]
    found = yes_no(said, [sample.target.index == place for sample, place in zip(samples, yes, strict=True)])
    return {name: found[name] for name in ("precision", "recall", "f1")}


def yes_no_references(samples: Sequence[Sample[Choice]]) -> dict[str, Reference]:
    """Return "yes" to every question, a uniform guess, and the guess from other questions' text."""
    yes = [sample.target.options.index(prompts.YES) for sample in samples]
    found = choice_references(samples)
    scores = [yes_no_score(sample, index) for sample, index in _zip(samples, yes)]
    always = {name: [score[name] for score in scores] for name in scores[0]}
    return found | {"constant": Reference("always yes", always, yes_no_whole(samples, yes))}


def read_text(sample: Sample[Text], completion: str, *, reasoned: bool) -> Read:
    """Read an open answer: all of the completion, or what stands in the answer tags."""
    answer = parsers.inside_tags(completion, reasoned=reasoned)
    return (answer, "text") if answer else (None, parsers.UNREAD)


def text_score(sample: Sample[Text], answer: str | None) -> dict[str, float]:
    """Score an open answer by its letters (ANLS) and by whether it is one of the right ones, case and spaces apart."""
    right = sample.target.answers
    same = answer is not None and any(prompts.same_words(answer, text) for text in right)
    return {"anls": 0.0 if answer is None else anls(answer, right), "exact": float(same)}


def description_score(sample: Sample[Text], answer: str | None) -> dict[str, float]:
    """Score a description by METEOR against the right one; a judge says more (`judge_descriptions`)."""
    return {"meteor": 0.0 if answer is None else max(captions.meteor(text, answer) for text in sample.target.answers)}


def read_span(sample: Sample[Span], completion: str, *, reasoned: bool) -> Read:
    """Read `(start, end)` in seconds, in the answer tags behind a thought."""
    answer = parsers.inside_tags(completion, reasoned=True)
    span = None if answer is None else prompts.parse_span(answer)
    return (None, parsers.UNREAD) if span is None else (span, "answer tags")


def span_score(sample: Sample[Span], span: tuple[float, float] | None) -> dict[str, float]:
    """Score an interval (`components.metrics.grounding.span_scores`)."""
    return span_scores(span, (sample.target.start_s, sample.target.end_s))


def read_box(sample: Sample[Box], completion: str, *, reasoned: bool) -> Read:
    """Read `[x1, y1, x2, y2]` in percent of the frame, in the answer tags behind a thought."""
    answer = parsers.inside_tags(completion, reasoned=True)
    box = None if answer is None else prompts.parse_box(answer)
    return (None, parsers.UNREAD) if box is None else (box, "answer tags")


def box_score(sample: Sample[Box], box: tuple[float, float, float, float] | None) -> dict[str, float]:
    """Score a box (`components.metrics.grounding.box_scores`)."""
    return box_scores(box, sample.target.box_xyxy)


def guessed(score: Callable[[Sample, Any], dict[str, float]]) -> Callable[[Sequence[Sample]], dict[str, Reference]]:
    """Return the references of open answers, intervals and boxes, scored as answers are."""

    def references(samples: Sequence[Sample]) -> dict[str, Reference]:
        found = {}
        for kind, label, guess in (
            ("constant", "the usual answer", guesses.constant),
            ("random", "another sample's", guesses.others),
            ("text_only", "of the likest question", guesses.by_words),
        ):
            scores = [score(sample, answer) for sample, answer in _zip(samples, guess(samples))]
            found[kind] = Reference(label, {name: [one[name] for one in scores] for name in scores[0]})
        return found

    return references


def ranking_references(samples: Sequence[Sample[Action]]) -> dict[str, Reference]:
    """Return what rankings that never saw a frame score (`rankings.blind`)."""
    return {kind: Reference(label, scores, whole) for kind, (label, scores, whole) in rankings.blind(samples).items()}


def in_both_views(metric: Metric) -> Metric:
    """Return the metric of a benchmark that asks the same of both views: its headline is what is right in both.

    Its references raise ValueError where no two samples are a pair.
    """

    def references(samples: Sequence[Sample]) -> dict[str, Reference]:
        of_pairs = pairs.pairs_of(samples)
        if not of_pairs:
            raise ValueError(f"none of {len(samples)} samples was asked of both views, so nothing can be right in both")
        found = metric.references(samples)
        guessed = {kind: pairs.guessed(samples, of_pairs, each.scores) for kind, each in found.items()}
        means = {kind: {name: sum(values) / len(of_pairs) for name, values in guessed[kind].items()} for kind in found}
        return {kind: replace(each, whole={**each.whole, **means[kind]}) for kind, each in found.items()}

    return replace(metric, headline="consistent", references=references)


def _zip(samples: Sequence[Sample], answers: Sequence[Any]) -> zip[tuple[Sample, Any]]:
    return zip(samples, answers, strict=True)


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", choice_references, read_choice, read_officially, accuracy),
    "yes_no": Metric("accuracy", yes_no_references, read_yes_no, read_officially, yes_no_score, yes_no_whole),
    "open": Metric("anls", guessed(text_score), read_text, None, text_score),
    "description": Metric("meteor", guessed(description_score), read_text, None, description_score),
    "temporal": Metric(
        "r1_05", guessed(span_score), read_span, lambda sample, text, *, parser: parsers.official_span(text), span_score
    ),
    "box": Metric(
        "miou", guessed(box_score), read_box, lambda sample, text, *, parser: parsers.official_box(text), box_score
    ),
    "retrieval": Metric("map", ranking_references),
}
METRICS |= {f"{name}_in_both_views": in_both_views(METRICS[name]) for name in ("yes_no", "temporal")}
