"""The options of each command, for `python -m flows.…` and the console command alike. Imports nothing that is slow."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

RECIPE = "params/recipes/miniature.yaml"
COMPARISON = "params/ablations/exo2ego.yaml"
DATA_PARAMS = Path("params/data.yaml")
EVALUATION = Path("params/eval.yaml")


def recipe(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a recipe."""
    parser.add_argument(
        "--recipe",
        default=RECIPE,
        help="YAML of the training run, or its bare name in params/recipes (default: %(default)s)",
    )
    overrides(parser)


def overrides(parser: argparse.ArgumentParser) -> None:
    """Add the changes of a recipe (components/params/overrides.py)."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="changes of the recipe, such as stages.sft.max_steps=60; null takes a key out; all in one place",
    )


def run(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/pipeline.py."""
    recipe(parser)
    parser.add_argument("--dry-run", action="store_true", help="only print what would run")
    small = parser.add_argument_group("rehearsal")
    small.add_argument(
        "--rehearse", action="store_true", help="run all of it with tiny random weights and few steps, in rehearsals/"
    )
    small.add_argument(
        "--on",
        choices=("world", "data"),
        default="world",
        help="a small world, or data/ as it is (%(default)s)",
    )
    small.add_argument("--ranks", type=int, default=1, help="processes of every stage (default: %(default)s)")
    small.add_argument(
        "--zero-stage", type=int, choices=(0, 1, 2, 3), help="default: each stage's own; Muon takes 2 at most"
    )


def compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/compare.py."""
    parser.add_argument(
        "--comparison",
        default=COMPARISON,
        help="YAML with the arms, or its bare name in params/ablations (default: %(default)s)",
    )
    overrides(parser)
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of every arm (default: %(default)s)")
    parser.add_argument("--arms", nargs="+", default=(), help="only these, and the one that they are compared with")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be trained, and about how long")


def claims(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/claims.py."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only print which comparisons are missing, and their cost")
    what.add_argument("--run", action="store_true", help="first run the comparisons that are missing")
    parser.add_argument("--comparisons", nargs="+", default=(), help="run only these (default: all that are missing)")


def check(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/check.py."""
    parser.add_argument("files", nargs="*", help="YAML files of params/; all of them by default")


def dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the options by which components/train plans a recipe."""
    parser.add_argument("--recipe", required=True, help="YAML file, or its bare name in params/recipes")
    overrides(parser)
    parser.add_argument("--params", type=Path, default=DATA_PARAMS, help="YAML of the data")
    parser.add_argument("--data", type=Path, help="folder whose samples are counted; else the recipe's dataset_samples")
    parser.add_argument("--gpus", type=int, help="instead of the ranks of each stage")
    parser.add_argument("--gpu-memory-gib", type=float, default=80.0, help="of one GPU (default: %(default)g)")
    parser.add_argument("--tokens-per-second", type=float, help="measured on one GPU; else an assumed MFU")


def export(parser: argparse.ArgumentParser) -> None:
    """Add the options of components/models/export.py."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of a finished stage")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; must not exist")
    parts = ("all", "language_model")
    parser.add_argument("--part", choices=parts, default="all", help="what to take out (default: %(default)s)")


