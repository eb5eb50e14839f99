"""Stage `pretraining`: captions and questions about media become the corpora of pre-training (systems §1.2, §4.2).

| corpus | samples | of |
|---|---|---|
| web | captions, exo | Panda-70M, WebVid, VIDAL, InternVid, CC-3M, DCI: what Exo2Ego's exo branch begins with |
| egoclip | captions, ego | EgoClip: what its ego branch begins with |
| general | captions and questions, exo unless a record says ego | conversations: a part of EgoThinker's SFT |

A caption is the answer to one question, always the same: to learn to describe needs no instructions. A question of a
conversation is asked as it stands, its options in an order that tells nothing.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from components.data import sample_table
from components.data.egoit.labelled_media import laid_out, placed
from components.data.egore.multiple_choice import QA
from components.data.partition import runner
from components.params import Data

CORPORA = {  # source -> the corpus of its samples
    "panda70m": "web",
    "webvid": "web",
    "vidal": "web",
    "internvid": "web",
    "cc3m": "web",
    "dci": "web",
    "egoclip": "egoclip",
    "general": "general",
}
ASKED = {"web": "what is shown?", "egoclip": "what does C do?", "general": "describe what is shown."}
MOST_CHOICES = 26  # as many as there are letters: a record keeps all of its options
COUNTED = ["corpus", "task", "view", "split"]


def described(captions: pd.DataFrame) -> pd.DataFrame:
    """Lay out captions (as `labelled_media.placed` returns them) as samples for `sample_table.table`."""
    corpus = captions["source"].map(CORPORA)
    return captions.assign(
        corpus=corpus,
        task="caption",
        question_type="caption",
        question=corpus.map(ASKED),
        answer=captions["text"],
        kind="text",
    )


def asked(questions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Lay out questions (as `labelled_media.placed` returns them) as samples: closed where there are wrong answers."""
    columns = (questions[name] for name in ("category", "question", "answer", "wrong_answers"))
    said = [
        QA("question" if pd.isna(category) else category, question, answer, tuple(wrong))
        for category, question, answer, wrong in zip(*columns, strict=True)
    ]
    return laid_out(questions, said, corpus="general", choices=MOST_CHOICES, seed=seed)


def make(parameters: dict, tables: runner.Tables) -> tuple[pa.Table, pa.Table, runner.RowCounts, list[dict]]:
    """Make the samples of a partition of media, as `runner.Step.make` does; of the parameters, `seed` is read."""
    videos = tables["media/videos"].to_pandas()
    captions, questions = (tables[f"annotations/{name}"].to_pandas() for name in ("captions", "questions"))
    captioned, lost = placed(captions, videos, key="caption_id")
    answered, unasked = placed(questions, videos, key="question_id")
    parts = [described(captioned), asked(answered, seed=parameters["seed"])]
    row_counts = [
        ("captions", len(captions), len(captioned), len(lost)),
        ("questions", len(questions), len(answered), len(unasked)),
    ]
    counted = pd.concat([part[COUNTED] for part in parts]).value_counts().rename("samples").reset_index()
    made = pa.concat_tables([sample_table.table(part) for part in parts])
    return made, sample_table.rejects("pretraining", [lost, unasked]), row_counts, counted.to_dict("records")


def run(params: Data, data_dir: Path) -> dict:
    """Read data/annotations/{captions,questions} and data/media, write data/pretraining/{samples,rejects}.parquet.

    Returns:
        `counts` by corpus, task, view and split, and `row_counts`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: see `runner.run`.
    """
    row_counts, summaries = runner.run(STEP, {"seed": params.seed}, data_dir)
    counted = pd.DataFrame([row for summary in summaries for row in summary], columns=[*COUNTED, "samples"])
    totals = counted.groupby(COUNTED)["samples"].sum()
    return {"counts": {"/".join(key): int(rows) for key, rows in totals.items()}, "row_counts": row_counts}


INPUTS = ("annotations/captions", "annotations/questions", "media/videos")
STEP = runner.Step("pretraining", INPUTS, make, sources=tuple(CORPORA))
