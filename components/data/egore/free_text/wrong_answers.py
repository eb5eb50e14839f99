"""Wrong answers that are false: what happens at other moments of the video, or in others, and not in the span shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from components.data.egore.free_text.moments import Item, Log, Vocabulary, turned
from components.data.egore.free_text.same_event import may_be_same, normal
from components.data.egore.multiple_choice import draw
from components.prompts.narration_text import Narration, read_narration

ENOUGH = 6  # wrong options that those of a question are drawn from
_LOOKED_AT = 120  # texts, before it is given up


def told_elsewhere(log: Log, vocabulary: Vocabulary, *key: object) -> Iterator[Narration]:
    """Return what the wearer does at any moment of a video, then in others, each in an order drawn by content.

    Those of the same source come first: their annotators write alike, and a wrong answer must not be told by its style.
    """
    own = turned(vocabulary.texts.get(log.source, ()), *key)
    others = (turned(texts, *key) for source, texts in vocabulary.texts.items() if source != log.source)
    return islice(chain(turned(log.told, *key), own, *others), _LOOKED_AT)


def distinct(items: Iterable[Item], name: Callable[[Item], str], *, but: str, most: int = ENOUGH) -> tuple[str, ...]:
    """Return the first few names that differ from one another and from an answer in more than case or spaces.

    Args:
        items: in the order in which they are preferred.
        name: of an item.
        but: the answer.
        most: names wanted.
    """
    seen, names = {normal(but)}, []
    for item in items:
        text = name(item)
        if normal(text) not in seen:
            seen.add(normal(text))
            names.append(text)
            if len(names) == most:
                break
    return tuple(names)


def is_false(said: Narration, happening: Iterable[Narration]) -> bool:
    """Return whether a narration can tell of nothing that happens."""
    return not any(may_be_same(said, other) for other in happening)


def false_event(
    said: Narration, happening: list[Narration], log: Log, vocabulary: Vocabulary, *key: object
) -> str | None:
    """Return an event like a true one that does not happen: another verb, another thing, or another moment.

    Args:
        said: what happens.
        happening: everything that happens in the seconds that are shown, and near them.
        log: of the video.
        vocabulary: of the partition.
        *key: what the draw is for: the same key draws the same event.

    Returns:
        Its text; None where every event that is told anywhere may happen here too.
    """
    ways = (_other_thing, _other_verb, _other_moment)
    first = draw(len(ways), *key, "way")
    for way in (*ways[first:], *ways[:first]):
        for other in told_elsewhere(log, vocabulary, *key):
            made = way(said, other)
            if made is not None and is_false(made, happening):
                return made.text
    return None


def _other_moment(_: Narration, other: Narration) -> Narration:
    return other


def _other_thing(said: Narration, other: Narration) -> Narration | None:
    """Put the thing of another narration in the place of the one that is told."""
    if said.object is None or other.object is None or said.object.count or other.object.count:
        return None
    return _replaced(said, said.object.phrase, other.object.phrase)


def _other_verb(said: Narration, other: Narration) -> Narration | None:
    """Put the verb of another narration in the place of the one that is told, where both are written alike."""
    if said.verb_words is None or other.verb_words is None or said.object is None or other.object is None:
        return None
    if " " in f"{said.verb}{other.verb}" or _ending(said.verb_words) != _ending(other.verb_words):
        return None  # a particle may stand behind the thing: "turns the tap off"
    return _replaced(said, said.verb_words, other.verb_words)


def _ending(verb_words: str) -> str:
    """Return "ing", "s" or "", as a verb is written."""
    return next((ending for ending in ("ing", "s") if verb_words.endswith(ending)), "")


def _replaced(said: Narration, words: str, others: str) -> Narration | None:
    """Put words in the place of others in a narration; None where they stand in it more than once, or not as words."""
    found = re.findall(rf"(?<!\w){re.escape(words)}(?!\w)", said.text)
    if len(found) != 1:
        return None
    # "a" before a consonant and "an" before a vowel
    article = "an " if others[0].lower() in "aeiou" else "a "
    text = re.sub(
        rf"(?<!\w)(?:an? )?{re.escape(words)}(?!\w)", lambda match: _with_article(match[0], article, others), said.text
    )
    return read_narration(text)


def _with_article(old: str, article: str, others: str) -> str:
    return (article if old.startswith(("a ", "an ")) else "") + others
