"""EgoIT: each record of a source becomes an instruction and its answer (systems §1.2).

The published corpus let a language model write ten instructions for each source dataset. So does this step where
`llm.generator` says so; its rules give those that are written here by hand. One is sampled for each record by its
content.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import llm, records
from components.data import instructions, samples
from components.data.egore.qa import QA, draw, options
from components.data.instructions import Instructions
from components.params import Data
from components.prompts import VERBS, narrate, slots
from components.records import content_id

CHOICES = 4
CAPTIONING = {  # narrations of a source -> its ten instructions
    "egoexo4d": (
        "what does C do?",
        "describe what C does.",
        "say in one sentence what C does.",
        "what is C doing in this clip?",
        "describe the action in this clip.",
        "tell what happens here.",
        "what does C do, to which object, with which hand?",
        "write one sentence about this clip.",
        "look at the hands. what do they do?",
        "what happens in this clip?",
    )
}
RECOGNITION = {  # intervals of a source -> its ten instructions
    "egoexolearn": (
        "which action is this?",
        "which verb is right for this clip?",
        "name the action in this clip.",
        "what is the verb of this action?",
        "say which action C does.",
        "which of these does C do?",
        "look at the hands. which action is it?",
        "name the verb of this clip.",
        "which word says what C does?",
        "what is the action in this clip?",
    ),
}


def requests(params: Data, data_dir: Path) -> list[llm.Request]:
    """Give the requests for instructions: one for each source and task that the clips and intervals have.

    Raises:
        ValueError: the rules have fewer instructions of a source than are asked for.
    """
    count = params.egoit.instructions_per_dataset
    asked: list[llm.Request] = []
    for task, table, written in (
        ("captioning", "clips/clips", CAPTIONING),
        ("recognition", "annotations/intervals", RECOGNITION),
    ):
        for source, by_hand in written.items():
            if params.llm.generator == "rules" and len(by_hand) < count:
                raise ValueError(
                    f"egoit.instructions_per_dataset is {count}, {source!r} has {len(by_hand)}; lower it in "
                    "params/data.yaml, write more in components/data/egoit.py, or let a model write them "
                    "(llm.generator)"
                )
        given = set(pq.read_table(data_dir / f"{table}.parquet", columns=["source"])["source"].unique().to_pylist())
        present = {source: by_hand for source, by_hand in written.items() if source in given}
        asked += instructions.requests(task, present, count=count)
    return asked


def sampled(ids: pd.Series, sources: pd.Series, table: Instructions, *, seed: int) -> list:
    """Sample one of the instructions of each row's source by the row's id; None for a source without any."""
    return [
        table[source][draw(len(table[source]), seed, "instruction", row)] if source in table else None
        for row, source in zip(ids, sources, strict=True)
    ]


def paired(clips: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Give each moment one of its exo clips, drawn by content: columns `moment_id` and `paired_...` of the span."""
    exo = clips[clips["view"] == "exo"]
    lot = [content_id(seed, "pair", clip) for clip in exo["clip_id"]]
    drawn = exo.assign(lot=lot).sort_values("lot").drop_duplicates("moment_id")
    span = ["video_id", "view", "start_s", "end_s"]
    return drawn[["moment_id", *span]].rename(columns={name: f"paired_{name}" for name in span})


def clip_captions(clips: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Lay out clips as caption samples without corpus and question: the narration is the answer, in every view.

    A narration of the kitchen's grammar is said in its one normal form; any other stays as it is.
    """
    facts = samples.parsed(clips["text"])
    said = [narrate(fact) if fact else text.strip() for fact, text in zip(facts, clips["text"], strict=True)]
    frame = clips.assign(
        task="caption",
        question_type="narration",
        frame_kind="clip",
        kind="text",
        answer=said,
        text=said,
        parent=clips["clip_id"],
    ).merge(paired(clips, seed=seed), on="moment_id", how="left")
    # an exo clip is its own view: only ego samples carry the other one
    mine = frame["view"] != "ego"
    names = [name for name in frame if name.startswith("paired_")]
    return frame.assign(**{name: frame[name].mask(mine) for name in names})


def captions(clips: pd.DataFrame, written: Instructions, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn narrated clips of every view into captioning samples; rejected are sources without instructions."""
    frame = clip_captions(clips, seed=seed)
    frame = frame.assign(corpus="egoit", question=sampled(frame["clip_id"], frame["source"], written, seed=seed))
    unknown = frame["question"].isna()
    rejected = samples.dropped(frame[unknown], "no_instructions", row_id="clip_id", detail="source")
    return frame[~unknown], rejected


def actions(
    intervals: pd.DataFrame, videos: pd.DataFrame, written: Instructions, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn labelled intervals into action recognition: choose the verb among four."""
    frame = intervals.merge(videos[["video_id", "view"]], on="video_id", how="left")
    verbs = {text: slots(text)["verb"] for text in frame["text"].unique()}
    frame = frame.assign(
        answer=frame["text"].map(verbs).astype(object),
        question=sampled(frame["interval_id"], frame["source"], written, seed=seed),
    )
    reason = np.select(
        [frame["view"].isna(), frame["question"].isna(), frame["answer"].isna()],
        ["no_video", "no_instructions", "no_verb"],
        "",
    )
    rejected = samples.dropped(frame, reason, row_id="interval_id", detail="text")
    frame = frame[reason == ""]
    laid = [
        options(QA("action", question, verb, VERBS), CHOICES, key=content_id(seed, "egoit", row))
        for row, question, verb in zip(frame["interval_id"], frame["question"], frame["answer"], strict=True)
    ]
    return frame.assign(
        corpus="egoit",
        task="qa",
        question_type="action",
        frame_kind="clip",
        kind="choice",
        text=None,
        choices=[list(choices) for choices, _ in laid],
        answer_index=[index for _, index in laid],
        parent=frame["interval_id"],
    ), rejected


def run(params: Data, data_dir: Path) -> dict:
    """Read data/clips and data/annotations, write data/egoit/{samples,rejects}.parquet.

    The replies of a language model stay in data/ledger/egoit.jsonl.

    Returns:
        `counts` by task, and `ledger`: (what, rows in, rows out, rejected).
    """
    clips = records.read_table(data_dir / "clips/clips.parquet", records.CLIP).to_pandas()
    intervals = records.read_table(data_dir / "annotations/intervals.parquet", records.INTERVAL).to_pandas()
    videos = records.read_table(data_dir / "annotations/videos.parquet", records.VIDEO).to_pandas()
    asked = requests(params, data_dir)
    written, failed = instructions.generated(
        asked, llm.settings_of(params.llm.model_dump()), ledger_path=data_dir / "ledger/egoit.jsonl"
    )
    captioned, unknown = captions(clips, written["captioning"], seed=params.seed)
    recognised, dropped = actions(intervals, videos, written["recognition"], seed=params.seed)
    made = pa.concat_tables([samples.table(captioned), samples.table(recognised)])
    records.write_table(data_dir / "egoit/samples.parquet", made, records.SAMPLE)
    records.write_table(
        data_dir / "egoit/rejects.parquet", samples.rejects("egoit", [failed, unknown, dropped]), records.REJECT
    )
    return {
        "counts": {
            "caption": len(captioned),
            "qa": len(recognised),
            "rejects": len(failed) + len(unknown) + len(dropped),
        },
        "ledger": [
            ("requests", len(asked), sum(map(len, written.values())), len(failed)),
            ("clips", len(clips), len(captioned), len(unknown)),
            ("intervals", len(intervals), len(recognised), len(dropped)),
        ],
    }
