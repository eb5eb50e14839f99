"""EgoIT: each record of a source becomes an instruction and its answer (systems §1.2).

| source | family | from |
|---|---|---|
| EgoTimeQA, OpenEQA | question answering, closed where a record has wrong answers, open otherwise | `questions` |
| SSv2, EGTEA | action recognition, closed (among the source's other labels) or open | `captions` |
| EgoExoLearn | captioning, and recognition of the verb, which the paper does not have | `intervals` |
| Ego-Exo4D | captioning; not in the paper: the miniature trains on it | `clips` |

The published corpus let a language model write ten instructions for each source dataset. So does this step where
`llm.generator` says so; its rules give those of components/data/by_hand.py. One is sampled for each record by its
content.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import llm, records
from components.data import egoit_corpora, instructions, samples
from components.data.by_hand import CAPTIONING, QUESTIONS, RECOGNITION
from components.data.egoit_corpora import CHOICES
from components.data.egore.qa import QA, draw, options
from components.data.instructions import Instructions, sampled
from components.data.media import FOLDERS
from components.params import Data
from components.prompts import VERBS, narrate, slots
from components.records import content_id

WRITTEN = {"captioning": CAPTIONING, "recognition": RECOGNITION, "qa": QUESTIONS}
SOURCES = ("egotimeqa", "openeqa", "ssv2", "egtea", "egoexolearn", "egoexo4d")
_LOT = 1_000_000


def requests(params: Data, data_dir: Path) -> list[llm.Request]:
    """Give the requests for instructions: one for each task and source that the data has.

    Raises:
        ValueError: the rules have fewer instructions of a source than are asked for.
    """
    count = params.egoit.instructions_per_dataset
    tables = [data_dir / f"{name}.parquet" for name in ("clips/clips", "annotations/intervals", "media/videos")]
    given = {
        source
        for path in tables
        if path.is_file()  # who has takes alone has no media
        for source in pq.read_table(path, columns=["source"])["source"].unique().to_pylist()
    }
    asked: list[llm.Request] = []
    for task, written in WRITTEN.items():
        for source, by_hand in written.items():
            if params.llm.generator == "rules" and len(by_hand) < count:
                raise ValueError(
                    f"egoit.instructions_per_dataset is {count}, {source!r} has {len(by_hand)}; lower it in "
                    "params/data.yaml, write more in components/data/by_hand.py, or let a model write them "
                    "(llm.generator)"
                )
        present = {source: by_hand for source, by_hand in written.items() if source in given}
        asked += instructions.requests(task, present, count=count)
    return asked


def thinned(frame: pd.DataFrame, *, key: str, rates: dict[str, float], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep a share of the records of each source, drawn by their ids in the column `key`; reject the others.

    Raises:
        ValueError: a rate is outside 0 to 1, or of no source of EgoIT.
    """
    wrong = {name: rate for name, rate in rates.items() if name not in SOURCES or not 0 <= rate <= 1}
    if wrong:
        raise ValueError(
            f"egoit.rates: {wrong}, allowed are shares from 0 to 1 of {sorted(SOURCES)}; mend params/data.yaml"
        )
    rate = frame["source"].map(rates).fillna(1.0).to_numpy(dtype=np.float64)
    out = np.zeros(len(frame), dtype=bool)
    for at in np.flatnonzero(rate < 1):
        out[at] = draw(_LOT, seed, "rate", frame[key].iat[at]) >= rate[at] * _LOT
    return frame[~out], samples.dropped(frame[out], "mixture_rate", row_id=key, detail="source")


