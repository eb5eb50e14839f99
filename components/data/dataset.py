"""The dataset: the samples of every corpus, thinned by the mixture.

The split of a sample is its take's, from the source's own split; no step changes it, and the contract of the tables
(components/data/contracts) stops a take that is in two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data import lots, samples
from components.data.egoit import clip_captions
from components.data.egore.qa import draw
from components.data.quality.leaks import near_duplicates
from components.params import Data

QUESTION = "what does C do?"  # the one question of Ego-ExoClip: pre-training on narrations has no instructions
STEPS = ("annotations", "media", "clips", "funnel", "egoit", "egore")
CORPORA = ("egoit/samples", "egore/samples")
COUNTED = ["corpus", "task", "question_type", "view", "split"]
_LOT = 1_000_000


def corpus_of_clips(clips: pd.DataFrame, *, seed: int) -> pa.Table:
    """Turn the clips of every view into the samples of Ego-ExoClip: clip in, narration out."""
    return samples.table(clip_captions(clips, seed=seed).assign(corpus="egoexoclip", question=QUESTION))


def mixed(made: pa.Table, *, rates: dict[str, float], seed: int) -> tuple[pa.Table, pd.DataFrame]:
    """Keep a share of each `corpus/task`, chosen by content, one sample of each id, and no question twice.

    Two annotators who say the same make the same question of nearly the same span; narrations stay as they are, for
    Ego-ExoClip keeps their diversity.

    Args:
        made: samples of all corpora, at least all of a take: no id stands in two takes.
        rates: `corpus/task` -> share kept, 0 to 1; 1 where none is given.
        seed: changes which samples are kept, not how many.

    Returns:
        The samples kept, in their order, and the rejects: `duplicate_sample_id`, `near_duplicate` or `mixture_rate`.
    """
    frame = made.select(["sample_id", "corpus", "task", "question_type", "question", "answer"]).to_pandas()
    span = pc.list_element(made["media"].combine_chunks(), 0)
    frame = frame.assign(**{name: pc.struct_field(span, name).to_pandas() for name in ("video_id", "start_s", "end_s")})
    part = frame["corpus"] + "/" + frame["task"]
    rate = part.map(lambda name: rates.get(name, 1.0))
    lot = np.array([draw(_LOT, seed, "mixture", sample) for sample in frame["sample_id"]], dtype=np.int64)
    again = near_duplicates(frame) & (frame["task"] == "qa")
    reason = np.select(
        [frame.duplicated("sample_id"), again, lot >= rate * _LOT],
        ["duplicate_sample_id", "near_duplicate", "mixture_rate"],
        "",
    )
    rejected = samples.dropped(frame.assign(part=part), reason, row_id="sample_id", detail="part")
    return made.filter(pa.array(reason == "")), rejected


def check_rates(rates: dict[str, float], parts: Iterable[str]) -> None:
    """Make sure that every rate is a share of a `corpus/task` that there is.

    Raises:
        ValueError: a rate is outside 0 to 1, or names a `corpus/task` that no sample has.
    """
    known = sorted(parts)
    wrong = {name: rate for name, rate in rates.items() if name not in known or not 0 <= rate <= 1}
    if wrong:
        raise ValueError(f"dataset.rates: {wrong}, allowed are shares from 0 to 1 of {known}; mend params/data.yaml")


def make(parameters: dict, tables: dict[str, pa.Table]) -> tuple[pa.Table, pa.Table, lots.Ledger]:
    """Mix the samples of some takes, as `lots.Step` says; `parameters` are `seed` and `rates`."""
    clips = tables["clips/clips"].to_pandas()
    made = pa.concat_tables([corpus_of_clips(clips, seed=parameters["seed"]), *(tables[name] for name in CORPORA)])
    kept, dropped = mixed(made, **parameters)
    return kept, samples.rejects("dataset", [dropped]), [("samples", made.num_rows, kept.num_rows, len(dropped))]


def counts(kept: pa.Table, rejects: list[pa.Table]) -> dict:
    """Count samples by what they are, and rejects of every step by reason."""
    tally = kept.group_by(COUNTED).aggregate([([], "count_all")]).sort_by([(key, "ascending") for key in COUNTED])
    dropped = pa.concat_tables(rejects).group_by(["step", "reason"]).aggregate([([], "count_all")])
    dropped = dropped.sort_by([("step", "ascending"), ("reason", "ascending")])
    splits = kept.group_by(["split"]).aggregate([("take_id", "count_distinct"), ([], "count_all")])
    return {
        "samples": tally.rename_columns([*COUNTED, "samples"]).to_pylist(),
        "splits": {
            row["split"]: {"takes": row["take_id_count_distinct"], "samples": row["count_all"]}
            for row in splits.sort_by("split").to_pylist()
        },
        "rejects": dropped.rename_columns(["step", "reason", "rows"]).to_pylist(),
    }


def run(params: Data, data_dir: Path) -> dict:
    """Read what the earlier steps wrote, write data/dataset/{samples,rejects}.parquet lot by lot, and counts.json.

    Returns:
        `counts` as in counts.json, and `ledger`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: see `check_rates` and `lots.run`.
    """
    rates = params.dataset.rates
    given = [pq.read_table(data_dir / f"{name}.parquet", columns=["corpus", "task"]) for name in CORPORA]
    kinds = pa.concat_tables(given).group_by(["corpus", "task"]).aggregate([]).to_pylist()
    check_rates(rates, {"egoexoclip/caption", *(f"{row['corpus']}/{row['task']}" for row in kinds)})
    step = lots.Step("dataset", ("clips/clips", *CORPORA), make)
    ledger, _ = lots.run(step, {"seed": params.seed, "rates": rates}, data_dir)
    kept = pq.read_table(data_dir / "dataset/samples.parquet", columns=[*COUNTED, "take_id"])
    rejects = [
        pq.read_table(data_dir / f"{name}/rejects.parquet", columns=["step", "reason"]) for name in (*STEPS, "dataset")
    ]
    counted = counts(kept, rejects)
    (data_dir / "dataset/counts.json").write_text(json.dumps(counted, indent=2) + "\n")
    return {"counts": counted, "ledger": ledger}
