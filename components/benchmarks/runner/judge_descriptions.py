"""Descriptions judged by a language model, by the five criteria of Video-ChatGPT, 0 to 5 each; the words are our own.

Four criteria are of one answer. Consistency is of two: a video is asked the same in two ways (subset CONSISTENCY).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from components import llm, params
from components.benchmarks.runner.rows import Answered
from components.benchmarks.shared.sample import CONSISTENCY, Text

KIND = "benchmark_description_judge"
MOST = 5
CRITERIA = {
    "correctness": "nothing that it says is false",
    "detail": "it has all main points, and says particulars of them",
    "context": "it fits what the video is about as a whole",
    "temporal": "what it says happens in the right order",
}
SYSTEM = (
    "You compare a description of a video with the right one. Other words for the same thing are as good. Score 0 to "
    f"{MOST}: " + "; ".join(f"`{name}`, {meaning}" for name, meaning in CRITERIA.items()) + "."
)
SYSTEM_TWO = (
    "Two questions ask the same thing about a video. Compare their answers with each other and with the right one. "
    f"Score `{CONSISTENCY}` 0 to {MOST}: how far all three say the same, without contradiction."
)
Pair = tuple[str, str, str]  # condition, parser, what both ids have in common


def by_rule(request: llm.Request) -> dict[str, int]:
    """Judge by words in common (F1) of the texts least alike, where `llm.generator` is `rules`: no model's verdict."""
    texts = request.facts["texts"]
    least = min(_f1(one, other) for place, one in enumerate(texts) for other in texts[place + 1 :])
    return dict.fromkeys(request.schema["required"], round(MOST * least))


def judged(answers: Sequence[Answered], judge: params.Llm, *, ledger_path: Path) -> list[Answered]:
    """Return the answers with `judge_<criterion>`, 0 to 1; of rules, which are no model, `rule_judge_<criterion>`.

    What cannot be read scores 0 and is not asked about. Of two answers of which one is missing nothing is said.

    Args:
        answers: to questions of descriptions.
        judge: the language model (`llm` of params/data.yaml).
        ledger_path: keeps its replies, so that no answer is judged twice.

    Raises:
        llm.StoppedError: as `llm.generate`; or an answer could not be judged: run again to judge the rest.
    """
    prefix = "rule_judge" if judge.generator == "rules" else "judge"
    groups: dict[Pair, list[Answered]] = {}
    for each in answers:
        groups.setdefault(_pair(each), []).append(each)
    groups = {pair: of for pair, of in groups.items() if len(of) == (2 if _is_of_two(of[0]) else 1)}
    asked = {pair: _request(of) for pair, of in groups.items() if all(each.answer is not None for each in of)}
    settings = llm.settings_of(judge.model_dump())
    verdicts = llm.generate([*asked.values()], settings, rules={KIND: by_rule}, ledger_path=ledger_path)
    scores: dict[Pair, dict[str, float]] = {}
    for pair, verdict in zip(asked, verdicts, strict=True):
        if isinstance(verdict, llm.Reject):
            raise llm.StoppedError(
                f"the answer to {pair[2]} was not judged ({verdict.reason}: {verdict.detail}); what was judged is in "
                f"{ledger_path}, run again to ask for the rest"
            )
        scores[pair] = {f"{prefix}_{name}": score / MOST for name, score in verdict.value.items()}
    for pair, of in groups.items():
        names = [CONSISTENCY] if _is_of_two(of[0]) else list(CRITERIA)
        scores.setdefault(pair, {f"{prefix}_{name}": 0.0 for name in names})
    return [replace(each, scores={**(each.scores or {}), **scores.get(_pair(each), {})}) for each in answers]


def with_mean(found: Mapping[str, dict]) -> dict[str, dict]:
    """Add the mean of the five criteria, where all were judged, for every group and parser of a summary.

    Args:
        found: "<benchmark>/<group>/<metric>" -> its numbers, as `rows.summary` returns it.
    """
    means = {}
    for key, entry in found.items():
        start, name, end = key.partition(f"judge_{CONSISTENCY}")
        parts = [found.get(f"{start}judge_{criterion}{end}") for criterion in (*CRITERIA, CONSISTENCY)]
        known = [part for part in parts if part]
        if name and len(known) == len(parts):
            nothing = dict.fromkeys(entry, None)
            value = sum(part["value"] for part in known) / len(known)
            of_all = {"value": value, "n": known[0]["n"] + entry["n"], "videos": entry["videos"]}
            means[f"{start}judge_mean{end}"] = nothing | of_all
    return {**found, **means}


def _is_of_two(each: Answered) -> bool:
    return CONSISTENCY in each.sample.subsets


def _pair(each: Answered) -> Pair:
    name = each.sample.sample_id
    return each.item.condition, each.parser, name.rpartition(" ")[0] if _is_of_two(each) else name


def _request(of: Sequence[Answered]) -> llm.Request:
    target = of[0].sample.target
    if not isinstance(target, Text):
        raise TypeError(f"{type(target).__name__} came, a judge compares texts")
    right = target.answers[0]
    said = "\n".join(f"Question: {each.sample.question}\nAnswer: {each.answer}" for each in of)
    names = [CONSISTENCY] if len(of) == 2 else list(CRITERIA)
    schema = {
        "type": "object",
        "properties": {name: {"type": "integer", "enum": list(range(MOST + 1))} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    facts = {"texts": [right, *(each.answer for each in of)]}
    system = SYSTEM_TWO if len(of) == 2 else SYSTEM
    request_id = "/".join(part for each in of for part in each.item.key)
    return llm.Request(request_id, KIND, system, f"Right answer: {right}\n{said}", schema, facts)


def _f1(one: str, other: str) -> float:
    words, others = (Counter(re.findall(r"\w+", text.casefold())) for text in (one, other))
    common = (words & others).total()
    return 2 * common / (words.total() + others.total()) if common else 0.0
