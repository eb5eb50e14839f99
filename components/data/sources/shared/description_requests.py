"""Whether a question asks for nothing but a description of what is shown, in the words of LLaVA's lists."""

from __future__ import annotations

import re

_MEDIUM = (
    r"(?:(?:the|this|that|an?)\s+)?(?:(?:following|given|presented|provided|displayed|shown|input|entire|whole)\s+)*"
    r"(?:image|picture|photo|photograph|video|clip|scene|footage)\b(?!['’]s)"
)
_CONTENT = r"(?:the\s+(?:visual\s+|important\s+|various\s+)?(?:contents?|elements|details|aspects)\s+of\s+)?"
_VERB = r"(?:describe|caption|summari[sz]e|narrate|portray|characteri[sz]e|explain|analy[sz]e|depict)"
_NOUN = r"(?:description|caption|summary|explanation|account|narrative|interpretation|rundown|depiction|overview)"
_HOW = rf"(?:\s+(?:here|briefly|concisely|in\s+(?:(?:great|full|more)\s+)?details?|in\s+{_MEDIUM}))*"
_REQUEST = re.compile(
    r"^(?:please\s+|(?:can|could)\s+you\s+(?:please\s+)?)?"
    rf"(?:{_VERB}\s+{_CONTENT}{_MEDIUM}"
    rf"|(?:describe|caption)\s+(?:it|this|what\s+(?:you\s+see|is\s+(?:shown|happening)|happens)){_HOW}\W*$"
    rf"|what(?:\s+is|['’]s|\s+do\s+you\s+see)\s+(?:(?:happening|going\s+on|shown|depicted)\s+)?in\s+{_MEDIUM}\W*$)"
    rf"|\b{_NOUN}\s+(?:of|for|representing)\s+{_MEDIUM}",
    re.IGNORECASE,
)
# something else is asked for, too: the answer to it would be learned as a caption
_MORE = re.compile(
    r"[.!?:;]\s+\S|\b(?:then|after|count|answer)\b|\band\s+(?:\w+\s+)?(?:the|how|who|what|why|where|which|if)\b", re.I
)


def asks_to_describe(question: str) -> bool:
    """Return whether the answer to a question is a caption; other wordings than these count as questions.

    >>> asks_to_describe("Describe the image concisely."), asks_to_describe("Describe the man in the image.")
    (True, False)
    """
    return _REQUEST.search(question) is not None and _MORE.search(question) is None
