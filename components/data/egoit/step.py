"""EgoIT: each record of a source becomes an instruction and its answer (systems §1.2).

| source | family | from |
|---|---|---|
| EgoTimeQA, OpenEQA | question answering, closed where a record has wrong answers, open otherwise | `questions` |
| SSv2, EGTEA | action recognition, closed (among the source's other labels) or open | `captions` |
| EgoExoLearn | captioning, and recognition of the verb, which the paper does not have | `intervals` |
| Ego-Exo4D | captioning; not in the paper: the miniature trains on it | `clips` |

The published corpus let a language model write ten instructions for each source dataset. So does this step where
`llm.generator` says so; its rules give those of components/data/egoit/instruction_templates.py. One is sampled for each
record by its content.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import llm
from components.data import sample_table
from components.data.egoit import instruction_generation, labelled_media
from components.data.egoit.captioning import captions, interval_captions
from components.data.egoit.instruction_sampling import Instructions, sampled
from components.data.egoit.instruction_templates import CAPTIONING, QUESTIONS, RECOGNITION
from components.data.egoit.labelled_media import CHOICES
from components.data.egore.multiple_choice import QA, draw, options
from components.data.partition import runner
from components.params import Data
from components.prompts.kitchen_grammar import VERBS, slots
from components.records import content_id

TEMPLATES = {"captioning": CAPTIONING, "recognition": RECOGNITION, "qa": QUESTIONS}
MEDIA_SOURCES = ("ssv2", "egtea", "egotimeqa", "openeqa")
SOURCES = (*MEDIA_SOURCES, "egoexolearn", "egoexo4d")
COUNTED = ["source", "task", "question_type", "kind", "split"]
_DRAWS = 1_000_000  # random draws are whole numbers below this


def requests(params: Data, data_dir: Path) -> list[llm.Request]:
    """Return the requests for instructions: one for each task and source that the data has.

    Raises:
        ValueError: the rules have fewer instructions of a source than are asked for.
    """
    count = params.egoit.instructions_per_dataset
    tables = [data_dir / f"{name}.parquet" for name in ("clips/clips", "annotations/intervals", "media/videos")]
    given = {
        source
        for path in tables
        if path.is_file()  # who has takes alone has no media
        for batch in pq.ParquetFile(path).iter_batches(columns=["source"])
        for source in batch["source"].unique().to_pylist()
    }
    asked: list[llm.Request] = []
    for task, of_task in TEMPLATES.items():
        for source, templates in of_task.items():
            if params.llm.generator == "rules" and len(templates) < count:
                raise ValueError(
                    f"egoit.instructions_per_dataset is {count}, {source!r} has {len(templates)}; lower it in "
                    "params/data.yaml, write more in components/data/egoit/instruction_templates.py, or let a model "
                    "write them (llm.generator)"
                )
        present = {source: templates for source, templates in of_task.items() if source in given}
        asked += instruction_generation.requests(task, present, count=count)
    return asked


def check_rates(rates: dict[str, float]) -> None:
    """Make sure that every rate is a share of a source of EgoIT.

    Raises:
        ValueError: a rate is outside 0 to 1, or of no source of EgoIT.
    """
    wrong = {name: rate for name, rate in rates.items() if name not in SOURCES or not 0 <= rate <= 1}
    if wrong:
        raise ValueError(
            f"egoit.rates: {wrong}, allowed are shares from 0 to 1 of {sorted(SOURCES)}; mend params/data.yaml"
        )


def thinned(frame: pd.DataFrame, *, key: str, rates: dict[str, float], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep a share of the records of each source, drawn by their ids; reject the others.

    Args:
        frame: records with a column `source`.
        key: column of their ids.
        rates: source -> share kept, 0 to 1; 1 where none is given.
        seed: changes which records are kept, not how many.

    Returns:
        The records kept, and the rejects (`mixture_rate`).
    """
    rate = frame["source"].map(rates).fillna(1.0).to_numpy(dtype=np.float64)
    out = np.zeros(len(frame), dtype=bool)
    for at in np.flatnonzero(rate < 1):
        out[at] = draw(_DRAWS, seed, "rate", frame[key].iat[at]) >= rate[at] * _DRAWS
    return frame[~out], sample_table.dropped(frame[out], "mixture_rate", row_id=key, detail="source")


