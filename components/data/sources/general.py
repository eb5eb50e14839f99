"""Conversations about images and videos on disk -> rows of `records.CAPTION` and `records.QUESTION`; also a user's own.

Files: *.json (an array or an object of records) and *.jsonl (a record on each line), in the folder of the source or one
below it. A record is a conversation in one of the forms of shared/conversations.py, with one image or video, whose path
is relative to the folder that its file lies in. Optional members of a record: `start` and `end` (seconds of the video;
without them it is about the whole), `view` ("ego" or "exo", which is the default), `split` ("train", the default, or
"test") and `question_type`. EgoExoLearn's Video_QA is such a file.

One row in is one question with its answer; a turn that has no other, and a record without a conversation, is one too. A
question that asks to describe what is shown makes a caption. Options in its text make a closed question, whose answer
is the text of the option that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

import pandas as pd

from components.data.sources.shared import conversations
from components.data.sources.shared.cleaning import captions, questions
from components.data.sources.shared.description_requests import asks_to_describe
from components.data.sources.shared.json_stream import json_items
from components.data.sources.shared.json_values import decode
from components.data.sources.shared.rejecting import Tables, reject_rows
from components.data.sources.shared.written_options import chosen, split_options

SOURCE = "general"
ENDINGS = (".json", ".jsonl")
BATCH_RECORDS = 20_000
VIEWS, SPLITS = ("ego", "exo"), ("train", "test")
_LETTER, _MARK = re.compile(r"\(?[A-Za-z]\)?[.:]?"), re.compile(r"(?:^|\s)\(?[A-Za-z][).:]\s")
_REJECT = ["row_id", "reason", "detail"]
_COLUMNS = [
    *("row_id", "path", "media", "start_s", "end_s", "view", "split"),
    *("text", "question", "answer", "wrong_answers", "other_answers", "category"),
]
_LINK = re.compile(r"[a-z]{2,}:", re.IGNORECASE)  # https:, data:, file:


def read(root: Path) -> Iterator[Tables]:
    """Read the files below `root` in batches.

    Yields:
        tables {"captions"} or {"questions"} and the rejects; each row read is in exactly one of them.

    Raises:
        ValueError: there is no file, or a .json file is broken.
    """
    found = [path for pattern in ("*.json*", "*/*.json*") for path in sorted(root.glob(pattern))]
    paths = [path for path in found if path.suffix in ENDINGS and path.is_file()]
    if not paths:
        raise ValueError(
            f"{root}: *.json or *.jsonl is missing, there and in its folders; put your conversations there "
            f"(docs/your-own-data.md), or mend sources.{SOURCE} in params/data.yaml"
        )
    for path in paths:
        items = _lines(path) if path.suffix == ".jsonl" else json_items(path, source=SOURCE)
        file = path.relative_to(root)
        while batch := list(islice(items, BATCH_RECORDS)):
            rows, rejects = [], []
            for key, record in batch:
                for row in _rows(f"{file}:{key}", record, file.parent):
                    (rejects if "reason" in row else rows).append(row)
            refused = pd.DataFrame(rejects, columns=_REJECT)
            yield {}, reject_rows(SOURCE, *(refused[name] for name in _REJECT))
            yield from _tables(rows)


def _lines(path: Path) -> Iterator[tuple[int, object]]:
    """Yield the number and the content of each line; of a line that is no JSON the error."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, decode(line.decode("utf-8-sig"))
                except (ValueError, RecursionError) as error:
                    yield number, error


def _rows(name: str, record: object, folder: Path) -> Iterator[dict]:
    """Yield a row for each question of a record; of what makes none `row_id`, `reason` and `detail`."""
    if not isinstance(record, dict):
        reason = "malformed_line" if isinstance(record, Exception) else "not_an_object"
        yield {"row_id": name, "reason": reason, "detail": record}
        return
    said = conversations.turns(record)
    if not said:
        yield {"row_id": name, "reason": "no_turns", "detail": list(record)}
    files = conversations.media(record)
    about = _about(record, files)
    for pair in conversations.pairs(said):
        row_id, reason = f"{name}/{pair.turn}", pair.reason or about
        row = {} if reason else _asked(pair, files[0][1])
        if reason := reason or row.get("reason"):
            named = f"{len(files)} came, one is allowed: {files}" if len(files) > 1 else f"{files}"
            yield {"row_id": row_id, "reason": reason, "detail": f"{named} | {pair.question} | {pair.answer}"}
            continue
        kind, path = files[0]
        row |= {"row_id": row_id, "media": kind, "path": str(PurePosixPath(folder.as_posix(), path)) if path else ""}
        row |= {"start_s": record.get("start"), "end_s": record.get("end"), "category": record.get("question_type")}
        yield row | {"view": record.get("view") or "exo", "split": record.get("split") or "train"}


def _about(record: dict, files: list[tuple[str, str]]) -> str:
    """Say why no question of a record can be asked; "" where nothing is wrong."""
    if not files:
        return "no_medium"
    if len(files) > 1:  # a sample is about one
        return "several_images" if {kind for kind, _ in files} == {"image"} else "several_media"
    if _LINK.match(files[0][1]):
        return "not_a_path"
    if record.get("view") not in (None, *VIEWS):
        return "unknown_view"
    if record.get("split") not in (None, *SPLITS):
        return "unknown_split"
    kind = record.get("question_type")
    return "" if kind is None or (isinstance(kind, str) and kind.strip()) else "bad_question_type"


def _asked(pair: conversations.Pair, path: str) -> dict:
    """Return what a pair asks: a caption (`text`), or `question`, `answer` and `wrong_answers`; or the `reason`."""
    if PurePosixPath(path).suffix and PurePosixPath(path).name in pair.question:
        return {"reason": "names_its_medium"}  # a path may tell the answer
    question, options = split_options(pair.question)
    if not options:
        if not question or asks_to_describe(question):
            return {"text": pair.answer}
        # options in a form that is not read: a model would learn letters
        if _LETTER.fullmatch(pair.answer.strip()) and len(_MARK.findall(question)) > 1:
            return {"reason": "letter_without_options"}
        return {"question": question, "answer": pair.answer, "wrong_answers": None}
    right = chosen(pair.answer, options)
    if right is None:
        return {"reason": "answer_is_no_option"}
    return {"question": question, "answer": options[right], "wrong_answers": options[:right] + options[right + 1 :]}


def _tables(rows: list[dict]) -> Iterator[Tables]:
    """Yield the captions and the questions, each with those of a whole medium by themselves: they have no times."""
    frame = pd.DataFrame([dict.fromkeys(_COLUMNS) | row for row in rows], columns=_COLUMNS, dtype=object)
    is_caption = frame["text"].notna()
    spanned = frame["start_s"].notna() | frame["end_s"].notna()
    for captioned in (True, False):
        for has_span in (True, False):
            part = frame[(is_caption == captioned) & (spanned == has_span)].reset_index(drop=True)
            if not has_span:
                part = part.drop(columns=["start_s", "end_s"])
            if len(part):
                part = part.assign(**{name: part[name].astype("str") for name in ("row_id", "path", "split")})
                yield captions(part, source=SOURCE) if captioned else questions(part, source=SOURCE)
