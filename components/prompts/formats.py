"""Every template that a model reads or writes, and the parsers that read its answers back.

Pure text: no video, no model. Training, rewards, evaluation and the data steps share these functions, so what is asked,
what is trained on and what is scored cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def think_answer(thought: str, answer: str) -> str:
    """Wrap reasoning and answer in the one format that rewards accept (systems §0.2)."""
    return f"<think>{thought}</think><answer>{answer}</answer>"


_THINK_ANSWER = re.compile(r"<think>(.*?)</think>\s*<answer>(.*?)</answer>", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def split_think_answer(completion: str) -> tuple[str, str] | None:
    """Return (thought, answer) if the completion is exactly one think block and one answer block, else None."""
    match = _THINK_ANSWER.fullmatch(completion.strip())
    if match is None or any(completion.count(tag) != 1 for tag in _TAGS):
        return None
    return match.group(1).strip(), match.group(2).strip()


MOST_CITED = 3  # key frames that an answer may name, k of systems §3
_CITED = re.compile(r"<frames>(.*?)</frames>", re.DOTALL)
_NUMBERS = re.compile(r"\s*\d{1,4}(?:\s*,\s*\d{1,4})*\s*")


def cite_frames(question: str, n_frames: int) -> str:
    """Ask for the key frames too (K-cite, systems §3); the prompt shows the frames in order, numbered from 0.

    >>> cite_frames("when?", 16)
    'when? the frames are 0 to 15; inside think, name at most 3 that show it: <frames>i,j,k</frames>'
    """
    wanted = "<frames>i,j,k</frames>"
    return (
        f"{question} the frames are 0 to {n_frames - 1}; inside think, name at most {MOST_CITED} that show it: {wanted}"
    )


def parse_frames(thought: str) -> set[int] | None:
    """Read the frames that a thought cites; None unless exactly one list of numbers stands there.

    >>> sorted(parse_frames("it is cut <frames>4, 2</frames>"))
    [2, 4]
    """
    lists = _CITED.findall(thought)
    if len(lists) != 1 or not _NUMBERS.fullmatch(lists[0]):
        return None
    return {int(number) for number in lists[0].split(",")}


def same_words(one: str, other: str) -> bool:
    """Compare two answers but for case and spacing, for a word-level tokenizer puts its own spaces."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def format_box(box_xyxy: tuple[float, float, float, float], grid: int) -> str:
    """Write a box in percent of the frame as integers, rounded to multiples of `grid`.

    >>> format_box((11.9, 30.2, 41.0, 57.7), 4)
    '[12, 32, 40, 56]'
    """
    # halves round up, so that the text does not depend on banker's rounding
    return "[" + ", ".join(str(min(100, max(0, int(value / grid + 0.5) * grid))) for value in box_xyxy) + "]"


_BOX = re.compile(r"^\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]$")


def parse_box(answer: str) -> tuple[float, float, float, float] | None:
    """Read `[x1, y1, x2, y2]` (integers, percent of the frame); None if malformed, inverted or beyond 100."""
    match = _BOX.match(answer.strip())
    if match is None:
        return None
    x1, y1, x2, y2 = (float(value) for value in match.groups())
    return (x1, y1, x2, y2) if x1 < x2 <= 100 and y1 < y2 <= 100 else None


def format_span(start_s: float, end_s: float, step_s: float) -> str:
    """Write a span as text; it is never empty.

    Args:
        start_s: its start in seconds from the start of the window.
        end_s: its end.
        step_s: both are rounded to multiples of this, seconds.

    >>> format_span(3.1, 5.9, 1.0), format_span(1203.6, 1207.8, 0.25)
    ('(3, 6)', '(1203.5, 1207.75)')
    """
    start = int(start_s / step_s + 0.5)
    end = max(int(end_s / step_s + 0.5), start + 1)
    # nine digits: more would show that 0.1 * 3 is no 0.3, and the usual six are too few for an hour
    return f"({start * step_s:.9g}, {end * step_s:.9g})"


# a word-level tokenizer puts spaces around the point
_NUMBER = r"(\d+(?:\s*\.\s*\d+)?)"
_SPAN = re.compile(rf"^\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)$")


def parse_span(answer: str) -> tuple[float, float] | None:
    """Read `(start, end)` in seconds; None if malformed or start >= end (systems §0.2).

    >>> parse_span("( 3 . 25 , 6 )")
    (3.25, 6.0)
    """
    match = _SPAN.match(answer.strip())
    if match is None:
        return None
    start_s, end_s = (float("".join(number.split())) for number in match.groups())
    return (start_s, end_s) if start_s < end_s else None


def horizontal_place(box_xyxy: tuple[float, float, float, float]) -> str:
    """Name the third of the frame that holds the box's centre: "left", "middle" or "right"."""
    return ("left", "middle", "right")[min(2, int((box_xyxy[0] + box_xyxy[2]) / 2 / 33.4))]


def spatial_question(name: str) -> str:
    """Ask for a box; "where" stands for the long prompt of EgoThinker RFT (systems §4.2)."""
    return f"where is the {name}?"


def spatial_answer(name: str, box_xyxy: tuple[float, float, float, float], grid: int) -> str:
    """Write the reasoning about the place, then the box.

    Args:
        name: of the object or hand.
        box_xyxy: in percent of the frame.
        grid: the box is rounded to multiples of this percentage.
    """
    return think_answer(f"the {name} is on the {horizontal_place(box_xyxy)}", format_box(box_xyxy, grid))


def temporal_question(event: str) -> str:
    """Ask for an interval; "when" stands for the long prompt of EgoThinker RFT (systems §4.2)."""
    return f"when is it that {event}?"


YES, NO = "yes", "no"  # the options of a question whether something is so


def verification_question(event: str) -> str:
    """Ask whether what is shown is this event (EgoExo-Con, systems §5.1).

    >>> verification_question("C washes the red cup")
    'does this happen: C washes the red cup?'
    """
    return f"does this happen: {event}?"


def temporal_answer(event: str, start_s: float, end_s: float, step_s: float) -> str:
    """Write the event as the reasoning, then the interval.

    Args:
        event: what happens.
        start_s: seconds from the start of the window.
        end_s: seconds from the start of the window.
        step_s: both are rounded to multiples of this.
    """
    return think_answer(event, format_span(start_s, end_s, step_s))


def with_options(question: str, choices: Sequence[str]) -> str:
    """Say the options of a closed question behind it.

    >>> with_options("which hand?", ["left", "right"])
    'which hand? Choose one of: left; right.'
    """
    return f"{question} Choose one of: {'; '.join(choices)}."