def actions(
    intervals: pd.DataFrame, videos: pd.DataFrame, instructions: Instructions, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn labelled intervals into action recognition: choose the verb among four.

    Args:
        intervals: rows of `records.INTERVAL`.
        videos: rows of `records.VIDEO`, which tell the view.
        instructions: of recognition, by source.
        seed: of the instruction and of the order of the options.

    Returns:
        Samples for `sample_table.table`, and the intervals of unknown videos, without a verb or without instructions.
    """
    frame = intervals.merge(videos[["video_id", "view"]], on="video_id", how="left")
    verbs = {text: slots(text)["verb"] for text in frame["text"].unique()}
    frame = frame.assign(
        answer=frame["text"].map(verbs).astype(object),
        question=sampled(frame["interval_id"], frame["source"], instructions, seed=seed),
    )
    reason = np.select(
        [frame["view"].isna(), frame["question"].isna(), frame["answer"].isna()],
        ["no_video", "no_instructions", "no_verb"],
        "",
    )
    rejected = sample_table.dropped(frame, reason, row_id="interval_id", detail="text")
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


def _found(
    parameters: dict, tables: runner.Tables, table: str, key: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[pd.DataFrame]]:
    """Return the captions or questions of some media, those that are kept and have a video, and the rejects."""
    rows = tables[f"annotations/{table}"].to_pandas()
    kept, thin = thinned(rows, key=key, rates=parameters["rates"], seed=parameters["seed"])
    found, lost = labelled_media.placed(kept, tables["media/videos"].to_pandas(), key=key)
    return rows, found, [thin, lost]


def _captioned(rows: pa.Table) -> pd.DataFrame:
    """Return the rows of sources that have instructions for captions; clips and intervals of others serve EgoRe."""
    return rows.filter(pc.is_in(rows["source"], pa.array(CAPTIONING))).to_pandas()


def labels_of_partition(parameters: dict, tables: runner.Tables) -> labelled_media.Labelled:
    """Return the labels of the media of a partition: wrong options of the questions about all others."""
    _, found, _ = _found(parameters, tables, "captions", "caption_id")
    return labelled_media.labelled(found, parameters["instructions"]["recognition"])


def combine_labels(found: list[labelled_media.Labelled]) -> dict[str, dict[str, list[str]]]:
    """Return the labels of every source, from those of all partitions."""
    return {"labels": labelled_media.joined(found)}


def make(parameters: dict, tables: runner.Tables) -> tuple[pa.Table, pa.Table, runner.RowCounts, list[dict]]:
    """Make the samples of a partition of takes and media, as `runner.Step.make` does.

    Args:
        parameters: `seed`, `rates` and `open_share` of EgoIT, `instructions` by task and source, and
            `labels`.
        tables: the rows of the partition, of each of `INPUTS`.
    """
    seed, rates, instructions = (parameters[name] for name in ("seed", "rates", "instructions"))
    clips, intervals = (_captioned(tables[name]) for name in ("clips/clips", "annotations/intervals"))
    videos = tables["annotations/videos"].to_pandas()
    kept_clips, thin_clips = thinned(clips, key="clip_id", rates=rates, seed=seed)
    kept_intervals, thin = thinned(intervals, key="interval_id", rates=rates, seed=seed)
    captioned, unknown = captions(kept_clips, instructions["captioning"], seed=seed)
    captioned_intervals, no_caption = interval_captions(kept_intervals, videos, instructions["captioning"], seed=seed)
    verbs, no_verb = actions(kept_intervals, videos, instructions["recognition"], seed=seed)
    labelled, placed, unplaced = _found(parameters, tables, "captions", "caption_id")
    recognised, unnamed = labelled_media.recognised(
        placed, instructions["recognition"], parameters["labels"], open_share=parameters["open_share"], seed=seed
    )
    questions, found, unfound = _found(parameters, tables, "questions", "question_id")
    answered, unasked = labelled_media.answered(found, instructions["qa"], seed=seed)
    parts = [pd.concat([captioned, captioned_intervals]), verbs, recognised, answered]
    lost_labels, lost_questions = [*unplaced, unnamed], [*unfound, unasked]
    rejects = [thin_clips, unknown, thin, no_caption, thin, no_verb, *lost_labels, *lost_questions]
    row_counts = [
        ("clips", len(clips), len(captioned), len(thin_clips) + len(unknown)),
        ("intervals, captioned", len(intervals), len(captioned_intervals), len(thin) + len(no_caption)),
        ("intervals, recognised", len(intervals), len(verbs), len(thin) + len(no_verb)),
        ("captions", len(labelled), len(recognised), sum(map(len, lost_labels))),
        ("questions", len(questions), len(answered), sum(map(len, lost_questions))),
    ]
    made = pa.concat_tables([sample_table.table(part) for part in parts])
    return made, sample_table.rejects("egoit", rejects), row_counts, _counts(parts)


def run(params: Data, data_dir: Path) -> dict:
    """Read data/clips, data/annotations and data/media, write data/egoit/{samples,rejects}.parquet.

    Writes counts.json there too. The replies of a language model stay in data/ledger/egoit.jsonl.

    Returns:
        `counts` by task, and `row_counts`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: see `requests`, `check_rates` and `runner.run`.
    """
    check_rates(params.egoit.rates)
    asked = requests(params, data_dir)
    instructions, failed = instruction_generation.generated(
        asked, llm.settings_of(params.llm.model_dump()), ledger_path=data_dir / "ledger/egoit.jsonl"
    )
    parameters = {
        "seed": params.seed,
        "rates": params.egoit.rates,
        "open_share": params.egoit.open_share,
        "instructions": instructions,
    }
    row_counts, summaries = runner.run(STEP, parameters, data_dir, rejects=sample_table.rejects("egoit", [failed]))
    counted = pd.DataFrame([row for summary in summaries for row in summary], columns=[*COUNTED, "samples"])
    counts = counted.groupby(COUNTED)["samples"].sum().reset_index().to_dict("records")
    (data_dir / "egoit/counts.json").write_text(json.dumps(counts, indent=2, allow_nan=False) + "\n")
    by_task = counted.groupby("task")["samples"].sum().to_dict()
    rejects = pq.read_metadata(data_dir / "egoit/rejects.parquet").num_rows
    return {
        "counts": by_task | {"rejects": rejects},
        "row_counts": [("requests", len(asked), sum(map(len, instructions.values())), len(failed)), *row_counts],
    }


def _counts(parts: list[pd.DataFrame]) -> list[dict]:
    """Count the samples of each source by what is asked, whether it is open, and split."""
    rows = pd.concat([part[COUNTED] for part in parts]).value_counts().rename("samples").reset_index()
    return rows.to_dict("records")


INPUTS = (
    "clips/clips", "annotations/intervals", "annotations/videos", "annotations/captions", "annotations/questions",
    "media/videos",
)  # fmt: skip
STEP = runner.Step(
    "egoit", INPUTS, make, sources=MEDIA_SOURCES, survey=runner.Survey(labels_of_partition, combine_labels)
)
