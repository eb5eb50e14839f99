"""params/drift.yaml: from where on data count as others than those that a model learned from."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from components.params.strict import Strict

FILE = Path("params/drift.yaml")


class Drift(Strict):
    """Limits of the comparison of two datasets (`egoflow drift`, and `retrain` with the trigger `drift`)."""

    alpha: float = Field(
        gt=0, lt=1, description="largest p-value of drift, adjusted for all features together: the rate of false alarms"
    )
    psi: PositiveFloat = Field(description="least population stability index of drift")
    auc: float = Field(
        ge=0.5, le=1, description="least area under the curve of the classifier that tells both apart by their words"
    )
    growth: PositiveFloat = Field(description="share by which the numbers of takes and samples may move")
    permutations: PositiveInt = Field(
        description="of each test; a p-value is at least 1 / (permutations + 1) times the number of features"
    )
    seed: NonNegativeInt = Field(description="of the permutations and of the classifier's halves")
