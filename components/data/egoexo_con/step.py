"""EgoExo-Con's items of our own takes: queries that both views of a held-out moment answer (systems §5.1).

The items stand in data/egoexo_con.json, in the form of components/benchmarks/egoexo_con.py, with films below data/:
`python -m flows.benchmark --benchmarks egoexo_con_verify,egoexo_con_ground --root data`. Each has one misaligned query,
so that "yes" and "no" are right equally often. Where the views were filmed one after the other (Charades-Ego), each has
times of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import llm, records
from components.data import sample_table
from components.data.egoexo_con import acted_twice, happening, judging, review
from components.data.egore import both_views, by_rule
from components.data.egore import step as egore
from components.data.partition import runner
from components.data.partition.finished_parts import written_whole
from components.params import Data

ITEMS = "egoexo_con.json"
REVIEW = "review/egoexo_con.csv"  # below data/, but tracked by git; dvc.yaml says how DVC leaves it alone
_DIGITS = 3  # of seconds


def queries(params: Data, data_dir: Path) -> pd.DataFrame:
    """Return the events of held-out takes that are asked for in both views, a row for each.

    Returns:
        `query_id`, `source`, `take`, `video_ego`, `video_exo`, `start_s` and `end_s` of the window, `from_s` and `to_s`
        of the event in it, `event`, `false_event`, the facts of each view, whether it is visible in each, whether the
        grammar of the kitchen tells the take, all that is `told` of it in the window, and `times`: None, or those of
        each view where they differ (`acted_twice`).
    """
    tables = {name: _held_out(data_dir / f"{name}.parquet", runner.schema_of(name)) for name in egore.INPUTS}
    settings = egore.settings_of(params, data_dir)
    takes = by_rule.takes_of(*egore.frames(tables), seed=params.seed)
    asked = both_views.ask(takes, settings.window_rules, params.egore.model_copy(update={"rationale_share": 1.0}))
    timed = asked.reasoned[asked.reasoned["task"] == "ground_temporal"]
    both = timed[timed["view"] == "ego"].merge(
        timed.loc[timed["view"] == "exo", ["parent", "start_s", "end_s", "video_id", "facts", "is_visible"]],
        on=["parent", "start_s"], suffixes=("_ego", "_exo"),
    )  # fmt: skip
    both = both.drop_duplicates("parent", ignore_index=True)  # an event of a long film has several windows
    names = {"parent": "query_id", "take_id": "take", "video_id_ego": "video_ego", "video_id_exo": "video_exo"}
    filmed_for = tables["annotations/videos"].to_pandas().set_index("video_id")["source"]
    both = both.rename(columns=names).assign(
        end_s=both[["end_s_ego", "end_s_exo"]].min(axis=1), source=both["video_id_ego"].map(filmed_for)
    )
    both = both.assign(in_kitchen=both["take"].isin(takes.kitchen), told=happening.told(takes, both), times=None)
    twice = acted_twice.queries(asked.made[0][0], takes.annotations["intervals"], takes.annotations["videos"])
    return pd.concat([both, twice], ignore_index=True) if len(twice) else both


def _held_out(path: Path, schema: pa.Schema) -> pa.Table:
    """Read the rows of held-out takes; rejects have no split."""
    table = records.read_table(path, schema)
    return table.filter(pc.equal(table["split"], "test")) if "split" in schema.names else table


def requests(params: Data, data_dir: Path) -> list[llm.Request]:
    """Return the requests that the step has for a language model."""
    asked = queries(params, data_dir)
    return list(judging.requests(asked[_unfit(asked) == ""]))


def _unfit(asked: pd.DataFrame) -> np.ndarray:
    """Return why a query is not even judged: "" where it is."""
    return np.select(
        [~asked["is_visible_ego"].astype(bool), ~asked["is_visible_exo"].astype(bool), asked["false_event"].isna()],
        ["not_visible_in_ego", "not_visible_in_exo", "no_misaligned_query"], "",
    ).astype(object)  # fmt: skip


def _judged(asked: pd.DataFrame, params: Data, data_dir: Path) -> tuple[pd.DataFrame, list[llm.Reject]]:
    """Return the queries with the opinion of the judge, as `review` takes them, and those that it did not answer."""
    ledger_path = data_dir / "ledger/egoexo_con.jsonl"
    settings = llm.settings_of(params.llm.model_dump())
    answers = llm.generate(
        judging.requests(asked), settings, rules={judging.KIND: judging.by_rule}, ledger_path=ledger_path
    )
    rows, unanswered = [], []
    settled = llm.all_settled(answers, what="judgements", ledger_path=ledger_path)
    for row, answer in zip(asked.to_dict("records"), settled, strict=True):
        if isinstance(answer, llm.Reject):
            unanswered.append(answer)
            continue
        said = {name: " ".join(answer.value[name].split()) for name in ("refined", "misaligned", "why")}
        is_whole = bool(said["refined"] and said["misaligned"])
        keep = review.YES if answer.value["keep"] and is_whole else review.NO
        rows.append({**row, "query": row["event"], **said, "keep": keep})
    return pd.DataFrame(rows, columns=[*asked.columns, "query", *review.OPINION]), unanswered


def run(params: Data, data_dir: Path) -> dict:
    """Read what the step egore reads, write data/egoexo_con.json, data/egoexo_con/rejects.parquet and the review file.

    Returns:
        `counts`, and `row_counts`: (what, rows in, rows out, rejected).

    Raises:
        ValueError: see `review.reviewed` and `llm.all_settled`.
    """
    asked = queries(params, data_dir)
    unfit = _unfit(asked)
    judged, unanswered = _judged(asked[unfit == ""].reset_index(drop=True), params, data_dir)
    opinion = review.reviewed(data_dir / REVIEW, judged[[name for name in review.COLUMNS if name in judged]])
    final = judged.drop(columns=review.OPINION).merge(opinion[["query_id", *review.OPINION, "state"]], on="query_id")
    paths = _films(params, data_dir)
    reason = [_reason(row, paths) for row in final.to_dict("records")]
    kept = final[np.array(reason, dtype=object) == ""]
    items = [_item(row, paths) for row in kept.to_dict("records")]
    with written_whole(data_dir / ITEMS) as unfinished:
        unfinished.write_text(json.dumps(items, indent=1, allow_nan=False) + "\n")
    dropped = [
        sample_table.dropped(asked, unfit, row_id="query_id", detail="event"),
        sample_table.dropped(final, np.array(reason, dtype=object), row_id="query_id", detail="why"),
        pd.DataFrame(
            [(each.request_id, each.reason, each.detail) for each in unanswered],
            columns=["row_id", "reason", "detail"],
        ),
    ]
    rejects = sample_table.rejects("egoexo_con", dropped)
    records.write_table(data_dir / "egoexo_con/rejects.parquet", rejects, records.REJECT)
    edited = int((final["state"] == review.EDITED).sum())
    return {
        "counts": {"items": len(items), "edited": edited, "rejects": len(rejects)},
        "row_counts": [("queries in both views", len(asked), len(items), len(rejects))],
    }


def _films(params: Data, data_dir: Path) -> dict[str, str]:
    """Return video id -> path below data/, of films that lie there."""
    root, sources = data_dir.resolve(), params.sources.given()
    found = {}
    for video in records.read_table(data_dir / "annotations/videos.parquet", records.VIDEO).to_pylist():
        path = (root.parent / sources[video["source"]] / video["path"]) if video["source"] in sources else None
        if path is not None and path.is_relative_to(root):
            found[video["video_id"]] = path.relative_to(root).as_posix()
    return found


def _reason(row: dict, paths: dict[str, str]) -> str:
    if row["keep"] != review.YES:
        return "dropped_by_a_person" if row["state"] == review.EDITED else "not_answerable"
    if happening.happens(row, row["misaligned"]):
        return "misaligned_query_happens"
    return "" if row["video_ego"] in paths and row["video_exo"] in paths else "film_outside_data"


def _item(row: dict, paths: dict[str, str]) -> dict:
    item = {
        "id": row["query_id"], "source": row["source"], "take": row["take"],
        "ego": paths[row["video_ego"]], "exo": paths[row["video_exo"]],
        "query": row["refined"], "misaligned": row["misaligned"],
    }  # fmt: skip
    if row["times"] is None:
        return item | _times(*(row[name] for name in acted_twice.TIMES))
    return item | {"times": {view: _times(*of_view) for view, of_view in row["times"].items()}}


def _times(*seconds: float) -> dict:
    start_s, end_s, from_s, to_s = (round(each, _DIGITS) for each in seconds)
    return {"segment": [start_s, end_s], "start": from_s, "end": min(to_s, round(end_s - start_s, _DIGITS))}
