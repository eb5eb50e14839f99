"""The profile of a dataset: counts by take of what its training samples ask, answer and show, small enough to keep.

A row says how often a category came in a take: (feature, take, category, count). Takes are kept apart because the
samples of one take share its scene and its actor; who compares two profiles must draw takes, not samples. Of a large
dataset the profile has a fixed number of takes and of samples of each, drawn by their ids, which are content hashes: a
take that is in two datasets is drawn in both or in none, as long as about as many takes are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data.drift import histograms
from components.data.frames.store import FrameStore
from components.records import content_ids, write_table

FORMAT = "1"  # raise it when features or bins change: profiles of two formats are not compared
MOST_TAKES = 1000
MOST_SAMPLES = 50  # of one take and corpus/task
MOST_CLIPS = 2  # of one take and view, whose frames are looked at
MIXTURE, TEXT, PER_TAKE = "mixture", "all texts: words", "samples of a take"
PROFILE = pa.schema(
    [("feature", pa.string()), ("take_id", pa.string()), ("category", pa.string()), ("count", pa.int64())]
)
_COUNTED = ["feature", "take_id", "category"]
_KEYS = ["take_id", "corpus", "task", "view"]
_READ = [*_KEYS, "sample_id", "question_type", "frame_kind", "media", "question", "answer", "target"]
_TRAIN = [("split", "=", "train")]


def write(data: Path, path: Path) -> pa.Table:
    """Write the profile of the training samples of a data folder, and return it.

    Its metadata have the format, and the numbers of takes and samples of the whole dataset.

    Args:
        data: with dataset/samples.parquet and frames/.
        path: Parquet file to write.

    Raises:
        ValueError: there is no sample to train on.
        DamagedFramesError, FileNotFoundError: as of `FrameStore`.
    """
    samples = data / "dataset/samples.parquet"
    keys = pq.read_table(samples, columns=_KEYS, filters=_TRAIN)
    if not keys.num_rows:
        raise ValueError(f"{samples} has no sample of the split train, of which a profile could be made: `dvc repro`")
    takes = pc.unique(keys["take_id"])
    drawn = takes.take(pc.sort_indices(content_ids("drift", takes))[:MOST_TAKES])
    shown = pq.read_table(samples, columns=_READ, filters=[*_TRAIN, ("take_id", "in", drawn.to_pylist())])
    mixture = keys.filter(pc.is_in(keys["take_id"], drawn)).to_pandas()
    counted = pd.concat([*_mixture(mixture), *_samples(_few(shown)), *_frames(shown, FrameStore(data / "frames"))])
    rows = pa.Table.from_pandas(counted, preserve_index=False).group_by(_COUNTED).aggregate([([], "count_all")])
    about = {"format": FORMAT, "takes": str(len(takes)), "samples": str(keys.num_rows)}
    table = rows.rename_columns([*_COUNTED, "count"]).sort_by([(name, "ascending") for name in _COUNTED])
    return write_table(path, table, PROFILE.with_metadata(about))


def read(path: Path) -> pa.Table:
    """Read a profile.

    Raises:
        ValueError: it is of another format.
    """
    table = pq.read_table(path)
    came = (table.schema.metadata or {}).get(b"format", b"none").decode()
    if came != FORMAT:
        raise ValueError(
            f"{path} is a profile of format {came}, this version of the code compares those of format {FORMAT}: "
            "make it again where its dataset is (`dvc checkout`, then `egoflow drift --keep`)"
        )
    return table


def totals(profile: pa.Table) -> dict[str, int]:
    """Return the numbers of takes and of samples of the whole dataset of a profile."""
    return {name: int(profile.schema.metadata[name.encode()]) for name in ("takes", "samples")}


def _few(samples: pa.Table) -> pd.DataFrame:
    """Return at most `MOST_SAMPLES` of each take and corpus/task, those of the lowest ids."""
    frame = samples.select(["sample_id", "take_id", "corpus", "task"]).to_pandas().sort_values("sample_id")
    places = frame.groupby(["take_id", "corpus", "task"]).head(MOST_SAMPLES).index.to_numpy()
    return samples.take(places).to_pandas()


def _mixture(keys: pd.DataFrame) -> Iterator[pd.DataFrame]:
    yield _rows(MIXTURE, keys["take_id"], keys["corpus"] + "/" + keys["task"] + "/" + keys["view"])
    sizes = keys.groupby("take_id").size()
    yield _rows(PER_TAKE, sizes.index, histograms.bins(PER_TAKE, sizes.to_numpy()))


def _samples(samples: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield what is counted of questions, answers and windows, for each corpus/task."""
    window_s = pd.Series([sum(one["end_s"] - one["start_s"] for one in media) for media in samples["media"]])
    target = pd.DataFrame(samples["target"].tolist())
    asked, said = histograms.words(samples["question"]), histograms.words(samples["answer"])
    wholes = pd.DataFrame(
        {
            "question type": samples["question_type"],
            "question length": histograms.bins("question length", asked.str.len().to_numpy()),
            "answer length": histograms.bins("answer length", said.str.len().to_numpy()),
            "window seconds": histograms.bins("window seconds", window_s.to_numpy()),
            "place of the truth": histograms.places(target, window_s.to_numpy()),
            "true option": target["answer_index"].map(lambda index: f"{index + 1:.0f}", na_action="ignore"),
        }
    )
    stands = {"words of the question": asked.map(_once), "words of the answer": said.map(_once)}
    for part, rows in samples.groupby(samples["corpus"] + "/" + samples["task"]).groups.items():
        takes = samples.loc[rows, "take_id"]
        for what, categories in {**wholes, **stands}.items():
            yield _rows(f"{part}: {what}", takes, categories[rows])
    yield _rows(TEXT, samples["take_id"], asked + said)


def _once(words: list[str]) -> list[str]:
    return [*dict.fromkeys(words), histograms.SAMPLES]


def _frames(samples: pa.Table, store: FrameStore) -> Iterator[pd.DataFrame]:
    """Yield what is counted of the frames of a few clips of each take, for each view."""
    clips = samples.filter(pc.equal(samples["frame_kind"], "clip")).select(["sample_id", "take_id", "view"])
    frame = clips.filter(pa.array(store.holds(clips["sample_id"]))).to_pandas().sort_values("sample_id")
    drawn = frame.groupby(["take_id", "view"]).head(MOST_CLIPS)
    measured = pd.DataFrame([histograms.of_frames(store.frames(sample_id)) for sample_id in drawn["sample_id"]])
    for view, rows in drawn.reset_index(drop=True).groupby("view").groups.items():
        for what, values in measured.loc[rows].items():
            one_each = pd.DataFrame({"take_id": drawn["take_id"].to_numpy()[rows], "value": values}).explode("value")
            categories = histograms.bins(str(what), one_each["value"].to_numpy(np.float64))
            yield _rows(f"frames, {view}: {what}", one_each["take_id"], categories)


def _rows(feature: str, takes: Iterable[object], categories: Iterable[object]) -> pd.DataFrame:
    """Return a row for each category; a list of categories is as many rows, and null is none."""
    rows = pd.DataFrame({"take_id": list(takes), "category": list(categories)}).explode("category")
    return rows.dropna(subset="category").assign(feature=feature)
