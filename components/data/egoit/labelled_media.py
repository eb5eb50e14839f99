"""EgoIT's samples of sources that have media in place of takes: the action of labelled clips, and written questions.

A record becomes one sample, about the span that it names or about its whole medium.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egoit.instruction_sampling import Instructions, sampled
from components.data.egore.multiple_choice import QA, draw, options
from components.records import content_id

CHOICES = 4
Labelled = dict[str, tuple[list[str], list[str]]]  # source -> ids and labels
LONGEST_CLIP_S = 10.0  # of a longer span, as many frames are sampled as of a window of EgoRe's long questions
_DRAWS = 1_000_000  # random draws are whole numbers below this
_TRIES = 20  # draws of wrong labels; only where nearly all records of a source have one label are these too few


def placed(frame: pd.DataFrame, videos: pd.DataFrame, *, key: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the videos of captions or questions, and their spans.

    Args:
        frame: rows of `records.CAPTION` or `records.QUESTION`.
        key: the column of their ids.
        videos: rows of `records.VIDEO` whose take_name is the path of a medium.

    Returns:
        The rows with `video_id`, `take_id`, `view`, `start_s`, `end_s`, `frame_kind` (an image is a medium of one
        frame) and `parent`; and those whose medium is no video (`no_video`) or ends before their span does
        (`outside_video`).
    """
    columns = ["source", "take_name", "video_id", "take_id", "view", "duration_s", "fps"]
    frame = frame.drop(columns=["view", "media"], errors="ignore").merge(
        videos[columns], left_on=["source", "path"], right_on=["source", "take_name"], how="left"
    )
    start_s, end_s = frame["start_s"].fillna(0.0), frame["end_s"].fillna(frame["duration_s"])
    beyond = (end_s > frame["duration_s"] + 1 / frame["fps"]) | (start_s >= frame["duration_s"])
    reason = np.select([frame["video_id"].isna(), beyond], ["no_video", "outside_video"], "")
    lost = frame[reason != ""]
    rejected = sample_table.dropped(lost.assign(told=_told(lost)), reason[reason != ""], row_id=key, detail="told")
    end_s = np.minimum(end_s, frame["duration_s"])
    is_image = np.rint(frame["duration_s"] * frame["fps"]) == 1
    frame_kind = np.select([is_image, end_s - start_s > LONGEST_CLIP_S], ["image", "window"], "clip")
    frame = frame.assign(start_s=start_s, end_s=end_s, frame_kind=frame_kind, parent=frame[key])
    return frame[reason == ""], rejected


def _told(frame: pd.DataFrame) -> list[str]:
    """Say of rejected captions or questions by what a person finds them in their source, and of spans what is wrong."""
    said = frame["text"] if "text" in frame else frame["question"]
    columns = (frame[name] for name in ("path", "start_s", "end_s", "duration_s"))
    return [
        f"{path}: {text}" if pd.isna(length_s) else f"{path}, {start_s:g} to {end_s:g} s of {length_s:g} s: {text}"
        for path, start_s, end_s, length_s, text in zip(*columns, said, strict=True)
    ]


def labelled(captions: pd.DataFrame, instructions: Instructions) -> Labelled:
    """Return the ids and labels of the records (as `placed`) of each source that has instructions."""
    known = captions[captions["source"].isin(list(instructions))]
    labels = known["text"].map(_as_words)
    return {
        source: (known["parent"][rows].tolist(), labels[rows].tolist())
        for source, rows in known.groupby("source").groups.items()
    }


def joined(parts: Iterable[Labelled]) -> dict[str, list[str]]:
    """Return the labels of each source in the order of the ids of their records, whatever part a record is in."""
    found: dict[str, list[tuple[str, str]]] = {}
    # one text object for a label, however many records have it
    texts: dict[str, str] = {}
    for part in parts:
        for source, (ids, labels) in part.items():
            shared = (texts.setdefault(label, label) for label in labels)
            found.setdefault(source, []).extend(zip(ids, shared, strict=True))
    return {source: [label for _, label in sorted(records)] for source, records in found.items()}


