"""Who writes rationales: a rule that sees the facts of one view, or a language model that is told them.

Both say how they reason and what they answer; whether that is right is judged by `pairs`. Neither is told the truth.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from components import llm
from components.prompts import NO, YES
from components.prompts.rationales import rationale, timed_step

KIND = "egore.rationale"
NEIGHBOURS = 1  # events told before and after the one that is asked for
SYSTEM = (
    "You explain how a question about a video can be answered. You do not see the video: you are given what one camera "
    "shows, in the order of time. Reason from that alone, step by step, and say nothing that it does not show."
)
_SHOWN = "The video lasts {length_s:g} s. It shows, in seconds from its start:\n{facts}\n\nThe question: {question}\n"
_WANTED = (
    "In `rationale`, say in at most {words} words what is seen and when, and how the answer follows; do not say "
    "what is missing. {answer}"
)
_SPAN = "In `start_s` and `end_s`, say when it happens, in seconds from the start."
_WHETHER = 'In `answer`, say "yes" if it happens and "no" if it does not.'
_NUMBER = {"type": "number"}


def _schema(answer: dict) -> dict:
    properties = {"rationale": {"type": "string", "maxLength": 2000}, **answer}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_SCHEMAS = {
    "ground_temporal": _schema({"start_s": _NUMBER, "end_s": _NUMBER}),
    "verify": _schema({"answer": {"type": "string", "enum": [YES, NO]}}),
}


def requests(asked: pd.DataFrame, *, words: int, time_step_s: float) -> Iterator[llm.Request]:
    """Ask for the rationale of each question.

    Args:
        asked: `request_id`, `task`, `question`, `wanted` (the event that the question names), `length_s` of what is
            shown and `facts`: (event, start, end) of each visible event, in seconds from the start of that.
        words: most words of a rationale.
        time_step_s: of the times that the rule says.
    """
    columns = ["request_id", "task", "question", "wanted", "length_s", "facts"]
    for request_id, task, question, wanted, length_s, facts in asked[columns].itertuples(index=False, name=None):
        lines = "\n".join(f"- {start_s:.2f} to {end_s:.2f}: {event}" for event, start_s, end_s in facts)
        user = _SHOWN.format(length_s=length_s, facts=lines, question=question)
        user += _WANTED.format(words=words, answer=_WHETHER if task == "verify" else _SPAN)
        known = {"task": task, "wanted": wanted, "facts": facts, "words": words, "time_step_s": time_step_s}
        yield llm.Request(request_id, KIND, SYSTEM, user, _SCHEMAS[task], known)


def by_rule(request: llm.Request) -> dict | None:
    """Tell the facts around the one that is asked for, or all that a short clip shows; then the answer that follows.

    Returns:
        The reply; None where the view does not show when the event happens.
    """
    facts, wanted = request.facts["facts"], request.facts["wanted"]
    places = [place for place, (event, _, _) in enumerate(facts) if event == wanted]
    if request.facts["task"] == "verify":
        told = _shortened([event for event, _, _ in facts], places[0] if places else 0, request.facts["words"])
        return {"rationale": rationale(told), "answer": YES if places else NO}
    if not places:
        return None
    first = max(0, places[0] - NEIGHBOURS)
    near = [timed_step(*fact, request.facts["time_step_s"]) for fact in facts[first : places[0] + NEIGHBOURS + 1]]
    told = _shortened(near, places[0] - first, request.facts["words"])
    _, start_s, end_s = facts[places[0]]
    return {"rationale": rationale(told), "start_s": start_s, "end_s": end_s}


def _shortened(steps: list[str], kept: int, words: int) -> list[str]:
    """Leave out the steps that are farthest from one of them, from the later end first, until the rest is short."""
    while len(steps) > 1 and len(rationale(steps).split()) > words:
        if len(steps) - 1 - kept >= kept:
            steps = steps[:-1]
        else:
            steps, kept = steps[1:], kept - 1
    return steps
