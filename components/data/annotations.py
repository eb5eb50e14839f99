"""Stage `annotations`: every source dataset becomes rows of the common records; no later stage knows its format.

Sources are read and written batch by batch, each to a part of its own, so that a run that was killed keeps the sources
that it had read whole (components/data/source_parts.py). What stays in memory is the split of each take, the columns of
each video that other sources are joined to, and 64 bits of each row's id. Narrations of corpora without videos go to
`point_narrations`: clips are made only of narrations of takes with videos.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data import probing, source_parts
from components.data.source_parts import IDS
from components.data.sources import (
    cc3m,
    charades_ego,
    dci,
    ego4d,
    egoclip,
    egoexo4d,
    egoexolearn,
    egotimeqa,
    egtea,
    epic100,
    general,
    htm_aa,
    interlink7m,
    internvid,
    lemma,
    openeqa,
    panda70m,
    ssv2,
    vidal,
    visor,
    webvid,
)
from components.data.sources.shared.rejecting import Tables
from components.params import Data
from components.video.killable_worker import KillableWorker

PROBE_TIMEOUT_S = 30.0
TABLES = (*IDS, source_parts.REJECTS)
JOINED = ["video_id", "source", "take_id", "take_name", "view", "path", "duration_s", "fps", "split"]  # of videos
SOURCES: dict[str, Callable[..., Iterator[Tables]]] = {  # in the order in which they are read
    "egoexo4d": egoexo4d.read,
    "epic100": epic100.read,
    "visor": visor.read,
    "egoexolearn": egoexolearn.read,
    "charades_ego": charades_ego.read,
    "lemma": lemma.read,
    "ego4d": ego4d.read,
    "egoclip": egoclip.read,
    "egtea": egtea.read,
    "ssv2": ssv2.read,
    "egotimeqa": egotimeqa.read,
    "openeqa": openeqa.read,
    "htm_aa": htm_aa.read,
    "interlink7m": interlink7m.read,
    "panda70m": panda70m.read,
    "webvid": webvid.read,
    "internvid": internvid.read,
    "vidal": vidal.read,
    "cc3m": cc3m.read,
    "dci": dci.read,
    "general": general.read,
}
NEEDS: dict[str, tuple[str, ...]] = {  # what an adapter takes beside its folder, by the name of the argument
    "egoexo4d": ("probe",),  # as `video.probe`
    "epic100": ("probe",),
    "ego4d": ("probe",),
    "visor": ("videos",),  # columns JOINED of the videos of all sources that are read before it
    "egoexolearn": ("videos", "probe"),
    "charades_ego": ("probe",),
    "lemma": ("probe",),
}

# Where a source says what happens in its videos: files below its folder, and the table that they become. Nothing can be
# made of a video of which nothing is said.
SAID: dict[str, tuple[str, str]] = {
    "egoexo4d": ("annotations/atomic_descriptions_{train,val}.json", "narrations"),
    "epic100": ("EPIC_100_{train,validation}.csv", "narrations"),
    "ego4d": ("annotations/narration.json or all_narrations_redacted.json", "narrations"),
    "egoexolearn": ("annotations/fine_annotation_trainval_en.csv or association_benchmark/annotations", "intervals"),
    "charades_ego": ("CharadesEgo/CharadesEgo_v1_{train,test}.csv", "intervals"),
    "lemma": ("annotations/action_intervals_w_tasks.json", "intervals"),
}

log = logging.getLogger(__name__)


def run(params: Data, data_dir: Path) -> dict:
    """Read the source datasets, write data/annotations/<table>.parquet for the tables of IDS, and rejects.

    Args:
        params: of the data graph; `sources` names the folders.
        data_dir: the data folder; source paths that are not absolute are relative to the folder it lies in.

    Returns:
        `counts` (rows of each table, rejects by source and reason) and `row_counts`: (what, rows in, rows out,
        rejected).

    Raises:
        ValueError: no source is named; or a source lacks its folder, a file or a column, says nothing of its videos,
            has two takes of one name, or one film in both splits.
        AssertionError: rows of a source are neither written nor rejected.
    """
    project, folder = data_dir.resolve().parent, data_dir / "annotations"
    roots = _roots(params, project)
    folder.mkdir(parents=True, exist_ok=True)
    parts = _read(roots, folder / "parts")
    written = {name: source_parts.join(list(parts.values()), name, folder / f"{name}.parquet") for name in TABLES}
    _require_distinct(folder / "videos.parquet", roots)
    row_counts = [(name, *source_parts.row_count(part)) for name, part in parts.items()]
    kept = sum(out + rejected for _, _, out, rejected in row_counts)
    assert kept == sum(written.values()), f"{folder}: {kept} rows were read, {sum(written.values())} are stored"
    reasons = {
        f"{name}/{reason}": n for name, part in parts.items() for reason, n in source_parts.reasons(part).items()
    }
    shutil.rmtree(folder / "parts")
    return {"counts": written | {"reasons": dict(sorted(reasons.items()))}, "row_counts": row_counts}


def _read(roots: dict[str, Path], folder: Path) -> dict[str, Path]:
    """Read every source to a part of its own, but those that an earlier, killed run read whole.

    Args:
        roots: folder of each source, in the order of SOURCES.
        folder: where the parts go.

    Returns:
        The part of each source, in their order.
    """
    parts: dict[str, Path] = {}
    digests: dict[str, str] = {}
    with KillableWorker(timeout_s=PROBE_TIMEOUT_S) as worker:
        probe = partial(probing.probe, worker, timeout_s=PROBE_TIMEOUT_S)
        for name, root in roots.items():
            needs, part = NEEDS.get(name, ()), folder / name
            digests[name] = source_parts.digest_of(name, root, list(digests.values()) if "videos" in needs else ())
            if source_parts.is_read(part, digests[name]):
                log.info("annotations: %s was read by an earlier run", name)
            else:
                offered = {"probe": probe, "videos": source_parts.videos(list(parts.values()), JOINED)}
                rows = SOURCES[name](root, **{need: offered[need] for need in needs})
                source_parts.write(part, name, rows, digest=digests[name])
            _require_said(name, root, part)
            parts[name] = part
    return parts


def _require_said(name: str, root: Path, part: Path) -> None:
    """Make sure that something is said of the videos of a source.

    Raises:
        ValueError: there are videos, and no narration or interval of any of them; names the files and the rejects.
    """
    files, table = SAID.get(name, ("", ""))
    if table and source_parts.has(part, "videos") and not source_parts.has(part, table):
        lost = ", ".join(f"{reason} {count:,}" for reason, count in source_parts.reasons(part).most_common(3)) or "none"
        raise ValueError(
            f"{name} in {root} has videos, but none of {files} says what happens in one: no row of {table} came "
            f"(rejects: {lost}), at least one is needed; get the released files again, or mend or take out "
            f"sources.{name} in params/data.yaml"
        )


def _require_distinct(path: Path, roots: dict[str, Path]) -> None:
    """Make sure that a name is that of one take, and that no film is in both splits.

    Raises:
        ValueError: it is not so; names the source, the first such name or film, and what to mend.
    """
    videos = pq.read_table(path, columns=["source", "take_name", "take_id", "path", "split"])
    for key, of, wrong in (
        ("take_name", "take_id", "the name of takes {}: who is asked about one would be told of the others"),
        ("path", "split", "the film of takes in {}: what is measured on it would have been learned"),
    ):
        distinct = videos.group_by(["source", key]).aggregate([(of, "distinct")])
        repeated = distinct.filter(pc.greater(pc.list_value_length(distinct[f"{of}_distinct"]), 1)).sort_by(key)
        if len(repeated):
            first = repeated.slice(0, 1).to_pylist()[0]
            found = " and ".join(sorted(first[f"{of}_distinct"]))
            raise ValueError(
                f"{first['source']} in {roots[first['source']]}: {first[key]!r} is {wrong.format(found)} "
                f"({len(repeated):,} in all). Allowed is one; get the released files again, take the repeated ones "
                f"out, or mend sources.{first['source']} in params/data.yaml"
            )


def _roots(params: Data, project: Path) -> dict[str, Path]:
    """Return the folder of each source that is named, in the order of SOURCES; all are there.

    Raises:
        ValueError: no source is named, or one is no folder.
    """
    given = params.sources.given()
    roots = {name: project / given[name] for name in SOURCES if name in given}
    if not roots:
        raise ValueError(
            f"sources of params/data.yaml names no dataset; name the folder of at least one of {', '.join(SOURCES)}"
        )
    for name, root in roots.items():
        if not root.is_dir():  # found now, not after hours of other sources
            raise ValueError(
                f"{root} is no folder; put {name} there, or mend or take out sources.{name} in params/data.yaml"
            )
    return roots
