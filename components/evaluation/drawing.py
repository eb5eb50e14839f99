"""Answers about films as one picture: a box on its frame, an interval on a strip of frames with their times."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components import video
from components.evaluation.film import Film
from components.evaluation.film_answer import FilmAnswer
from components.video import image_file

WIDTH = 640  # of one view, pixels
COLUMNS, MOST_FRAMES = 4, 8
MARGIN, GAP, TEXT_PX, LINE_PX = 16, 6, 15, 20
PAPER, INK, SOFT, RAIL, ANSWERED = "#fbfaf8", "#22242a", "#6c7079", "#d9d6cf", "#d9661f"


def draw(question: str, answers: Sequence[tuple[FilmAnswer, Film]], output: Path) -> None:
    """Draw a question and its answers, the views side by side.

    Args:
        question: text.
        answers: of one view or of two, with what was shown.
        output: picture file; its ending says the format.

    Raises:
        ValueError: Pillow knows no format of that ending.
    """
    if output.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"{output} came, allowed are pictures whose ending says their format: .png, .jpg, .webp, …")
    panels = [_panel(answer, shown) for answer, shown in answers]
    asked = _text([(question, INK)], WIDTH * len(panels) + MARGIN * (len(panels) - 1))
    width = asked.width + 2 * MARGIN
    height = asked.height + max(panel.height for panel in panels) + 3 * MARGIN
    page = Image.new("RGB", (width, height), PAPER)
    page.paste(asked, (MARGIN, MARGIN))
    for place, panel in enumerate(panels):
        page.paste(panel, (MARGIN + place * (WIDTH + MARGIN), asked.height + 2 * MARGIN))
    page.save(output)


def _panel(answer: FilmAnswer, shown: Film) -> Image.Image:
    """Return what one view shows, WIDTH pixels wide: its frames, and below them the answer."""
    parts = [_boxed(answer, shown)] if shown.frame_kind == "image" else [_strip(answer, shown)]
    if shown.frame_kind != "image":
        parts.append(_time_line(answer))
    lines = [(f"{answer.view}: {answer.answer or 'no answer'}", INK)]
    lines += [(answer.thought, SOFT)] if answer.thought else []
    lines += [(note, ANSWERED) for note in answer.notes]
    parts.append(_text(lines, WIDTH))
    panel = Image.new("RGB", (WIDTH, sum(part.height + GAP for part in parts)), PAPER)
    top = 0
    for part in parts:
        panel.paste(part, (0, top))
        top += part.height + GAP
    return panel


def _boxed(answer: FilmAnswer, shown: Film) -> Image.Image:
    [frame] = _pictures(shown, shown.indices[:1], WIDTH)
    if answer.box_xyxy is not None:
        sides = (frame.width, frame.height) * 2
        place = [percent / 100 * side for percent, side in zip(answer.box_xyxy, sides, strict=True)]
        ImageDraw.Draw(frame).rectangle(place, outline=ANSWERED, width=3)
    return frame


def _strip(answer: FilmAnswer, shown: Film) -> Image.Image:
    """Return some of the frames with their times; those inside the answered interval have a coloured edge."""
    chosen = np.unique(np.linspace(0, len(shown.indices) - 1, MOST_FRAMES).round().astype(int))
    width = (WIDTH - GAP * (COLUMNS - 1)) // COLUMNS
    pictures = _pictures(shown, shown.indices[chosen], width)
    height = pictures[0].height + LINE_PX
    rows = -(-len(pictures) // COLUMNS)
    strip = Image.new("RGB", (WIDTH, rows * height), PAPER)
    pen = ImageDraw.Draw(strip)
    for number, (picture, time_s) in enumerate(zip(pictures, shown.times_s[chosen], strict=True)):
        left, top = number % COLUMNS * (width + GAP), number // COLUMNS * height
        strip.paste(picture, (left, top))
        is_inside = answer.span_s is not None and answer.span_s[0] <= time_s < answer.span_s[1]
        if is_inside:
            pen.rectangle((left, top, left + picture.width - 1, top + picture.height - 1), outline=ANSWERED, width=3)
        pen.text(
            (left, top + picture.height), f"{time_s:.2f} s", fill=ANSWERED if is_inside else SOFT, font=_font(TEXT_PX)
        )
    return strip


def _time_line(answer: FilmAnswer) -> Image.Image:
    """Return the part of the film that was shown as a line, with the answered interval on it."""
    line = Image.new("RGB", (WIDTH, 10 + LINE_PX), PAPER)
    pen, (start_s, end_s) = ImageDraw.Draw(line), answer.part_s

    def across(time_s: float) -> float:
        return min(1.0, max(0.0, (time_s - start_s) / (end_s - start_s))) * (WIDTH - 1)

    pen.rectangle((0, 0, WIDTH, 8), fill=RAIL)
    if answer.span_s is not None:
        pen.rectangle((across(answer.span_s[0]), 0, across(answer.span_s[1]), 8), fill=ANSWERED)
    for time_s, anchor, at in ((start_s, "la", 0), (end_s, "ra", WIDTH - 1)):
        pen.text((at, 10), f"{time_s:g} s", fill=SOFT, anchor=anchor, font=_font(TEXT_PX))
    return line


def _pictures(shown: Film, indices: np.ndarray, width: int) -> list[Image.Image]:
    """Decode frames again, for people: at the width that is drawn, and in the film's own aspect."""
    if shown.path.is_file() and image_file.is_image(shown.path):
        tall, wide = image_file.read(shown.path).shape[:2]
    else:
        wide, tall = video.frame_size_px(shown.path)
    frames_THWC = video.decode(shown.path, indices, size_px=width)
    return [Image.fromarray(frame).resize((width, max(1, round(width * tall / wide)))) for frame in frames_THWC]


def _text(lines: Sequence[tuple[str, str]], width: int) -> Image.Image:
    """Return lines of text and colour, wrapped."""
    most = width // (TEXT_PX * 11 // 20)
    wrapped = [(part, colour) for line, colour in lines for part in textwrap.wrap(line, most) or [""]]
    block = Image.new("RGB", (width, LINE_PX * len(wrapped)), PAPER)
    for number, (line, colour) in enumerate(wrapped):
        ImageDraw.Draw(block).text((0, number * LINE_PX), line, fill=colour, font=_font(TEXT_PX))
    return block


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)
