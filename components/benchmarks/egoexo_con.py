"""EgoExo-Con: does a query hold, and when, asked of both views of a take (systems §5.1)?

The authors' repository is not public and its keys are not known, so the form is that of this project: a list of items,
each with `id`, `source`, `take`, `ego` and `exo` (films below the folder), `query`, `misaligned` (false everywhere in
what is shown), `start` and `end` in seconds; and `segment`, the part of both films that is shown, where it is not all.
Times of the query count from the start of the segment. Where the films were made one after the other, as those of
Charades-Ego, `times` has for `ego` and for `exo` what else stands in the item: `segment`, `start` and `end`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from components import prompts
from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Choice, Loaded, Medium, Sample, Span

FILES = ("egoexo_con.json",)
OPTIONS = (prompts.YES, prompts.NO)
QUERIES = {"query": prompts.YES, "misaligned": prompts.NO}  # key -> what is right
VIEWS = ("ego", "exo")
Asked = tuple[str, Choice | Span]  # a question and its target
Row = tuple[Mapping[str, Any], str, str]  # item, key of its query, view


def load_verification(folder: Path) -> Loaded:
    """Read four questions of each item: whether its query, and whether its misaligned one, holds, in each view.

    Args:
        folder: with egoexo_con.json and the films.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def asked(item: Mapping[str, Any], key: str, start_s: float, end_s: float) -> Asked:
        question = f"from {start_s:g} to {end_s:g} seconds, {prompts.verification_question(_text(item, key))}"
        return question, choice(OPTIONS, OPTIONS.index(QUERIES[key]))

    return _load(folder, asked, QUERIES)


def load_grounding(folder: Path) -> Loaded:
    """Read two questions of each item: when its query holds, in each view.

    Args:
        folder: with egoexo_con.json and the films.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def asked(item: Mapping[str, Any], key: str, start_s: float, end_s: float) -> Asked:
        return prompts.temporal_question(_text(item, key)), Span(start_s, end_s)

    return _load(folder, asked, ("query",))


def _load(folder: Path, asked: Callable[..., Asked], keys: Any) -> Loaded:
    items = read_json(find(folder, FILES), list)
    rows = [(item, key, view) for item in items for key in keys for view in VIEWS]
    return loaded(rows, partial(_sample_of, asked), row_id=lambda row, place: _id(row))


def _sample_of(asked: Callable[..., Asked], row: Row) -> Sample:
    item, key, view = row
    times = item["times"][view] if "times" in item else item
    start_s, end_s = float(times["start"]), float(times["end"])
    from_s, to_s = map(float, times["segment"]) if "segment" in times else (0.0, None)
    if not 0 <= start_s < end_s or (to_s is not None and end_s > to_s - from_s):
        raise RowError("span_outside_segment", f"{start_s} to {end_s} s of {times.get('segment', 'the film')}")
    question, target = asked(item, key, start_s, end_s)
    medium = Medium(item[view], view, from_s, to_s)
    length_s = None if to_s is None else to_s - from_s
    pair = f"{item['id']} {key}"
    return Sample(_id(row), item["take"], question, (medium,), target, (item["source"],), length_s, pair)


def _id(row: Row) -> str:
    item, key, view = row
    return f"{item['id']} {key} {view}"


def _text(item: Mapping[str, Any], key: str) -> str:
    text = item[key].strip().rstrip("?.")
    if not text:
        raise RowError("no_query", f"{key!r} is empty")
    return text


BENCHMARK_VERIFY = Benchmark(
    title="EgoExo-Con (verification)",
    load=load_verification,
    files=FILES,
    metric="yes_no_in_both_views",
    splits="1,148 pairs of films, 2,269 queries, each with a misaligned one",
    licence="none stated; films of Charades-Ego, Ego-Exo4D and LEMMA under their own",
    origin="`minjoong507/EgoExo-Con`, which the paper names, is not public and no copy was found: tests write a "
    "form of this project (`components/benchmarks/egoexo_con.py`)",
    frames=32,
    official="yes_unless_no",
    published=(("Qwen2.5-VL-7B", 33.0), ("View-GRPO", 45.1), ("human", 89.4)),
    note="right in both views; always yes is right in both of half the pairs, above the published 7B model",
)
BENCHMARK_GROUND = replace(
    BENCHMARK_VERIFY,
    title="EgoExo-Con (grounding)",
    load=load_grounding,
    metric="temporal_in_both_views",
    splits="1,148 pairs of films, 2,269 queries",
    published=(("Qwen2.5-VL-7B", 6.9), ("View-GRPO", 18.7), ("human", 67.3)),
    note="right in both views at a tIoU of .5; that version 1 prints `IoU < 0.5` is taken for a slip; the two films of "
    "a pair of Charades-Ego share no time, so that `agreement` and `mutual_tiou` say nothing of that subset",
)