def paired(clips: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Give each moment one of its exo clips, drawn by content: columns `moment_id` and `paired_...` of the span."""
    exo = clips[clips["view"] == "exo"]
    lot = [content_id(seed, "pair", clip) for clip in exo["clip_id"]]
    drawn = exo.assign(lot=lot).sort_values("lot").drop_duplicates("moment_id")
    span = ["video_id", "view", "start_s", "end_s"]
    return drawn[["moment_id", *span]].rename(columns={name: f"paired_{name}" for name in span})


def clip_captions(clips: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Lay out clips as caption samples without corpus and question: the narration is the answer, in every view."""
    frame = _said(clips).assign(question_type="narration", parent=clips["clip_id"])
    frame = frame.merge(paired(clips, seed=seed), on="moment_id", how="left")
    # an exo clip is its own view: only ego samples carry the other one
    mine = frame["view"] != "ego"
    names = [name for name in frame if name.startswith("paired_")]
    return frame.assign(**{name: frame[name].mask(mine) for name in names})


def captions(clips: pd.DataFrame, written: Instructions, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn narrated clips of every view into captioning samples; rejected are sources without instructions."""
    return _instructed(clip_captions(clips, seed=seed), written, seed=seed)


def interval_captions(
    intervals: pd.DataFrame, videos: pd.DataFrame, written: Instructions, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn narrated intervals into captioning samples; rejected are unknown videos and sources without instructions."""
    frame = intervals.merge(videos[["video_id", "view"]], on="video_id", how="left")
    unknown = frame["view"].isna()
    lost = samples.dropped(frame[unknown], "no_video", row_id="interval_id", detail="video_id")
    frame = _said(frame[~unknown]).assign(question_type="interval", parent=frame["interval_id"])
    made, rejected = _instructed(frame, written, seed=seed)
    return made, pd.concat([lost, rejected])


def _said(frame: pd.DataFrame) -> pd.DataFrame:
    """Lay out narrated rows as caption samples; a narration of the kitchen's grammar is said in its one normal form."""
    facts = samples.parsed(frame["text"])
    said = [narrate(fact) if fact else text.strip() for fact, text in zip(facts, frame["text"], strict=True)]
    return frame.assign(task="caption", frame_kind="clip", kind="text", answer=said, text=said)


def _instructed(frame: pd.DataFrame, written: Instructions, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = frame.assign(corpus="egoit", question=sampled(frame["parent"], frame["source"], written, seed=seed))
    unknown = frame["question"].isna()
    return frame[~unknown], samples.dropped(frame[unknown], "no_instructions", row_id="parent", detail="source")


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


def _corpora(
    params: Data, data_dir: Path, videos: pd.DataFrame, written: dict[str, Instructions]
) -> tuple[dict[str, pd.DataFrame], list[pd.DataFrame], list[tuple[str, int, int, int]]]:
    """Make the samples of the sources whose media are no takes: by family, the rejects, and the ledger."""
    seed, made, rejects, ledger = params.seed, {}, [], []
    for table, key, family in (("captions", "caption_id", "recognition"), ("questions", "question_id", "qa")):
        rows = egoit_corpora.read(data_dir, table, FOLDERS)
        kept, thin = thinned(rows, key=key, rates=params.egoit.rates, seed=seed)
        found, lost = egoit_corpora.placed(kept, videos, key=key)
        if family == "recognition":
            asked, unknown = egoit_corpora.recognised(
                found, written[family], open_share=params.egoit.open_share, seed=seed
            )
        else:
            asked, unknown = egoit_corpora.answered(found, written[family], seed=seed)
        made[family] = asked
        rejects += (dropped := [thin, lost, unknown])
        ledger.append((table, len(rows), len(asked), sum(map(len, dropped))))
    return made, rejects, ledger


def run(params: Data, data_dir: Path) -> dict:
    """Read data/clips, data/annotations and data/media, write data/egoit/{samples,rejects}.parquet and counts.json.

    The replies of a language model stay in data/ledger/egoit.jsonl.

    Returns:
        `counts` by task, and `ledger`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: see `requests` and `thinned`.
    """
    clips = records.read_table(data_dir / "clips/clips.parquet", records.CLIP).to_pandas()
    intervals = records.read_table(data_dir / "annotations/intervals.parquet", records.INTERVAL).to_pandas()
    videos = records.read_videos(data_dir).to_pandas()
    asked = requests(params, data_dir)
    written, failed = instructions.generated(
        asked, llm.settings_of(params.llm.model_dump()), ledger_path=data_dir / "ledger/egoit.jsonl"
    )
    seed, rates = params.seed, params.egoit.rates
    kept_clips, thin_clips = thinned(clips, key="clip_id", rates=rates, seed=seed)
    kept_intervals, thin = thinned(intervals, key="interval_id", rates=rates, seed=seed)
    captioned, unknown = captions(kept_clips, written["captioning"], seed=seed)
    told, untold = interval_captions(kept_intervals, videos, written["captioning"], seed=seed)
    recognised, dropped = actions(kept_intervals, videos, written["recognition"], seed=seed)
    media = videos[videos["source"].isin(FOLDERS)]
    made, lost, ledger = _corpora(params, data_dir, media, written)
    parts = {"captions": pd.concat([captioned, told]), "verbs": recognised, **made}
    table = pa.concat_tables([samples.table(part) for part in parts.values()])
    rejects = [failed, thin_clips, unknown, thin, untold, thin, dropped, *lost]
    records.write_table(data_dir / "egoit/samples.parquet", table, records.SAMPLE)
    records.write_table(data_dir / "egoit/rejects.parquet", samples.rejects("egoit", rejects), records.REJECT)
    counts = _counts(parts)
    (data_dir / "egoit/counts.json").write_text(json.dumps(counts, indent=2) + "\n")
    tasks = table["task"].value_counts().to_pylist()
    return {
        "counts": {row["values"]: row["counts"] for row in tasks} | {"rejects": sum(map(len, rejects))},
        "ledger": [
            ("requests", len(asked), sum(map(len, written.values())), len(failed)),
            ("clips", len(clips), len(captioned), len(thin_clips) + len(unknown)),
            ("intervals, captioned", len(intervals), len(told), len(thin) + len(untold)),
            ("intervals, recognised", len(intervals), len(recognised), len(thin) + len(dropped)),
            *ledger,
        ],
    }


def _counts(parts: dict[str, pd.DataFrame]) -> list[dict]:
    """Count the samples of each source by what is asked, whether it is open, and split."""
    keys = ["source", "task", "question_type", "kind", "split"]
    rows = pd.concat([part[keys] for part in parts.values()]).value_counts().rename("samples").reset_index()
    return rows.sort_values(keys).to_dict("records")
