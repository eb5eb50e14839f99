"""Ego-Exo4D's atomic descriptions of a take -> rows of `records.NARRATION`.

Files: annotations/atomic_descriptions_{train,val}.json (EGO4D/Ego-Exo4D-docs docs/annotations/atomic_descriptions.md).
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from components.data.sources.shared import json_fields
from components.data.sources.shared.cleaning import ROUNDING_S
from components.data.sources.shared.json_fields import MemberError, finite_number, member
from components.data.sources.shared.subject_tags import subject
from components.records import content_id

SOURCE = "egoexo4d"
SUBJECTS = ("narration_subject", "subject")  # the docs' sample has the first name, the docs' text the second
FLAGS = {True: True, False: False, "1": True, "0": False}  # 1 and 0 equal True and False; older rows have strings

reject = partial(json_fields.reject_row, SOURCE)


def descriptions(take_id: str, annotations: object, split_of_take: dict[str, str | None]) -> Iterator[dict]:
    """Return the narration or the reject of each description of a take.

    Args:
        take_id: of the take.
        annotations: what the file has of it, which should be a list.
        split_of_take: our split of every take, None for one without a video.
    """
    if not isinstance(annotations, list):
        yield reject(take_id, "bad_member", f"{reprlib.repr(annotations)} came, allowed is a list of annotations")
        return
    for position, annotation in enumerate(annotations):
        try:
            descriptions, is_rejected = member(annotation, "descriptions", list), member(annotation, "rejected", bool)
            uid, annotator = (member(annotation, name, (str, int)) for name in ("annotation_uid", "annotator_id"))
        except MemberError as error:
            lost = json_fields.lost_row_ids(annotation, "descriptions", f"{take_id}/{position}")
            yield from (reject(row_id, "bad_member", error) for row_id in lost)
            continue
        for number, description in enumerate(descriptions):
            row_id = f"{uid}/{number}"
            if is_rejected:
                yield reject(row_id, "annotation_rejected", annotation.get("reject_reason"))
            elif take_id not in split_of_take:
                yield reject(row_id, "no_take", take_id)
            elif split_of_take[take_id] is None:
                yield reject(row_id, "no_video", take_id)
            else:
                row = _narration(row_id, description)
                of = {"take_id": take_id, "annotator_id": str(annotator), "split": split_of_take[take_id]}
                yield row if "reason" in row else row | of


def _narration(row_id: str, description: Any) -> dict:
    """Return the narration of a description, but for what its annotation says, or its reject."""
    try:
        text = member(description, "text", str)
        best_exo = description.get("best_exo")
        camera = None if best_exo is None else member(best_exo, "cam_id", str)
    except MemberError as error:
        return reject(row_id, "bad_member", error)
    flags = {name: description.get(name) for name in ("ego_visible", "unsure")}
    time_s = finite_number(description.get("timestamp"))
    if not all(value is None or (isinstance(value, (int, str)) and value in FLAGS) for value in flags.values()):
        return reject(row_id, "bad_flag", (*flags.values(),))
    if time_s is None:
        return reject(row_id, "no_timestamp", (description.get("timestamp"), text))
    if time_s <= -ROUNDING_S:
        return reject(row_id, "negative_time", (time_s, text))
    return {
        "narration_id": content_id(SOURCE, row_id),
        "source": SOURCE,
        "time_s": max(time_s, 0.0),
        "start_s": None,
        "end_s": None,
        "text": text,
        "subject": _subject(description, text),
        "best_exo": camera or None,
    } | {name: None if value is None else FLAGS[value] for name, value in flags.items()}


def _subject(description: dict, text: str) -> str | None:
    """Return whose action it is, "C" or "O"; where no field says it, the text does, or it is not known."""
    said = (description.get(name) for name in SUBJECTS)
    return next((who.strip() for who in said if isinstance(who, str) and who.strip() in ("C", "O")), subject(text))
