"""Whose action a narration tells, by its text: Ego4D's tags `#C` and `#O`, and the letters C and O as its first word.

C is the camera wearer and O another person (Grauman et al., arXiv 2110.07058, and the rows of narration.json and
egoclip.csv). Annotators also write a tag in lower case, after a space or without one behind it ("#Cc picks").
"""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# RE2's syntax too: no look-ahead
_SUBJECT = r"^\s*(?:#\s*[Uu]nsure\s*)*(?:#\s*(?P<tag>[CcOo])|(?P<word>[CcOo])(?:[\s,.]|$))"
_PATTERN = re.compile(_SUBJECT)


def subject(text: str) -> str | None:
    """Return "C", "O", or None where the text does not say.

    >>> subject("#O a man cuts"), subject("O looks at C."), subject("#c c cuts"), subject("The man cuts")
    ('O', 'O', 'C', None)
    """
    found = _PATTERN.match(text)
    return (found["tag"] or found["word"]).upper() if found else None


def subjects(texts: pd.Series) -> pd.Series:
    """Return `subject` of each text; the index stays.

    >>> subjects(pd.Series(["#Oa man cuts", "C cuts", "Oil drips"])).tolist()
    ['O', 'C', None]
    """
    parts = pc.extract_regex(pa.array(texts, pa.string()), _SUBJECT)
    tag, word = (pc.struct_field(parts, name) for name in ("tag", "word"))
    letters = pc.utf8_upper(pc.binary_join_element_wise(tag, word, ""))
    return pd.Series(letters.to_pylist(), index=texts.index, dtype=object)
