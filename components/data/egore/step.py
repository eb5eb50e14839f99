"""The EgoRe tables: questions and thoughts on clips and windows, grounding, and what is asked in both views."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import llm, records
from components.data import sample_table
from components.data.egore import both_views, by_rule, events, grounding
from components.data.egore.by_rule import Made, Takes
from components.data.egore.llm_written import prompts, replies, segments
from components.data.egore.rationales import pairs
from components.data.egore.rule_based.long_term import windows
from components.data.egore.temporal_windows import WindowRules
from components.data.partition import runner
from components.params import Data, EgoRe, Llm

TABLES = tuple(f"annotations/{name}" for name in ("videos", "narrations", "boxes", "intervals", "rejects"))
CLIPS = ("clips/clips", "funnel/clips")  # of takes, and of web video that came through the funnel
WEB_VIDEOS = "funnel/videos"
INPUTS = (*TABLES, *CLIPS, WEB_VIDEOS)


@dataclass(frozen=True)
class Settings:
    """The values of params/data.yaml that EgoRe depends on.

    Attributes:
        seed: of all random draws.
        egore: the block `egore`.
        llm: the block `llm`.
        ledger_path: where the replies of a language model are kept.
        window_frames: frames of a window, of the block `frames`.
    """

    seed: int
    egore: EgoRe
    llm: Llm
    ledger_path: Path
    window_frames: int

    @property
    def window_rules(self) -> WindowRules:
        """Return how windows around events are cut."""
        return WindowRules(
            max_s=self.egore.window_max_s,
            per_event=self.egore.windows_per_event,
            n_frames=self.window_frames,
            time_step_s=self.egore.time_step_s,
            seed=self.seed,
        )

    @property
    def rationales(self) -> dict:
        """Return how rationales are written."""
        return {"words": self.egore.rationale_words, "time_step_s": self.egore.time_step_s}

    @property
    def counts(self) -> dict[str, int]:
        """Return the most questions of a reply, by kind."""
        return {prompts.SHORT: self.egore.short_per_clip, prompts.LONG: self.egore.long_per_window}


def _planned(settings: Settings, clips: pd.DataFrame, annotations: dict[str, pd.DataFrame]) -> Made:
    """Plan the requests to a language model; the rejects are clips and windows that it is not asked about."""
    events = windows(annotations["intervals"], annotations["videos"], max_s=settings.egore.long_max_s)
    short, short_out = segments.of_clips(clips, annotations, seed=settings.seed)
    long, long_out = segments.of_windows(events, annotations["rejects"], min_s=settings.egore.long_min_s)
    planned = replies.plan(short, long, cot_fraction=settings.egore.cot_fraction, seed=settings.seed)
    ego = int((clips["view"] == "ego").sum())
    row_counts = [
        ("ego clips", ego, len(short), len(short_out)),
        ("long windows", len(long) + len(long_out), len(long), len(long_out)),
    ]
    return [planned[planned["kind"].map(settings.counts).fillna(1) > 0]], [short_out, long_out], row_counts


def _by_model(settings: Settings, takes: Takes) -> Made:
    (planned,), unasked, row_counts = _planned(settings, takes.clips, takes.annotations)
    made, broken, more = replies.generate_samples(
        planned,
        llm.settings_of(settings.llm.model_dump()),
        ledger_path=settings.ledger_path,
        counts=settings.counts,
        choices=settings.egore.choices,
        seed=settings.seed,
    )
    return [made], [*unasked, broken], [*row_counts, *more]


def frames(tables: dict[str, pa.Table]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return the clips, and the annotations by name; narrated clips and intervals stand in for one another."""
    tables = tables | {"annotations/videos": pa.concat_tables([tables["annotations/videos"], tables[WEB_VIDEOS]])}
    annotations = {name.split("/")[1]: tables[name].to_pandas() for name in TABLES}
    intervals, narrations, videos = (annotations[name] for name in ("intervals", "narrations", "videos"))
    clips = pa.concat_tables([tables[name] for name in CLIPS]).to_pandas()
    happening = events.of_videos(intervals, tables[CLIPS[0]].to_pandas(), narrations)
    return events.of_takes(clips, intervals, narrations, videos), annotations | {"intervals": happening}


