"""EgoExo-Con's items of the held-out takes of the pipeline's own data, in the form that `egoexo_con` reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from components import records
from components.benchmarks.egoexo_con import FILES
from components.evaluation.items import of_task
from components.prompts import YES, verification_question
from components.records.view_pairs import view_pairs

BEFORE, AFTER = verification_question("\0").split("\0")


def write(data: Path, folder: Path, sources: Mapping[str, Path]) -> tuple[int, int]:
    """Write an item for each event that is asked of both views in a window, and copy the films beside the file.

    Args:
        data: the data folder, with dataset/ and annotations/.
        folder: takes egoexo_con.json, and films by their source and path.
        sources: name of a source -> the folder that the paths of its videos lie below.

    Returns:
        How many items were written, and how many were not for want of a false query.
    """
    samples = records.read_table(data / "dataset" / "samples.parquet", records.SAMPLE)
    held_out = samples.filter(pc.equal(samples["split"], "test"))
    queries = _queries(of_task(held_out, "con_verify").to_pylist())
    videos = records.read_table(data / "annotations" / "videos.parquet", records.VIDEO).to_pylist()
    films = {video["video_id"]: video for video in videos}
    asked = of_task(held_out, "con_ground").to_pylist()
    pairs = [(asked[ego], asked[exo]) for ego, exo in view_pairs(asked)[0]]
    items = [*_items([pair for pair in pairs if len(queries.get(_event(pair[0]), ())) == 2], queries, films)]
    for item in items:
        for path in (item["ego"], item["exo"]):
            source, _, name = path.partition("/")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / path).exists():
                shutil.copyfile(sources[source] / name, folder / path)
    (folder / FILES[0]).write_text(json.dumps(items, indent=1))
    return len(items), len(pairs) - len(items)


def _queries(asked: list[dict]) -> dict[tuple, dict[bool, str]]:
    """Return event -> its query and its false query."""
    found: dict[tuple, dict[bool, str]] = {}
    for sample in asked:
        is_true = sample["target"]["choices"][sample["target"]["answer_index"]] == YES
        found.setdefault(_event(sample), {})[is_true] = sample["question"].removeprefix(BEFORE).removesuffix(AFTER)
    return found


def _event(sample: Mapping[str, Any]) -> tuple:
    return sample["take_id"], *sample["parents"]


def _items(
    pairs: list[tuple[dict, dict]], queries: Mapping[tuple, Mapping[bool, str]], films: Mapping[str, dict]
) -> Iterator[dict]:
    for ego, exo in sorted(pairs, key=lambda pair: pair[0]["sample_id"]):
        shown = [sample["media"][0] for sample in (ego, exo)]
        paths = [f"{films[each['video_id']]['source']}/{films[each['video_id']]['path']}" for each in shown]
        span, query = ego["target"]["span"], queries[_event(ego)]
        yield {
            "id": ego["sample_id"], "source": films[shown[0]["video_id"]]["source"], "take": ego["take_id"],
            "ego": paths[0], "exo": paths[1], "segment": [shown[0]["start_s"], min(each["end_s"] for each in shown)],
            "query": query[True], "misaligned": query[False], "start": span["start_s"], "end": span["end_s"],
        }  # fmt: skip
