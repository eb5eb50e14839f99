"""The dataset: the samples of every corpus, thinned by the mixture.

The split of a sample is its take's, from the source's own split; no step changes it, and the contract of the tables
(components/data/contracts) stops a take that is in two.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.data import samples
from components.data.egoit import clip_captions
from components.data.egore.qa import draw
from components.params import Data

QUESTION = "what does C do?"  # the one question of Ego-ExoClip: pre-training on narrations has no instructions
STEPS = ("annotations", "clips", "egoit", "egore")
_LOT = 1_000_000


def corpus_of_clips(clips: pd.DataFrame, *, seed: int) -> pa.Table:
    """Turn the clips of every view into the samples of Ego-ExoClip: clip in, narration out."""
    return samples.table(clip_captions(clips, seed=seed).assign(corpus="egoexoclip", question=QUESTION))


def mixed(made: pa.Table, *, rates: dict[str, float], seed: int) -> tuple[pa.Table, pd.DataFrame]:
    """Keep a share of each `corpus/task`, chosen by content, and one sample of each id.

    Args:
        made: samples of all corpora.
        rates: `corpus/task` -> share kept, 0 to 1; 1 where none is given.
        seed: changes which samples are kept, not how many.

    Returns:
        The samples kept, in their order, and the rejects: `duplicate_sample_id` or `mixture_rate`.

    Raises:
        ValueError: a rate is outside 0 to 1, or names a `corpus/task` that no sample has.
    """
    frame = made.select(["sample_id", "corpus", "task"]).to_pandas()
    part = frame["corpus"] + "/" + frame["task"]
    wrong = {name: rate for name, rate in rates.items() if name not in set(part) or not 0 <= rate <= 1}
    if wrong:
        raise ValueError(
            f"dataset.rates: {wrong}, allowed are shares from 0 to 1 of {sorted(part.unique())}; mend params/data.yaml"
        )
    rate = part.map(lambda name: rates.get(name, 1.0))
    lot = np.array([draw(_LOT, seed, "mixture", sample) for sample in frame["sample_id"]], dtype=np.int64)
    reason = np.select([frame.duplicated("sample_id"), lot >= rate * _LOT], ["duplicate_sample_id", "mixture_rate"], "")
    rejected = samples.dropped(frame.assign(part=part), reason, row_id="sample_id", detail="part")
    return made.filter(pa.array(reason == "")), rejected


def counts(kept: pa.Table, rejects: list[pa.Table]) -> dict:
    """Count samples by what they are, and rejects of every step by reason."""
    keys = ["corpus", "task", "question_type", "view", "split"]
    tally = kept.group_by(keys).aggregate([([], "count_all")]).sort_by([(key, "ascending") for key in keys])
    dropped = pa.concat_tables(rejects).group_by(["step", "reason"]).aggregate([([], "count_all")])
    dropped = dropped.sort_by([("step", "ascending"), ("reason", "ascending")])
    splits = kept.group_by(["split"]).aggregate([("take_id", "count_distinct"), ([], "count_all")])
    return {
        "samples": tally.rename_columns([*keys, "samples"]).to_pylist(),
        "splits": {
            row["split"]: {"takes": row["take_id_count_distinct"], "samples": row["count_all"]}
            for row in splits.sort_by("split").to_pylist()
        },
        "rejects": dropped.rename_columns(["step", "reason", "rows"]).to_pylist(),
    }


def run(params: Data, data_dir: Path) -> dict:
    """Read what the earlier steps wrote, write data/dataset/{samples,rejects}.parquet and counts.json.

    Returns:
        `counts` as in counts.json, and `ledger`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: see `mixed`.
    """
    clips = records.read_table(data_dir / "clips/clips.parquet", records.CLIP).to_pandas()
    corpora = [records.read_table(data_dir / f"{name}/samples.parquet", records.SAMPLE) for name in ("egoit", "egore")]
    made = pa.concat_tables([corpus_of_clips(clips, seed=params.seed), *corpora])
    kept, dropped = mixed(made, rates=params.dataset.rates, seed=params.seed)
    rejects = samples.rejects("dataset", [dropped])
    before = [records.read_table(data_dir / f"{step}/rejects.parquet", records.REJECT) for step in STEPS]
    records.write_table(data_dir / "dataset/samples.parquet", kept, records.SAMPLE)
    records.write_table(data_dir / "dataset/rejects.parquet", rejects, records.REJECT)
    counted = counts(kept, [*before, rejects])
    (data_dir / "dataset/counts.json").write_text(json.dumps(counted, indent=2) + "\n")
    return {"counts": counted, "ledger": [("samples", made.num_rows, kept.num_rows, len(dropped))]}
