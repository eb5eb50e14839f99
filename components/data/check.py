"""Look at the head of every source before hours are spent on it: its files, its columns, and one of its media.

Each adapter is started as the step `annotations` starts it, and stopped at its first rows. So what is said here is what
that step would meet. Run as: python -m components.data check --params params/data.yaml
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.markup import escape
from rich.table import Table

from components import records, video
from components.data import probing
from components.data.annotations import JOINED, NEEDS, PROBE_TIMEOUT_S, SOURCES
from components.data.funnel.detections import LEARNED
from components.data.media import FOLDERS, place
from components.data.sources import egoexo4d, htm_aa, interlink7m, visor
from components.data.sources.shared.rejecting import Tables
from components.params import Data
from components.video.killable_worker import KillableWorker

BATCHES = 50  # of rows that are read at most
MEDIA = 50  # of captions, questions or sentences that are looked for; as many rows are enough
WEB = (htm_aa.SOURCE, interlink7m.SOURCE)  # films that nobody says the view of, which the step `funnel` tells
MEDIA_FOLDERS = {**FOLDERS, **dict.fromkeys(WEB, ("",))}
# What a source takes on disk and where it comes from, as its authors say; without a figure they give none
RELEASES = {
    "egoexo4d": "takes 10.5 TB, downscaled to 448 pixels 0.44 TB: egoexo -o FOLDER --parts metadata annotations "
    "downscaled_takes/448 (licence agreement)",
    "epic100": "videos about 1 TB: epic_downloader.py --videos, or --rgb-frames; CSV files: "
    "epic-kitchens/epic-kitchens-100-annotations",
    "visor": "GroundTruth-SparseAnnotations and frame_mapping.json: epic-kitchens/VISOR-VIS",
    "egoexolearn": "videos and annotations: OpenGVLab/EgoExoLearn, hyf015/EgoExoLearn",
    "ego4d": "ego4d --output_directory FOLDER --datasets full_scale annotations, or video_540ss (licence agreement)",
    "charades_ego": "CharadesEgo.zip and CharadesEgo_v1_480.tar: the page of Charades at the Allen Institute",
    "lemma": "images and splits: the page of LEMMA; action_intervals_w_tasks.json: the annotations of EgoTaskQA",
    "egoclip": "egoclip.csv: showlab/EgoVLP; the videos are Ego4D's",
    "egtea": "action_annotation.zip and cropped_clips: the page of EGTEA Gaze+",
    "ssv2": "labels and 20bn-something-something-v2-??: the page of Something-Something",
    "egotimeqa": "annotations.EgoTimeQA.json: Becomebright/GroundVQA; the clips are Ego4D's of NLQ",
    "openeqa": "open-eqa-v0.json and the episodes' frames: facebookresearch/open-eqa",
    "htm_aa": "htm_aa_v1.csv, 0.33 GB: TengdaHan/TemporalAlignNet; the videos are HowTo100M's",
    "interlink7m": "Awiny/Howto-Interlink7M; the videos are HowTo100M's",
    "panda70m": "panda70m_*.csv and their downloader: snap-research/Panda-70M",
    "webvid": "results_2M_train.csv and its downloader: m-bain/webvid (withdrawn in 2024)",
    "internvid": "InternVid*.jsonl: OpenGVLab/InternVid; the videos are on YouTube",
    "vidal": "PKU-YuanGroup/LanguageBind, DATASETS.md; the videos are on YouTube",
    "cc3m": "Train_GCC-training.tsv and its links: Conceptual Captions",
    "dci": "annotations: facebookresearch/DCI; the photos are SA-1B's",
    "general": "conversations that you have or write: docs/your-own-data.md",
}


@dataclass(frozen=True)
class Finding:
    """What was seen of a source.

    Attributes:
        source: its name in params/data.yaml.
        folder: absolute, where it was looked for.
        rows: what its first rows are, by table; "" where none was read.
        medium: the first medium that could be read, and how long it is; "" where there is none.
        problem: what is missing or wrong; "" where nothing is.
        rejects: why some of the first rows are rejected; "" where none is.
    """

    source: str
    folder: Path
    rows: str = ""
    medium: str = ""
    problem: str = ""
    rejects: str = ""

    def seen(self) -> list[tuple[str, str]]:
        """Return what was seen, by its name."""
        return [("first rows", self.rows), ("rejected", self.rejects), ("first medium", self.medium)]


class _MediumReadError(Exception):
    """Not a fault: the first medium was read, so that the adapter need not go on."""


def findings(params: Data, project: Path) -> list[Finding]:
    """Look at every source that the parameters name.

    Args:
        params: of the data graph.
        project: folder that paths of sources are relative to.
    """
    given = {name: (project / path).resolve() for name, path in params.sources.given().items()}
    lacking = _lacking(given, has_detector=params.funnel.hand_detector != LEARNED)
    takes = partial(_takes, given.get(egoexo4d.SOURCE))
    with KillableWorker(timeout_s=PROBE_TIMEOUT_S) as worker:
        found = [_finding(name, given[name], worker, takes) for name in SOURCES if name in given]
    return [replace(one, problem=one.problem or lacking) if one.source in WEB else one for one in found]


def _lacking(given: dict[str, Path], *, has_detector: bool) -> str:
    """Say what the step `funnel` needs beside web video and `sources` does not name; "" where nothing is missing."""
    if {*given} <= {*WEB, visor.SOURCE}:
        return (
            "the step `funnel` learns to tell its ego clips from films of a known view, and `sources` names none; name "
            "a source of ego and one of exo films beside it, for instance epic100 and webvid, or egoexo4d"
        )
    if visor.SOURCE not in given and not has_detector:
        return (
            "the step `funnel` learns hands from VISOR's boxes, and `sources` does not name visor; name it with "
            "epic100 or egoexo4d, or a detection model in funnel.hand_detector"
        )
    return ""


def _takes(root: Path | None) -> set[str]:
    """Return the takes of Ego-Exo4D, which intervals of another source may be of; none where they cannot be read."""
    try:
        return {take["take_id"] for take in egoexo4d.takes(root)} if root else set()
    except ValueError:  # which the finding of that source says
        return set()


def require(params: Data, project: Path) -> None:
    """Make sure that every source that the parameters name can be read.

    Raises:
        ValueError: the files or the media of a source are missing or wrong; names all such sources.
    """
    wrong = [finding for finding in findings(params, project) if finding.problem]
    if wrong:
        lines = "\n".join(f"  {one.source} in {one.folder}: {one.problem}" for one in wrong)
        raise ValueError(
            f"{len(wrong)} sources of params/data.yaml cannot be read:\n{lines}\n"
            "`python -m components.data check --params params/data.yaml` says where to get them; or take them out of "
            "`sources`"
        )


def require_rows(row_counts: list[tuple[str, int, int, int]], rejects: Path, *, most_rejected_share: float) -> None:
    """Make sure that no source lost nearly all of its rows.

    Args:
        row_counts: (source, rows in, rows out, rejected), as the step `annotations` counts them.
        rejects: the table of rejects of that step.
        most_rejected_share: of the rows of a source that may be rejected, 0 to 1.

    Raises:
        ValueError: a source gives no row, or loses more; names its most frequent reasons, each with an example.
    """
    lost = [
        (source, rows_in, rejected)
        for source, rows_in, rows_out, rejected in row_counts
        if not rows_out or rejected > most_rejected_share * rows_in
    ]
    if not lost:
        return
    refused = pq.read_table(rejects, columns=["step", "reason", "detail"])
    lines = []
    for source, rows_in, rejected in lost:
        of_source = refused.filter(pc.field("step") == f"annotations/{source}").to_pandas()
        lines.append(f"  {source}: {rejected} of {rows_in} rows are rejected: {_reasons([({}, of_source)])}")
    raise ValueError(
        f"{len(lost)} sources lose more than a share of {most_rejected_share:g} of their rows:\n"
        + "\n".join(lines)
        + "\n"
        "All rejects are in data/annotations/rejects.parquet. Mend the folders of `sources` in params/data.yaml, take "
        "the source out, or raise annotations.most_rejected_share there"
    )


def _finding(name: str, folder: Path, worker: KillableWorker, takes: Callable[[], set[str]]) -> Finding:
    if not folder.is_dir():
        return Finding(name, folder, problem="there is no such folder")
    seen: list[str] = []

    def probe(path: Path, fps: float | None = None) -> video.Probe:
        seen.append(_probed(path, folder, worker, fps))
        raise _MediumReadError

    offered = {"probe": probe, "videos": records.VIDEO.empty_table().select(JOINED)}
    batches: list[Tables] = []
    try:
        read = SOURCES[name](folder, **{need: offered[need] for need in NEEDS.get(name, ())})
        batches.extend(_to_first_rows(read))
    except _MediumReadError:
        return Finding(name, folder, "", seen[0])
    except ValueError as error:
        return Finding(name, folder, problem=str(error))
    rows, needs = _counted(batches), NEEDS.get(name, ())
    if not rows:
        return Finding(name, folder, problem="its files hold no rows")
    named = {row_id.split("/")[0] for _, refused in batches for row_id in refused["row_id"]}
    if "videos" in needs and ("probe" not in needs or named & takes()):  # of other sources, not known here
        return Finding(name, folder, f"{sum(map(_size, batches))} to be joined to videos")
    if "probe" in needs:  # all of its videos were looked for
        return Finding(name, folder, rows, problem=f"no video can be read: {_reasons(batches)}")
    if name not in MEDIA_FOLDERS:  # a corpus whose media no step looks at
        return Finding(name, folder, rows)
    medium, problem = _medium(folder, MEDIA_FOLDERS[name], batches, worker)
    refused = _reasons(batches) if any(len(rejects) for _, rejects in batches) else ""
    return Finding(name, folder, rows, medium, problem, refused)


def _probed(path: Path, folder: Path, worker: KillableWorker, fps: float | None = None) -> str:
    """Probe a medium and describe it.

    Raises:
        VideoError: it cannot be read.
    """
    length = probing.probe(worker, path, fps, timeout_s=PROBE_TIMEOUT_S)
    return f"{path.relative_to(folder)}, {length.duration_s:g} s at {length.fps:g}/s"


def _to_first_rows(read: Iterator[Tables]) -> Iterator[Tables]:
    """Return batches of an adapter until they have as many rows that are kept as media are looked for."""
    kept = 0
    for tables, rejects in islice(read, BATCHES):
        yield tables, rejects
        kept += sum(map(len, tables.values()))
        if kept >= MEDIA:
            return


def _counted(batches: list[Tables]) -> str:
    counts: dict[str, int] = {}
    for tables, rejects in batches:
        for name, frame in (*tables.items(), ("rejects", rejects)):
            counts[name] = counts.get(name, 0) + len(frame)
    return ", ".join(f"{rows} {name}" for name, rows in counts.items() if rows)


def _size(batch: Tables) -> int:
    tables, rejects = batch
    return len(rejects) + sum(map(len, tables.values()))


def _reasons(batches: list[Tables]) -> str:
    """Return the most frequent reasons of rejects, each with an example."""
    rejects = [row for _, refused in batches for row in zip(refused["reason"], refused["detail"], strict=True)]
    examples = dict(reversed(rejects))  # of each reason the first
    counted = Counter(reason for reason, _ in rejects).most_common(3)
    said = [f"{count} x {reason}, for example {examples[reason]!r}" for reason, count in counted]
    return "; ".join(said) or "its files name none"


def _medium(
    folder: Path, media_folders: tuple[str, ...], batches: list[Tables], worker: KillableWorker
) -> tuple[str, str]:
    """Look for media of the first captions or questions.

    Returns:
        The first medium that can be read ("" where there is none), and the problem ("" where there is none).
    """
    frames = [frame for tables, _ in batches for frame in tables.values()]
    columns = (frame["path"] if "path" in frame else map(htm_aa.VIDEO.format, frame["take_id"]) for frame in frames)
    paths = list(chain.from_iterable(columns))
    looked = [place(folder, media_folders, path) for path in list(dict.fromkeys(paths))[:MEDIA]]
    if not looked:
        return "", f"none of its first rows is kept: {_reasons(batches)}"
    causes = []
    for path in looked:
        try:
            file = video.inside(folder, path)
            if not file.exists():
                raise video.VideoError(file, "missing")
            return _probed(file, folder, worker), ""
        except video.VideoError as error:
            causes.append(error.cause)
    return "", f"of the first {len(looked)} media none can be read; {looked[0]}: {causes[0]}"


def shown(found: list[Finding]) -> Table:
    """Return a table of findings for people."""
    table = Table(title="Sources of params/data.yaml", show_lines=True)
    for column in ("source", "state", "what was found"):
        table.add_column(column, overflow="fold")
    for one in found:
        lines = [f"folder: {one.folder}", *(f"{what}: {text}" for what, text in one.seen() if text)]
        if one.problem:
            lines += [f"problem: {one.problem}", f"to get it: {RELEASES.get(one.source, 'see its adapter')}"]
        state = "[red]mend[/red]" if one.problem else "[green]ok[/green]"
        table.add_row(escape(one.source), state, escape("\n".join(lines)))
    return table
