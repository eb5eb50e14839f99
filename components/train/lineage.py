"""From a take forward: the samples it is in, the stages that learned from them, the registered versions of those.

Run as: python -m components.train.lineage TAKE --data data --checkpoints checkpoints

What a stage saw is drawn again, as it was drawn for its training, and is told only where the digest of that draw is the
one that the checkpoint records. A take that is withdrawn is answered by which stages to train again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from graphlib import TopologicalSorter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from components import params, records, tracking
from components.models import checkpoint_files
from components.params.mistakes import meant
from components.train import algorithms, plan

_READ = ("stage", "params", "parents", "samples_digest")  # of stage.json


@dataclass(frozen=True)
class Seen:
    """What a finished stage has to do with some samples.

    Attributes:
        checkpoint: name of its folder.
        stage: its name in the recipe.
        samples: how many of them it learned from; None where that cannot be told, for `why_unknown`.
        times: how often, in all.
        by_parent: whether it stands on a stage that learned from them.
        why_unknown: in words; "" where it is known.
        mixture: "corpus/task/view" that it draws from.
    """

    checkpoint: str
    stage: str
    samples: int | None = 0
    times: int = 0
    by_parent: bool = False
    why_unknown: str = ""
    mixture: tuple[str, ...] = ()


@dataclass(frozen=True)
class Impact:
    """All that a take or a video is in.

    Attributes:
        videos: rows of `records.VIDEO`.
        samples: counts by corpus, task, view and split.
        stages: every finished stage that it touches, parents first.
    """

    videos: pd.DataFrame
    samples: pd.DataFrame
    stages: list[Seen] = field(default_factory=list)


def of_take(data: Path, checkpoints: Path, wanted: str, settings: params.Data) -> Impact:
    """Return the samples and the finished stages that a take or a video is in.

    Args:
        data: folder of the data graph.
        checkpoints: folder of the checkpoints.
        wanted: a take's id or name, a video's id, or the path of its film below its source.
        settings: parameters of the data.

    Raises:
        ValueError: no video has it.
    """
    videos = records.read_videos(data).to_pandas()
    found = videos[videos[["take_id", "take_name", "video_id", "path"]].eq(wanted).any(axis=1)]
    if found.empty:
        near = meant(wanted, [*videos["take_name"], *videos["path"]])
        raise ValueError(f"{wanted!r} came{near}; allowed is a take's id or name, a video's id, or the path of a film")
    samples = _samples(data)
    shown = _videos_of(samples)
    is_in = shown[shown["video_id"].isin(set(found["video_id"]))].index.unique()
    chosen = samples.take(pa.array(is_in))
    counts = chosen.select(["corpus", "task", "view", "split"]).to_pandas().value_counts().rename("samples")
    ids = set(chosen.filter(pc.equal(chosen["split"], "train"))["sample_id"].to_pylist())
    return Impact(found, counts.reset_index(), list(_stages(data, checkpoints, ids, settings)))


def _samples(data: Path) -> pa.Table:
    return records.read_table(data / "dataset/samples.parquet", records.SAMPLE).combine_chunks()


def _videos_of(samples: pa.Table) -> pd.DataFrame:
    """Return the videos of each sample, those of its other views too; the index is the sample's row."""
    frames = []
    for name in ("media", "paired"):
        column = samples[name].combine_chunks()
        owner = pc.list_parent_indices(column).to_numpy()
        ids = pc.struct_field(pc.list_flatten(column), "video_id").to_pandas()
        frames.append(pd.DataFrame({"video_id": ids.to_numpy()}, index=owner))
    return pd.concat(frames)


def _stages(data: Path, checkpoints: Path, ids: set[str], settings: params.Data) -> Iterator[Seen]:
    folders = sorted(path.parent for path in checkpoints.glob(f"*/{checkpoint_files.RECORD}"))
    made = {folder.name: checkpoint_files.read(folder, _READ) for folder in folders}
    touched: set[str] = set()
    known = set(ids)  # and what teachers wrote about those samples
    for name in _parents_first(made):
        stage = made[name]
        written = checkpoints / name / plan.SAMPLES_FILE
        if written.is_file():
            seen, more = _written(stage, name, written, known)
            known |= more
        else:
            seen = _drawn(stage, name, data, checkpoints, known, settings)
        parents = {Path(parent).name for parent in stage["parents"].values()}
        if seen.samples or seen.why_unknown or parents & touched:
            touched.add(name)
            mixture = tuple(stage["params"]["mixture"])
            yield replace(seen, by_parent=bool(parents & touched), mixture=mixture)


