"""What a teacher is asked about a clip: five descriptive, three temporal and four spatial queries, in our own words.

Of each family one query is drawn for each segment, so a segment has three (systems §2.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from components.records import content_id

Wording = dict[str, tuple[str, ...]]  # family -> its queries

OPEN: Wording = {
    "descriptive": (
        "Describe what the person does in this video, and with which objects.",
        "Which activity is going on here, and how is it done?",
        "Sum up this video for someone who cannot see it.",
        "Which objects does the person use, and what do they look like?",
        "What is the person trying to achieve, and by which means?",
    ),
    "temporal": (
        "Tell the actions of the person in the order in which they happen.",
        "How does the video begin, what follows, and how does it end?",
        "What changes on the objects and in the hands from the beginning of the video to its end?",
    ),
    "spatial": (
        "Where are the objects that the person uses, seen from the hands and from one another?",
        "Which hand holds or touches what, and where are the hands?",
        "At which place does the person work, and what lies around it?",
        "How do the hands and the objects move through the room?",
    ),
}
# in words that the miniature's language model has learned; its clips show one action, so the temporal ones ask for that
KITCHEN: Wording = {
    "descriptive": (
        "describe what C does.",
        "what happens in this clip?",
        "say in one sentence what C does.",
        "tell what happens here.",
        "describe the action in this clip.",
    ),
    "temporal": ("which action is this?", "name the verb of this clip.", "what is the action in this clip?"),
    "spatial": (
        "what does C do, to which object, with which hand?",
        "look at the hands. what do they do?",
        "say what C does, with which hand.",
        "describe what the hands do.",
    ),
}
WORDINGS: dict[str, Wording] = {"open": OPEN, "kitchen": KITCHEN}


def drawn(wording: Wording, *key: object) -> Iterator[tuple[str, str]]:
    """Yield (family, query), one of each family; the same key draws the same.

    >>> [family for family, _ in drawn(KITCHEN, "segment", 0)]
    ['descriptive', 'temporal', 'spatial']
    """
    for family, queries in wording.items():
        yield family, queries[below(len(queries), family, *key)]


def below(count: int, *key: object) -> int:
    """Draw a number from 0 to `count - 1` by content alone."""
    return int(content_id(*key), 16) % count
