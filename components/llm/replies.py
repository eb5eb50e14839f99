"""What becomes of a reply: held to its schema, its tokens counted, laid out as a line of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from components.llm import request, schema
from components.llm.endpoint import Reply
from components.llm.ledger import ANSWER, REFUSED
from components.llm.request import Request, Settings


def usage_of(asked: Request, reply: Reply) -> dict:
    """Return the tokens of a reply; estimated where the server does not count, so that a budget ends all the same."""
    if reply.input_tokens is not None and reply.output_tokens is not None:
        return {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens, "estimated": False}
    return {
        "input_tokens": request.input_tokens(asked),
        "output_tokens": request.tokens(reply.text),
        "estimated": True,
    }


def ledger_line(asked: Request, key: str, settings: Settings, reply: Reply, *, clean: Callable[[Any], Any]) -> dict:
    """Hold a reply to its schema and lay it out as a line of the ledger.

    Args:
        asked: the request.
        key: its content key.
        settings: those it was sent with.
        reply: what came.
        clean: takes the secret out of a JSON value; each layer of JSON may write a letter of it as an escape.

    Returns:
        The line, whose `outcome` is "answer", "refused", "cut_off" or "wrong_schema"; see components/llm/ledger.py.
    """
    value, detail = None, ""
    if reply.refused:
        outcome, detail = REFUSED, reply.text[:500]
    elif reply.cut_off:
        outcome, detail = "cut_off", f"longer than llm.max_tokens = {settings.max_tokens}"
    else:
        try:
            outcome, value = ANSWER, clean(schema.read(reply.text, asked.schema))
        except ValueError as error:
            outcome, detail = "wrong_schema", clean(str(error))
    return {
        "key": key,
        "outcome": outcome,
        **request.trace(asked, settings),
        "value": value,
        "detail": detail,
        # an answer's text is its value; of anything else the text is all there is
        "text": None if outcome == ANSWER else reply.text,
        "served_model": reply.served_model,
        "usage": usage_of(asked, reply),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "took_s": round(reply.took_s, 3),
    }