def _written(made: dict, name: str, path: Path, ids: set[str]) -> tuple[Seen, set[str]]:
    """Return what a teacher wrote about some samples, and the ids of the samples that it made of them."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != made["samples_digest"]:
        return Seen(name, made["stage"], None, why_unknown=f"{path} is not what it wrote"), set()
    rows = records.read_table(path, records.SAMPLE).select(["sample_id", "parents"]).to_pylist()
    about = [row for row in rows if ids & set(row["parents"])]
    segments = {parent for row in about for parent in row["parents"]}
    return Seen(name, made["stage"], len(segments), len(about)), {row["sample_id"] for row in about}


def _parents_first(made: dict[str, dict]) -> Sequence[str]:
    graph = {name: {Path(parent).name for parent in stage["parents"].values()} for name, stage in made.items()}
    return [name for name in TopologicalSorter(graph).static_order() if name in made]


def _drawn(made: dict, name: str, data: Path, checkpoints: Path, ids: set[str], settings: params.Data) -> Seen:
    """Draw again what a stage learned from, and count the samples among it."""
    if not made["params"]["mixture"]:  # it makes its own samples, of no take
        return Seen(name, made["stage"])
    if "model" not in made:
        return Seen(name, made["stage"], None, why_unknown="an earlier version made it, which kept no model")
    try:
        stage = params.Stage.model_validate(made["params"], strict=False)
        model = TypeAdapter(params.AnyModel).validate_python(made["model"], strict=False)
        written = made["parents"].get("samples")
        distilled = checkpoints / Path(written).name / plan.SAMPLES_FILE if written else None
        dataset = algorithms.samples(stage, settings, data, model, distilled)
    except (ValueError, OSError) as error:
        return Seen(name, made["stage"], None, why_unknown=str(error).splitlines()[0])
    if dataset.samples_digest(made["steps"]) != made["samples_digest"]:
        return Seen(name, stage.name, None, why_unknown="it was trained on other data than those that are here now")
    drawn = [sample for step in range(made["steps"]) for item in dataset.ids(step) for sample in item if sample in ids]
    return Seen(name, stage.name, len(set(drawn)), len(drawn))


def main() -> int:
    """Print what a take or a video is in, and what is to be done when it is withdrawn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wanted", metavar="TAKE", help="a take's id or name, a video's id, or the path of a film")
    parser.add_argument("--data", type=Path, default=Path("data"), help="of the data graph (default: %(default)s)")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="default: %(default)s")
    parser.add_argument("--params", type=Path, default=Path("params/data.yaml"), help="YAML of the data")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    given = parser.parse_args()
    try:
        found = of_take(given.data, given.checkpoints, given.wanted, params.load(given.params, params.Data))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    versions = tracking.versions_of([seen.checkpoint for seen in found.stages])
    sys.stdout.write(json.dumps(as_json(given.wanted, found, versions)) if given.json else told(found, versions))
    return 0


def as_json(wanted: str, found: Impact, versions: dict[str, list[str]]) -> dict:
    """Return an impact for a page that draws it.

    Args:
        wanted: the take or video, as it was asked.
        found: of it.
        versions: checkpoint folder -> the registered versions that hold it, as "model/version".
    """
    stages = [
        asdict(seen) | {"told": _what(seen), "versions": versions.get(seen.checkpoint, [])} for seen in found.stages
    ]
    films = found.videos[["source", "take_name", "view", "path"]].to_dict("records")
    return {"wanted": wanted, "films": films, "samples": found.samples.to_dict("records"), "stages": stages}


def _what(seen: Seen) -> str:
    what = seen.why_unknown or f"learned from {seen.samples} of them, {seen.times} times"
    return what + (", stands on a stage that did" if seen.by_parent else "")


def told(found: Impact, versions: dict[str, list[str]]) -> str:
    """Return the page of an impact.

    Args:
        found: of a take or a video.
        versions: checkpoint folder -> the registered versions that hold it, as "model/version".
    """
    films = found.videos.to_dict("records")
    lines = [f"{row['source']} {row['take_name']}: {row['view']} {row['path']}" for row in films]
    for row in found.samples.to_dict("records"):
        lines.append(f"{row['samples']:6} samples of {row['corpus']}/{row['task']}/{row['view']}, {row['split']}")
    for seen in found.stages:
        held = f"; registered as {', '.join(versions[seen.checkpoint])}" if versions.get(seen.checkpoint) else ""
        lines.append(f"{seen.checkpoint}: {_what(seen)}{held}")
    if found.stages:
        names = ", ".join(dict.fromkeys(seen.stage for seen in found.stages))
        lines.append(f"If it is withdrawn: take its files out, run `dvc repro`, and train again: {names}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