def recognised(
    captions: pd.DataFrame, instructions: Instructions, labels: dict[str, list[str]], *, open_share: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask for the action of labelled clips (as `placed`): a share of them openly, the others among other labels.

    Wrong labels are drawn from the records of the source, not from its list of labels: a frequent label is a frequent
    wrong option too, and to guess it gains little.

    Args:
        captions: records as `placed` returns them.
        instructions: of each source.
        labels: of all records of each source, as `joined` returns them: so the draws do not depend on the order of the
            table.
        open_share: of the clips, 0 to 1, that are asked for without options.
        seed: of the draws.

    Returns:
        Samples for `sample_table.table`, and the records of sources without instructions.
    """
    question = sampled(captions["parent"], captions["source"], instructions, seed=seed)
    captions = captions.assign(question=question, answer=captions["text"].map(_as_words))
    unknown = captions["question"].isna()
    rejected = sample_table.dropped(captions[unknown], "no_instructions", row_id="parent", detail="source")
    captions = captions[~unknown]
    asked = []
    for row in captions[["parent", "source", "question", "answer"]].itertuples(index=False):
        is_open = draw(_DRAWS, seed, "open", row.parent) < open_share * _DRAWS
        wrong = () if is_open else _others(row.answer, labels[row.source], seed, row.parent)
        asked.append(QA("action", row.question, row.answer, wrong))
    return laid_out(captions, asked, corpus="egoit", choices=CHOICES, seed=seed), rejected


def answered(questions: pd.DataFrame, instructions: Instructions, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask the questions of records (as `placed`): among their wrong answers where they have some, openly otherwise.

    An instruction stands before the question. Another right answer of the record is never a wrong option.

    Args:
        questions: records as `placed` returns them.
        instructions: of each source.
        seed: of the draws.

    Returns:
        Samples for `sample_table.table`, and the records of sources without instructions.
    """
    instruction = pd.Series(sampled(questions["parent"], questions["source"], instructions, seed=seed), questions.index)
    unknown = instruction.isna()
    rejected = sample_table.dropped(questions[unknown], "no_instructions", row_id="parent", detail="source")
    questions, instruction = questions[~unknown], instruction[~unknown]
    columns = (instruction, *(questions[name] for name in ("question", "answer", "wrong_answers", "other_answers")))
    asked = []
    for instruction_text, question, answer, wrong, others in zip(*columns, strict=True):
        right = {text.casefold() for text in (answer, *others)}
        false = tuple(text for text in wrong if text.casefold() not in right)
        asked.append(QA("question", f"{instruction_text} {question}", answer, false))
    return laid_out(questions, asked, corpus="egoit", choices=CHOICES, seed=seed), rejected


def _as_words(label: str) -> str:
    """Write a label as words of a sentence: "Cut bell pepper" is cut bell pepper; "TV on" stays."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _others(answer: str, labels: list[str], *key: object) -> tuple[str, ...]:
    """Draw labels that are not the answer."""
    found: dict[str, None] = {}
    for at in range(_TRIES):
        label = labels[draw(len(labels), *key, "label", at)]
        if label.casefold() != answer.casefold():
            found[label] = None
        if len(found) == CHOICES - 1:
            break
    return tuple(found)


def laid_out(frame: pd.DataFrame, asked: list[QA], *, corpus: str, choices: int, seed: int) -> pd.DataFrame:
    """Make samples: multiple choice where there are wrong answers, `<type>_open` with the answer as text otherwise.

    Args:
        frame: records as `placed` returns them.
        asked: the question of each.
        corpus: that the samples are of.
        choices: most options of a question.
        seed: of the order of the options.

    Returns:
        Samples for `sample_table.table`.
    """
    laid = [
        options(qa, choices, key=content_id(seed, corpus, parent)) if qa.distractors else (None, None)
        for qa, parent in zip(asked, frame["parent"], strict=True)
    ]
    return frame.assign(
        corpus=corpus,
        task="qa",
        question_type=[qa.question_type if qa.distractors else f"{qa.question_type}_open" for qa in asked],
        question=[qa.question for qa in asked],
        answer=[qa.answer for qa in asked],
        kind=["choice" if qa.distractors else "text" for qa in asked],
        text=pd.Series([None if qa.distractors else qa.answer for qa in asked], index=frame.index, dtype=object),
        choices=pd.Series([list(offered) if offered else None for offered, _ in laid], frame.index, dtype=object),
        answer_index=pd.Series([index for _, index in laid], index=frame.index, dtype="Int64"),
    )
