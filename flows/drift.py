"""Compare the data with those that a model learned from, by the profile that was kept when it was trained.

Run as: python -m flows.drift [--recipe RECIPE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger
from rich.console import Console

from components import params, tracking
from components.data.drift import profile
from components.data.drift.compare import Change, compare
from components.params.drift import FILE as LIMITS
from components.report import drift as page
from components.train.dry_run.tables import table
from flows import data, failure, options, recipes, tasks

OUTPUT = Path("reports/drift")
WIDTH = 160  # of a table in a file or a pipe


class NoProfileError(ValueError):
    """Of the data that are to be compared with, no profile is kept."""


@dataclass(frozen=True)
class Compared:
    """The data beside those that a model learned from.

    Attributes:
        against: that model, in words.
        reference: digest of its dataset.
        now: digest of the dataset at hand.
        changes: of each feature; empty where both datasets are the same one.
        path: the page; None where there was nothing to compare.
    """

    against: str
    reference: str
    now: str
    changes: list[Change]
    path: Path | None

    @property
    def drifted(self) -> list[Change]:
        """Return the features that drifted."""
        return [change for change in self.changes if change.drifted]

    def __str__(self) -> str:
        """Return the result in a sentence, without the dot at its end."""
        if self.path is None:
            return f"the dataset is the one that {self.against} learned from"
        moved = f"the dataset moved from {self.reference[:12]}, which {self.against} learned from, to {self.now[:12]}"
        if not self.drifted:
            return f"{moved}, without drift in {len(self.changes)} features"
        named = ", ".join(change.feature for change in self.drifted[:5])
        more = f" and {len(self.drifted) - 5} others" if len(self.drifted) > 5 else ""
        return f"{moved}, with drift in {len(self.drifted)} of {len(self.changes)} features: {named}{more}"


@flow(name="drift", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def drift(recipe: str | None = None) -> Compared:
    """Compare the data as they are with those of the champion.

    Args:
        recipe: compare with those of the last finished pipeline run of this recipe instead.
    """
    now = data.digest()
    against, reference = _reference(recipe, now)
    compared = since(reference, now, against=against)
    get_run_logger().info("%s", compared)
    return compared


def keep(run_id: str, digest: str) -> None:
    """Keep the profile of the data at hand in a run, so that later data can be compared with them.

    Args:
        run_id: MLflow run of what is trained on these data.
        digest: of the dataset; one whose profile is kept already is not profiled again.
    """
    if tracking.has_profile(digest):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "profile.parquet")
        profile.write(tasks.DATA, path)
        tracking.keep_profile(run_id, digest, path)


def since(reference: str, now: str, *, against: str) -> Compared:
    """Compare the data at hand with a dataset whose profile is kept; write the page and Prefect's table.

    Args:
        reference: digest of that dataset.
        now: digest of the data at hand.
        against: the model that learned from the reference, in words.

    Raises:
        NoProfileError: no profile of the reference is kept.
    """
    if reference == now:
        return Compared(against, reference, now, [], None)
    limits = params.load(LIMITS, params.Drift)
    with tempfile.TemporaryDirectory() as folder:
        if (kept := tracking.fetch_profile(reference, Path(folder))) is None:
            raise _no_profile(reference, against)
        present = profile.write(tasks.DATA, Path(folder, "now.parquet"))
        changes = compare(profile.read(kept), present, **limits.model_dump())
    words = {"against": against, "reference": reference, "now": now}
    compared = Compared(**words, changes=changes, path=OUTPUT / "index.html")
    page.write(OUTPUT / "index.html", changes, summary=str(compared), limits=limits, **words)
    create_table_artifact([vars(change) for change in changes], key="drift", description=f"{compared}.")
    return compared


def _no_profile(reference: str, against: str) -> NoProfileError:
    return NoProfileError(
        f"no profile is kept of dataset {reference[:12]}, which {against} learned from: every pipeline run "
        "keeps one. Train again, or bring that dataset back (`git checkout COMMIT dvc.lock && dvc checkout`), "
        "run `egoflow drift`, which keeps its profile, and come back"
    )


def check(recipe: str | None) -> None:
    """Make sure that there is something to compare with; without this, an error would come with Prefect's traceback.

    Raises:
        ValueError: as `_reference`, or no profile of the reference is kept.
    """
    now = data.digest()
    against, reference = _reference(recipe, now)
    if reference != now and not tracking.has_profile(reference):
        raise _no_profile(reference, against)


def _reference(recipe: str | None, now: str) -> tuple[str, str]:
    """Return what learned from the data to compare with, in words, and the digest of these data.

    Raises:
        ValueError: nothing has learned from a dataset yet, or there is no such recipe.
    """
    if recipe is not None:
        path = str(recipes.file_of(recipe))
        if (last := tracking.last_pipeline_tags(path)) is None or "dataset_digest" not in last:
            raise ValueError(f"no pipeline run of {path} has finished, so there is no dataset to compare with: run one")
        return f"the last finished pipeline run of {path}", last["dataset_digest"]
    name = params.load(tasks.EVALUATION, params.Eval).promotion.model_name
    champion = tracking.champion(name)
    if champion is None or not champion.dataset_digest:
        raise ValueError(
            f"no version of the model {name!r} is champion, so there is no dataset to compare with: run the "
            "pipeline, or name a recipe whose last run is compared with (`--recipe miniature`)"
        )
    if champion.dataset_digest == now:  # of one trained before profiles were kept
        keep(champion.run_id, now)
    return f"the champion, version {champion.version},", champion.dataset_digest


def show(compared: Compared) -> None:
    """Print every feature and whether it drifted."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    rows = [
        (
            one.feature,
            one.reference,
            one.now,
            f"{one.statistic:.3f}",
            "" if one.p is None else f"{one.p:.2g}",
            f"{one.effect:.3f}",
            "yes" if one.drifted else "",
        )
        for one in compared.changes
    ]
    if compared.path is not None:
        columns = ("feature", "reference", "now", "statistic", "adjusted p", "effect", "drifted")
        console.print(table("drift", columns, rows, is_dim=lambda row: not row[-1]))
        console.print(f"page          {compared.path}", soft_wrap=True)
    text = str(compared)
    console.print(f"{text[0].upper()}{text[1:]}.", soft_wrap=True, highlight=False)


def main() -> int:
    """Compare in this process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.drift(parser)
    given = parser.parse_args()
    try:
        check(given.recipe)
        compared = drift(given.recipe)
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    show(compared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