def ask(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/ask.py."""
    parser.add_argument("video", type=Path, nargs="?", help="video file, picture, or folder of images")
    parser.add_argument("question", nargs="?", help="text")
    parser.add_argument("--checkpoint", type=Path, help="folder of a finished stage or of an export; else the champion")
    parser.add_argument("--view", choices=("ego", "exo"), default="ego", help="of the camera (default: %(default)s)")
    parser.add_argument("--exo", type=Path, metavar="VIDEO2", help="the same from outside; both views are answered")
    parser.add_argument("--start", type=float, metavar="S", help="ask about the film from this second on")
    parser.add_argument("--end", type=float, metavar="S", help="and up to this one")
    kinds, told = ("text", "box", "span"), "answer that is wanted; default: by the words of the question"
    parser.add_argument("--target-kind", choices=kinds, help=told)
    parser.add_argument("--picture", type=Path, help="file that the answer is drawn into")
    parser.add_argument("--json", action="store_true", help="print question, answers, boxes and frames as JSON")
    parser.add_argument("--page", action="store_true", help="answer on a page at 127.0.0.1 instead")
    parser.add_argument("--port", type=int, default=8710, help="of the page (default: %(default)s)")
    parser.add_argument("--films", type=Path, help="folder whose films the page may be asked about by name")


def doctor(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/doctor.py."""
    parser.add_argument(
        "--verify", nargs="*", type=Path, metavar="FOLDER",
        help="compare the digests of checkpoints and frame stores instead; of no FOLDER: all of this project",
    )  # fmt: skip


def adopt(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/adopt.py."""
    parser.add_argument("checkpoint", type=Path, help="folder of a finished stage")
    parser.add_argument("--for", dest="stage", required=True, metavar="STAGE", help="that it shall stand for")
    parser.add_argument("--why", required=True, help="the reason; shown in MLflow and in reports")
    recipe(parser)


def why(parser: argparse.ArgumentParser) -> None:
    """Add the options of components/evaluation/lineage.py."""
    parser.add_argument("metric", help='"<task>/<score>", as in metrics.json')
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of an evaluated stage")
    parser.add_argument("--data", type=Path, default=Path("data"), help="of the data graph (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=10, help="most items (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def impact(parser: argparse.ArgumentParser) -> None:
    """Add the options of components/train/lineage.py."""
    parser.add_argument("wanted", metavar="TAKE", help="a take's id or name, a video's id, or the path of a film")
    parser.add_argument("--data", type=Path, default=Path("data"), help="of the data graph (default: %(default)s)")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="default: %(default)s")
    parser.add_argument("--params", type=Path, default=DATA_PARAMS, help="YAML of the data")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def lineage(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/lineage.py."""
    parser.add_argument("--metric", help='"<task>/<score>", as in metrics.json: draw what it stands on')
    parser.add_argument("--checkpoint", type=Path, help="folder of the evaluated stage that has the metric")
    parser.add_argument("--limit", type=int, default=10, help="most items of it, worst first (default: %(default)s)")
    parser.add_argument("--take", help="a take, a video or the path of a film: draw what has learned from it")
    parser.add_argument("--data", type=Path, default=Path("data"), help="of the data graph (default: %(default)s)")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("reports/lineage.html"), help="default: %(default)s")


def drift(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/drift.py."""
    told = "compare with the data of its last finished pipeline run (default: with the champion's)"
    parser.add_argument("--recipe", help=told)


def _count_from(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least `least`."""

    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} came, allowed are whole numbers from {least} on")
        return int(text)

    return count


def benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the options of flows/benchmark.py."""
    parser.add_argument("--checkpoint", type=Path, help="folder of a finished stage or of an export")
    parser.add_argument("--benchmarks", default="all", help="names joined by commas (default: %(default)s)")
    parser.add_argument(
        "--root", type=Path, nargs="+", required=True, help="folders with files and films, or with one of each name"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show the files and what guesses score on them")
    parser.add_argument("--json", type=Path, help="file that a dry run's table is written to as well")
    parser.add_argument(
        "--list-videos", type=Path, metavar="DIR", help="only write the names of each benchmark's videos"
    )
    parser.add_argument(
        "--options",
        choices=("letter", "words", "ranked"),
        help="how closed questions are answered; default: as the benchmark prescribes",
    )
    parser.add_argument(
        "--prompts",
        nargs="+",
        choices=("plain", "detailed", "first_person"),
        default=["plain"],
        help="levels of the prompt, each with scores of its own, side by side (default: plain)",
    )
    parser.add_argument(
        "--frames", type=_count_from(0), help="of a sample; 0: text alone; default: as the benchmark prescribes"
    )
    parser.add_argument("--limit", type=_count_from(1), help="most samples of each benchmark; default: all")
    parser.add_argument(
        "--max-new-tokens",
        type=_count_from(1),
        help="longest answer; default: as the benchmark prescribes, else of params/eval.yaml",
    )
    parser.add_argument(
        "--judge", action="store_true", help="let the language model of params/data.yaml (`llm`) judge open answers too"
    )
    parser.add_argument("--record", metavar="LABEL", help="add the headline scores to results/leaderboard.json")


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None] | None]] = {
    "run": ("bring data, training, evaluation, promotion and report up to date", run),
    "data": ("run the stale stages of the data graph", None),
    "train": ("train the stages of a recipe on the data as it is", recipe),
    "evaluate": ("evaluate the finished checkpoints of a recipe", recipe),
    "compare": ("train and evaluate the arms of a comparison over seeds", compare),
    "claims": ("judge every published sign by what comparisons found", claims),
    "check": ("check every file of params/ without running anything", check),
    "doctor": (
        "look at this machine: what is missing, why it matters, what mends it; or verify what lies on disk",
        doctor,
    ),
    "adopt": ("let a finished checkpoint stand for a stage whose key has changed, with a reason", adopt),
    "why": ("what a score stands on: items, seconds of film, rows of annotation", why),
    "impact": ("what a take or a video is in: samples, stages, registered versions", impact),
    "lineage": ("draw what a score stands on and what a take is in, as one page", lineage),
    "drift": ("compare the data with those that the champion learned from", drift),
    "dry-run": ("print parameters, memory, disk and hours of a recipe", dry_run),
    "export": ("write a checkpoint as a transformers folder", export),
    "ask": ("answer a question about a video by a checkpoint", ask),
    "benchmark": ("answer public benchmarks by a checkpoint, or show their files", benchmark),
}