def requests(params: Data, data_dir: Path) -> Iterator[llm.Request]:
    """Return the requests that the step has for a language model.

    Args:
        params: with `llm.generator` rules too, for a dry run: how many requests there would be.
        data_dir: with the tables of `INPUTS`.
    """
    settings = settings_of(params, data_dir)
    tables = {name: records.read_table(data_dir / f"{name}.parquet", runner.schema_of(name)) for name in INPUTS}
    clips, annotations = frames(tables)
    (planned,), _, _ = _planned(settings, clips, annotations)
    takes = by_rule.takes_of(clips, annotations, seed=settings.seed)
    reasoned = both_views.ask(takes, settings.window_rules, settings.egore).reasoned
    return chain(
        prompts.requests(planned, counts=settings.counts, choices=settings.egore.choices),
        pairs.requests(reasoned, **settings.rationales),
    )


def settings_of(params: Data, data_dir: Path) -> Settings:
    """Return the values that EgoRe depends on, for the folder data/."""
    return Settings(**_parameters(params, data_dir))


def _parameters(params: Data, data_dir: Path) -> dict:
    return {
        "seed": params.seed, "egore": params.egore, "llm": params.llm, "ledger_path": data_dir / "ledger/egore.jsonl",
        "window_frames": params.frames.window_frames,
    }  # fmt: skip


def make(parameters: dict, tables: dict[str, pa.Table]) -> tuple[pa.Table, pa.Table, runner.RowCounts]:
    """Ask all questions of some takes.

    Args:
        parameters: the fields of `Settings`, as JSON values.
        tables: the rows of the takes in `INPUTS`.

    Returns:
        Samples, rejects and the row counts, as `runner.Step.make` does.
    """
    settings = Settings(
        parameters["seed"],
        EgoRe(**parameters["egore"]),
        Llm(**parameters["llm"]),
        Path(parameters["ledger_path"]),
        parameters["window_frames"],
    )
    clips, annotations = frames(tables)
    egore, seed = settings.egore, settings.seed
    takes = by_rule.takes_of(clips, annotations, seed=seed)
    by_rules = settings.llm.generator == "rules"
    asked, dropped, row_counts = (
        by_rule.short_and_long(takes, egore, seed=seed) if by_rules else _by_model(settings, takes)
    )
    videos, boxes = annotations["videos"], annotations["boxes"]
    boxed, boxed_out = grounding.spatial(boxes, videos, grid=egore.box_grid, min_percent=egore.box_min_percent)
    moments = both_views.ask(takes, settings.window_rules, egore)
    timed, timed_out, timed_counts = moments.made
    reasoned, reasoned_out, reasoned_counts = pairs.written(
        moments.reasoned,
        llm.settings_of(settings.llm.model_dump()),
        ledger_path=settings.ledger_path,
        **settings.rationales,
    )
    made = pa.concat_tables([sample_table.table(frame) for frame in (*asked, boxed, *timed, reasoned)])
    return (
        made,
        sample_table.rejects("egore", [*dropped, boxed_out, *timed_out, reasoned_out]),
        [*row_counts, ("boxes", len(boxes), len(boxed), len(boxed_out)), *timed_counts, *reasoned_counts],
    )


def run(params: Data, data_dir: Path) -> dict:
    """Read data/clips, data/annotations and data/funnel, write data/egore/{samples,rejects}.parquet.

    With `llm.generator` openai, the replies of the language model stay in data/ledger/egore.jsonl.

    Returns:
        `counts` by task and question type, and `row_counts`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: a language model is to be asked from a cluster; and see `runner.run`.
    """
    if params.llm.generator != "rules" and os.environ.get("DAFT_RUNNER") == "ray":
        raise ValueError(
            f"llm.generator {params.llm.generator} came with DAFT_RUNNER=ray: the replies are kept in one file, which "
            "one process writes. Unset DAFT_RUNNER for the step egore; calls are concurrent all the same"
        )
    given = _parameters(params, data_dir)
    parameters = given | {name: given[name].model_dump(mode="json") for name in ("egore", "llm")}
    parameters["ledger_path"] = str(given["ledger_path"].resolve())
    row_counts, _ = runner.run(runner.Step("egore", INPUTS, make), parameters, data_dir)
    kinds = pq.read_table(data_dir / "egore/samples.parquet", columns=["task", "question_type"])
    kinds = kinds.group_by(["task", "question_type"]).aggregate([([], "count_all")]).to_pylist()
    rejects = pq.read_metadata(data_dir / "egore/rejects.parquet").num_rows
    return {
        "counts": {f"{row['task']}/{row['question_type']}": row["count_all"] for row in kinds} | {"rejects": rejects},
        "row_counts": row_counts,
    }
