"""EgoExoLearn temporal grounding (EgoThinker): when does it happen in a film of minutes?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import prompts
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample, Span

FILES = ("egoexolearn_test.json",)


def load(folder: Path) -> Loaded:
    """Read the queries.

    Args:
        folder: with egoexolearn_test.json; films are `<video uid>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: tuple[int, Mapping[str, Any]]) -> Sample:
        place, found = row
        start_s, end_s = float(found["start"]), float(found["end"])
        if not 0 <= start_s < end_s:
            raise RowError("empty_span", f"{start_s} to {end_s} s")
        video = found["vid"].removesuffix(".mp4")
        question = prompts.temporal_question(found["question"].rstrip("?. "))
        return Sample(str(place), video, question, (Medium(f"{video}.mp4"),), Span(start_s, end_s))

    rows = list(enumerate(read_json(find(folder, FILES), list)))
    return loaded(rows, sample_of, row_id=lambda row, place: str(place))


BENCHMARK = Benchmark(
    title="EgoExoLearn grounding",
    load=load,
    files=FILES,
    metric="temporal",
    splits="test, about 3,000 queries",
    licence="MIT; films under EgoExoLearn's terms",
    origin="hub data set `hyf015/egothinker_eval_dataset`; no public copy was read, tests write the form of its reader",
    frames=64,
    published=(("Qwen2-VL-7B", 5.4), ("EgoThinker", 63.9)),
    note="R1 at tIoU 0.05 is the paper's figure; here also 0.1, 0.3, 0.5, 0.7 and mIoU",
)
