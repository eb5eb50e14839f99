"""The facts of a thought, slot by slot, as the rewards of View-GRPO compare them. Not a reward itself.

A thought is read sentence by sentence: every word of the miniature kitchen's grammar counts wherever it stands, and
what `prompts.narration_text` reads of free text counts beside it. Words are in base form. That is by rule
(`prompts.word_forms`), where the paper takes the lemmas of spaCy: no model of spaCy comes with the project.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from components.metrics import Span, temporal_iou
from components.prompts import kitchen_grammar
from components.prompts.narration_text import read_narration
from components.prompts.narration_words import DETERMINERS
from components.prompts.word_forms import base_form

_THEN = r"\b(?:and then|after that|then|first|next|finally|while)\b,?"
# "and" ends a sentence before what may be a verb
_SENTENCE = re.compile(rf"[.;](?!\d)|,?\s*{_THEN}|,? and (?=\w+s\b)", re.IGNORECASE)
_SPACED_POINT = re.compile(r"(\d) ?\. ?(\d)")  # a word-level tokenizer puts spaces around the point
_SECONDS = r"(\d+(?:\.\d+)?)(?: ?s(?:econds?)?\b)?"
_SPAN = re.compile(rf"{_SECONDS} (?:to|until|and) {_SECONDS}|\( ?{_SECONDS} ?, ?{_SECONDS} ?\)")
_HAND = re.compile(r"\b(left|right|both) hands?\b")


def _base(verb: str) -> str:
    """Return the base form of a verb with its particle: "picks up" -> "pick up"."""
    first, *particle = verb.split()
    return " ".join([base_form(first), *particle])


_KITCHEN = {
    **{verb: ("action", _base(verb)) for verb in kitchen_grammar.VERBS},
    **{noun: ("object", noun) for noun in (*kitchen_grammar.KINDS, *kitchen_grammar.REGIONS)},
    **{colour: ("colour", colour) for colour in kitchen_grammar.COLOURS},
}
_KITCHEN_WORD = re.compile(rf"\b({'|'.join(_KITCHEN)})\b")


@dataclass(frozen=True)
class ThoughtFacts:
    """What a thought says.

    Args:
        sequence: the actions as they are said, one after another; in base form, with their particle: "pick up".
        objects: nouns in the singular.
        colours: and other attributes.
        hands: "left", "right" or "both".
        spans: the intervals that it names, seconds.
    """

    sequence: tuple[str, ...]
    objects: frozenset[str]
    colours: frozenset[str]
    hands: frozenset[str]
    spans: tuple[Span, ...]

    @property
    def actions(self) -> frozenset[str]:
        """What is done."""
        return frozenset(self.sequence)

    @property
    def things(self) -> frozenset[str]:
        """What is spoken of: objects, and as elements of their own their colours, which tell objects apart."""
        return self.objects | self.colours


@lru_cache(1 << 14)  # each thought is compared with many others
def facts_of(thought: str) -> ThoughtFacts:
    """Read the facts of a thought; what cannot be read is not there.

    >>> said = facts_of("first C picks up the red cup, then C washes it with the left hand from 3 to 6 s.")
    >>> sorted(said.actions), sorted(said.objects), said.hands, said.spans
    (['pick up', 'wash'], ['cup'], frozenset({'left'}), ((3.0, 6.0),))
    >>> facts_of("C washes the cup from 3 to 6 seconds.") == facts_of("C washes the cup from 3 s to 6 s.")
    True
    """
    thought = _SPACED_POINT.sub(r"\1.\2", " ".join(thought.split()))
    sentences = _SENTENCE.split(_SPAN.sub("", thought))
    found = [fact for sentence in sentences for fact in _of_sentence(sentence.strip(" ,"))]
    slots = {slot: tuple(word for kind, word in found if kind == slot) for slot in ("action", "object", "colour")}
    numbers = [[float(number) for number in match.groups() if number] for match in _SPAN.finditer(thought)]
    return ThoughtFacts(
        sequence=slots["action"],
        objects=frozenset(slots["object"]),
        colours=frozenset(slots["colour"]),
        hands=frozenset(_HAND.findall(thought)),
        spans=tuple((start_s, end_s) for start_s, end_s in numbers if start_s < end_s),
    )


def _of_sentence(sentence: str) -> list[tuple[str, str]]:
    """Return slot and word of the facts of a sentence, in their order."""
    said = read_narration(sentence)
    named = (said.object, said.place[1] if said.place else None)
    things = [thing for thing in named if thing and thing.noun.isalpha() and thing.noun not in DETERMINERS]
    # without a thing, a word in the verb's place may be any word
    found = [("action", said.verb)] if said.verb and things else []
    for thing in things:
        found += [*(("colour", word) for _, word in thing.attributes), ("object", thing.noun)]
    found += [_KITCHEN[match[1]] for match in _KITCHEN_WORD.finditer(sentence)]
    return list(dict.fromkeys(found))


def jaccard(one: Set[Hashable], other: Set[Hashable]) -> float:
    """Return the share of what two sets hold together that both hold; 0 where both are empty.

    >>> jaccard({"wash", "cut"}, {"wash"}), jaccard(set(), set())
    (0.5, 0.0)
    """
    return len(one & other) / len(one | other) if one | other else 0.0


def likeness(one: ThoughtFacts, other: ThoughtFacts) -> float:
    """Return how much two thoughts say the same, 0 to 1: the mean over the slots that either fills.

    Slots: actions, objects, colours, hands, and which action comes before which, by F1; the intervals by the IoU of the
    best match of each.

    >>> likeness(facts_of("C washes the red cup"), facts_of("C washes the blue cup"))
    0.6666666666666666
    """
    slots = [(each.actions, each.objects, each.colours, each.hands, _before(each.sequence)) for each in (one, other)]
    scores = [2 * len(a & b) / (len(a) + len(b)) for a, b in zip(*slots, strict=True) if a or b]
    if one.spans or other.spans:
        scores.append((_overlap(one.spans, other.spans) + _overlap(other.spans, one.spans)) / 2)
    return sum(scores) / len(scores) if scores else 0.0


def _before(sequence: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """Return each two actions, the earlier one first."""
    return frozenset(combinations(sequence, 2))


def _overlap(spans: tuple[Span, ...], others: tuple[Span, ...]) -> float:
    """Return the mean IoU of each span with the other that is most like it."""
    best = [max((temporal_iou(span, other) for other in others), default=0.0) for span in spans]
    return sum(best) / len(best) if best else 0.0
