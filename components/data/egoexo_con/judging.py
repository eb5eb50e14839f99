"""Who judges whether a query can be answered from both views: a rule, or a language model (systems §5.1)."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from components import llm

KIND = "egoexo_con.judge"
SYSTEM = (
    "You prepare a benchmark of queries about synchronized films: one camera is worn by the person who acts (C), one "
    "stands in the room. You do not see the films: you are given what each of them shows. Judge and write only what "
    "follows from that."
)
_ASKED = """\
The worn camera shows, in seconds from the start:
{ego}

The camera in the room shows:
{exo}

The query: {query}
It happens {when}.

In `keep`, say whether a person who sees either film alone can tell that this happens, and when; in `why`, say why in \
one sentence. In `refined`, write the query in one clear sentence of the same meaning. In `misaligned`, write a \
sentence of the same form and length about something that is as plausible, and happens at no time in either film."""
_TEXT = {"type": "string", "maxLength": 500}
_PROPERTIES = {"keep": {"type": "boolean"}, "why": _TEXT, "refined": _TEXT, "misaligned": _TEXT}
_ONCE = "from {:.2f} to {:.2f} s"
_TWICE = (
    "from {:.2f} to {:.2f} s of the worn camera's film and from {:.2f} to {:.2f} s of the other: these two were filmed "
    "one after the other, and share no time"
)
SCHEMA = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": list(_PROPERTIES),
    "additionalProperties": False,
}


def requests(queries: pd.DataFrame) -> Iterator[llm.Request]:
    """Ask for the judgement of each query.

    Args:
        queries: `query_id`, `event`, `false_event` (which does not happen), `from_s` and `to_s`, and the facts of each
            view, `facts_ego` and `facts_exo`: (event, start, end), in seconds from the start of the window; and
            `times`, see `step.queries`.
    """
    columns = ["query_id", "event", "false_event", "from_s", "to_s", "facts_ego", "facts_exo", "times"]
    for query_id, event, false_event, *span, ego, exo, times in queries[columns].itertuples(index=False, name=None):
        when = _ONCE.format(*span) if times is None else _TWICE.format(*times["ego"][2:], *times["exo"][2:])
        user = _ASKED.format(ego=_listed(ego), exo=_listed(exo), query=event, when=when)
        facts = {"event": event, "false_event": false_event}
        yield llm.Request(f"{KIND}/{query_id}", KIND, SYSTEM, user, SCHEMA, facts)


def by_rule(request: llm.Request) -> dict:
    """Keep every query that is asked for judgement: only those are whose event is visible in both views."""
    event, false_event = request.facts["event"], request.facts["false_event"]
    return {"keep": True, "why": "both views show it", "refined": event, "misaligned": false_event}


def _listed(facts: list[tuple[str, float, float]]) -> str:
    return "\n".join(f"- {start_s:.2f} to {end_s:.2f}: {event}" for event, start_s, end_s in facts)
