"""Conversations about media: their turns, their questions with answers, and the files that they are about.

Two forms of a record are in use. LLaVA's is ShareGPT's with media beside it: `conversations: [{"from": "human" | "gpt",
"value": text}]`, `image` or `video`. The other is that of chat templates: `messages: [{"role": "user" | "assistant",
"content": text or parts}]`, where a part is `{"type": "text" | "image" | "video", ...}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}
MEDIA = {"image": ("image", "images"), "video": ("video", "videos")}  # kind -> members of a record that name files
_PLACEHOLDER = re.compile(r"<(?:image|video)>")


class Turn(NamedTuple):
    """What is said in one turn; the role is a value of ROLES, or "" where it is none of its keys."""

    role: str
    text: str


class Pair(NamedTuple):
    """A question with its answer, and the number of the turn that it begins with.

    `reason` says why a turn has no other one, and is "" where both are there.
    """

    turn: int
    question: str
    answer: str
    reason: str = ""


def turns(record: dict) -> list[Turn]:
    """Return the turns of a record, without the placeholders of media; none where it has no list of turns."""
    said = _given(record, "conversations", "messages")
    return [_turn(one) for one in said] if isinstance(said, list) else []


def _turn(said: object) -> Turn:
    if not isinstance(said, dict):
        return Turn("", "")
    role, text = _given(said, "from", "role"), _given(said, "value", "content")
    if isinstance(text, list):
        parts = [part.get("text") for part in text if isinstance(part, dict) and part.get("type") == "text"]
        text = "\n".join(part for part in parts if isinstance(part, str))
    known = ROLES.get(role, "") if isinstance(role, str) else ""
    return Turn(known, _PLACEHOLDER.sub("", text).strip() if isinstance(text, str) else "")


def _given(of: dict, one: str, other: str) -> object:
    """Return a member, or the other one where it is null: tables written as JSON have every column in every record."""
    return of[one] if of.get(one) is not None else of.get(other)


def pairs(said: Iterable[Turn]) -> Iterator[Pair]:
    """Yield each question with the answer that follows it; what the system says belongs to none.

    Every other turn is in exactly one pair: a question that nobody answers (`no_answer`), an answer to nothing
    (`no_question`) and a turn of somebody else (`unknown_role`) are pairs of their own.
    """
    open_question: Pair | None = None
    for number, turn in enumerate(said):
        if turn.role == "system":
            continue
        if turn.role == "":
            yield Pair(number, "", turn.text, "unknown_role")
        elif turn.role == "assistant":
            if open_question is None:
                yield Pair(number, "", turn.text, "no_question")
            else:
                yield open_question._replace(answer=turn.text, reason="")
            open_question = None
        else:
            if open_question is not None:
                yield open_question
            open_question = Pair(number, turn.text, "", "no_answer")
    if open_question is not None:
        yield open_question


def media(record: dict) -> list[tuple[str, str]]:
    """Return the kind ("image" or "video") and the path of each file that a record is about, in order and once.

    A member is a path, a list of paths, or an object that names the path (`{"video": path}`, as EgoExoLearn's Video_QA
    has it below `image`); what is neither counts as an empty path.
    """
    found = [
        file
        for kind, members in MEDIA.items()
        for name in members
        if record.get(name) is not None
        for file in _files(record[name], kind)
    ]
    said = record.get("messages")
    for message in said if isinstance(said, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in MEDIA:
                found += _files(part.get(kind), kind)
    return list(dict.fromkeys(found))


def _files(value: object, kind: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _files(one, kind)
    elif isinstance(value, dict):
        named = next((name for name in (*MEDIA, "path") if name in value), None)
        path = value[named] if named else None
        yield (named if named in MEDIA else kind, path if isinstance(path, str) else "")
    else:
        yield kind, value if isinstance(value, str) else ""
