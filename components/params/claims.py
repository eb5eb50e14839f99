"""params/claims.yaml: the signs of the papers' ablations, and the experiment that would show each here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from components import params
from components.params.comparison import Comparison
from components.params.mistakes import meant
from components.params.strict import Strict

FILE = Path("params/claims.yaml")


class Experiment(Strict):
    """Two arms of a comparison and what is measured of both."""

    comparison: str = Field(description="bare name of a file in params/ablations")
    arm: str = Field(description="whose difference is claimed")
    against: str | None = Field(default=None, description="the other arm; null: `against` of the comparison")
    measure: str = Field(description="a name of its `measures`")


class Claim(Strict):
    """One sign."""

    says: str = Field(description="the claim, a sentence")
    source: str = Field(description="system, and the section of docs/systems.md that has its figures")
    expected: Literal["higher", "lower", "alike", "not lower"] = Field(
        description="where the difference lies: above 0, below 0, within `margin` of 0, or above minus `margin`"
    )
    margin: PositiveFloat | None = Field(
        default=None,
        description="points; of `alike` and `not lower`, and of no other: fixed before any run that decides",
    )
    published: float | None = Field(
        default=None, description="difference that the paper prints, points; null where an arm's `published` has it"
    )
    experiment: Experiment | None = Field(default=None, description="what measures it; null: nothing here does yet")

    @model_validator(mode="after")
    def _fits(self) -> Claim:
        if (self.expected in ("alike", "not lower")) != (self.margin is not None):
            raise ValueError(f"`expected` is {self.expected!r} and `margin` {self.margin}; {_MARGIN}")
        lo, hi = self.region
        if self.published is not None and not lo <= self.published <= hi:
            raise ValueError(f"`published` {self.published:+g} came, allowed is what is {self.expected}")
        return self

    @property
    def region(self) -> tuple[float, float]:
        """Return where the difference lies if the claim is true, points; its ends may be infinite."""
        margin = self.margin or 0.0
        return (
            -math.inf if self.expected == "lower" else -margin if margin else 0.0,
            math.inf if self.expected in ("higher", "not lower") else margin,
        )


_MARGIN = "a margin is for `alike` and `not lower`, which need one"


class Claims(Strict, strict=False):
    """params/claims.yaml: the signs, by a name that begins with their row of docs/systems.md §7."""

    seeds: PositiveInt = Field(
        description="repetitions from which a sign is decided; fixed before any run that decides, for looking after "
        "each finds too much"
    )
    claims: dict[str, Claim] = Field(description="`row words` -> the sign")


def load(folder: Path = Path()) -> tuple[Claims, dict[str, Comparison]]:
    """Read the claims and the comparisons that they name.

    Args:
        folder: with params/.

    Returns:
        The claims, and every comparison of params/ablations by the name of its file.

    Raises:
        ValueError: all mistakes of the file at once; a sign that a comparison publishes and no claim names is one.
    """
    path = folder / FILE
    found = params.load(path, Claims)
    files = sorted((folder / params.COMPARISONS).glob("*.yaml"))
    comparisons = {file.stem: params.load(file, Comparison) for file in files}
    if wrong := [*_unknown(found, comparisons), *_unclaimed(found, comparisons)]:
        raise ValueError("\n- ".join([f"{path} has mistakes ({len(wrong)}):", *wrong]) + f"\nMend them in {path}.")
    return found, comparisons


def against(experiment: Experiment, comparisons: Mapping[str, Comparison]) -> str:
    """Return the arm that the arm of an experiment is compared with."""
    return experiment.against or comparisons[experiment.comparison].against


def tested(claim: Claim, its: Experiment, comparisons: Mapping[str, Comparison]) -> dict[str, object]:
    """Return the question that a claim asks of its experiment, to know the answer by."""
    return its.model_dump() | {
        "against": against(its, comparisons), "expected": claim.expected, "margin": claim.margin
    }  # fmt: skip


def questions(found: Claims, comparisons: Mapping[str, Comparison]) -> dict[str, dict[str, object]]:
    """Return claim -> the question that it asks, of those that have an experiment."""
    return {
        name: tested(claim, claim.experiment, comparisons) for name, claim in found.claims.items() if claim.experiment
    }


def published(claim: Claim, comparisons: Mapping[str, Comparison]) -> float | None:
    """Return the difference that the paper prints, points: the claim's own, else that of its arm; None without one."""
    its = claim.experiment
    if its is None or claim.published is not None or against(its, comparisons) != comparisons[its.comparison].against:
        return claim.published
    return comparisons[its.comparison].arms[its.arm].published.get(its.measure)


def _unknown(found: Claims, comparisons: Mapping[str, Comparison]) -> Iterator[str]:
    """Yield the mistakes of single claims: names that are not there, and numbers that an arm says otherwise."""
    for name, claim in found.claims.items():
        if (its := claim.experiment) is None:
            continue
        if its.comparison not in comparisons:
            yield f"claim {name!r}: {_names('comparison', its.comparison, comparisons)}"
            continue
        of = comparisons[its.comparison]
        wanted = [("arm", its.arm, of.arms), ("measure", its.measure, of.measures)]
        wanted += [("arm", its.against, of.arms)] if its.against else []
        if unknown := [_names(kind, word, known) for kind, word, known in wanted if word not in known]:
            yield f"claim {name!r}: {'; '.join(unknown)}"
            continue
        printed = of.arms[its.arm].published.get(its.measure) if against(its, comparisons) == of.against else None
        lo, hi = claim.region
        if printed is not None and claim.published is not None:
            yield f"claim {name!r}: `published` stands here and in {its.comparison}.yaml; allowed is one place"
        elif printed is not None and not lo <= printed <= hi:
            yield f"claim {name!r}: {printed:+g} is published in {its.comparison}.yaml, which is not {claim.expected}"


def _unclaimed(found: Claims, comparisons: Mapping[str, Comparison]) -> Iterator[str]:
    """Yield the published signs of comparisons that no claim names."""
    experiments = [claim.experiment for claim in found.claims.values() if claim.experiment]
    named = {
        (its.comparison, its.arm, its.measure)
        for its in experiments
        if its.comparison in comparisons and its.against in (None, comparisons[its.comparison].against)
    }
    for comparison, of in comparisons.items():
        for arm, values in of.arms.items():
            for measure in values.published:
                if (comparison, arm, measure) not in named:
                    yield f"{comparison}.yaml publishes {measure!r} of arm {arm!r}, and no claim names it"


def _names(kind: str, word: str, known: Mapping[str, object]) -> str:
    return f"{kind} {word!r} is unknown{meant(word, known)}, allowed are {', '.join(known)}"
