"""The dataset: the samples of every corpus, of each the share that the mixture says.

The split of a sample is its take's, from the source's own split; no step changes it, and the contract of the tables
(components/data/contracts) stops a take that is in two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data import sample_table
from components.data.egoit.captioning import clip_captions
from components.data.egore.multiple_choice import draw
from components.data.partition import runner
from components.data.quality.near_duplicates import near_duplicates
from components.params import Data
from components.records import SYNCHRONIZED

QUESTION = "what does C do?"  # the one question of Ego-ExoClip: pre-training on narrations has no instructions
STEPS = ("annotations", "media", "pretraining", "clips", "funnel", "egoit", "egore")
CORPORA = ("egoit/samples", "egore/samples", "pretraining/samples")
SAID_ONCE = ("web", "egoclip", "general")  # corpora in which a caption that comes again is a repeated record
COUNTED = ["corpus", "task", "question_type", "view", "split"]
_DRAWS = 1_000_000  # random draws are whole numbers below this


def corpus_of_clips(clips: pd.DataFrame, *, seed: int) -> pa.Table:
    """Turn the clips of every view into the samples of Ego-ExoClip: clip in, narration out."""
    return sample_table.table(clip_captions(clips, seed=seed).assign(corpus="egoexoclip", question=QUESTION))


def mixed(samples: pa.Table, *, rates: dict[str, float], seed: int) -> tuple[pa.Table, pd.DataFrame]:
    """Keep a share of each `corpus/task`, drawn by content, one sample of each id, and no question twice.

    Where two annotators say the same, the same question is asked of nearly the same span twice; such narrations stay,
    for Ego-ExoClip keeps their diversity. Captions of SAID_ONCE do not.

    Args:
        samples: of all corpora, with all samples of a take: no id stands in two takes.
        rates: `corpus/task` -> share kept, 0 to 1; 1 where none is given.
        seed: changes which samples are kept, not how many.

    Returns:
        The samples kept, in their order, and the rejects: `duplicate_sample_id`, `near_duplicate` or `mixture_rate`.
    """
    frame = samples.select(["sample_id", "corpus", "task", "question_type", "question", "answer"]).to_pandas()
    span = pc.list_element(samples["media"].combine_chunks(), 0)
    frame = frame.assign(**{name: pc.struct_field(span, name).to_pandas() for name in ("video_id", "start_s", "end_s")})
    part = frame["corpus"] + "/" + frame["task"]
    rate = part.map(lambda name: rates.get(name, 1.0))
    drawn = np.array([draw(_DRAWS, seed, "mixture", sample_id) for sample_id in frame["sample_id"]], dtype=np.int64)
    repeated = near_duplicates(frame) & ((frame["task"] == "qa") | frame["corpus"].isin(SAID_ONCE))
    reason = np.select(
        [frame.duplicated("sample_id"), repeated, drawn >= rate * _DRAWS],
        ["duplicate_sample_id", "near_duplicate", "mixture_rate"],
        "",
    )
    rejected = sample_table.dropped(frame.assign(part=part), reason, row_id="sample_id", detail="part")
    return samples.filter(pa.array(reason == "")), rejected


def check_rates(rates: dict[str, float], parts: Iterable[str]) -> None:
    """Make sure that every rate is a share of a `corpus/task` that there is.

    Raises:
        ValueError: a rate is outside 0 to 1, or names a `corpus/task` that no sample has.
    """
    known = sorted(parts)
    wrong = {name: rate for name, rate in rates.items() if name not in known or not 0 <= rate <= 1}
    if wrong:
        raise ValueError(f"dataset.rates: {wrong}, allowed are shares from 0 to 1 of {known}; mend params/data.yaml")


def make(parameters: dict, tables: dict[str, pa.Table]) -> tuple[pa.Table, pa.Table, runner.RowCounts]:
    """Mix the samples of a partition, as `runner.Step.make` does; `parameters` are `seed` and `rates`."""
    clips = tables["clips/clips"]
    # clips of sources without exo views in step with the ego view serve EgoRe alone
    clips = clips.filter(pc.is_in(clips["source"], pa.array(SYNCHRONIZED))).to_pandas()
    made = pa.concat_tables([corpus_of_clips(clips, seed=parameters["seed"]), *(tables[name] for name in CORPORA)])
    kept, dropped = mixed(made, **parameters)
    return kept, sample_table.rejects("dataset", [dropped]), [("samples", made.num_rows, kept.num_rows, len(dropped))]


def counts(kept: Path, rejects: list[Path]) -> dict:
    """Count the dataset.

    Args:
        kept: the table of samples.
        rejects: the tables of rejects of every step.

    Returns:
        `samples` by COUNTED, `splits` (takes that have samples, and samples), `rejects` by step and reason.
    """
    takes = _counted([kept], ["split", "take_id"]).group_by("split").aggregate([([], "count_all"), ("rows", "sum")])
    return {
        "samples": _counted([kept], COUNTED).rename_columns([*COUNTED, "samples"]).to_pylist(),
        "splits": {
            row["split"]: {"takes": row["count_all"], "samples": row["rows_sum"]}
            for row in takes.sort_by("split").to_pylist()
        },
        "rejects": _counted(rejects, ["step", "reason"]).to_pylist(),
    }


def _counted(paths: list[Path], keys: list[str]) -> pa.Table:
    """Count the rows of tables by the columns `keys`, as the column `rows`; sorted by the keys."""
    none = pa.table({key: pa.array([], pa.string()) for key in keys})
    parts = (
        pa.Table.from_batches([batch]) for path in paths for batch in pq.ParquetFile(path).iter_batches(columns=keys)
    )
    counted = [part.group_by(keys).aggregate([([], "count_all")]) for part in chain([none], parts)]
    summed = pa.concat_tables(counted).group_by(keys).aggregate([("count_all", "sum")])
    return summed.rename_columns([*keys, "rows"]).sort_by([(key, "ascending") for key in keys])


def run(params: Data, data_dir: Path) -> dict:
    """Read what the earlier steps wrote, write data/dataset/{samples,rejects}.parquet and counts.json.

    Returns:
        `counts` as in counts.json, and `row_counts`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: there is no sample at all; and see `check_rates` and `runner.run`.
    """
    rates = params.dataset.rates
    kinds = _counted([data_dir / f"{name}.parquet" for name in CORPORA], ["corpus", "task"]).to_pylist()
    check_rates(rates, {"egoexoclip/caption", *(f"{row['corpus']}/{row['task']}" for row in kinds)})
    step = runner.Step("dataset", ("clips/clips", *CORPORA), make)
    row_counts, _ = runner.run(step, {"seed": params.seed, "rates": rates}, data_dir)
    rejects = [data_dir / f"{name}/rejects.parquet" for name in (*STEPS, "dataset")]
    counted = counts(data_dir / "dataset/samples.parquet", rejects)
    if not counted["samples"]:
        raise ValueError(
            "dataset: no source gives a sample; the rejects of each step are in data/<step>/rejects.parquet with their "
            "reasons. Name other sources in params/data.yaml, or mend these"
        )
    (data_dir / "dataset/counts.json").write_text(json.dumps(counted, indent=2, allow_nan=False) + "\n")
    return {"counts": counted, "row_counts": row_counts}
