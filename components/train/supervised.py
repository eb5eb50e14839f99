"""Algorithm `supervised`: the token loss over answers (VTG, SFT), and with paired views the guidance losses."""

from __future__ import annotations

from torch import Tensor, nn

from components.train.feature_cache import FeatureCache
from components.train.losses import GUIDANCE, ROUND_TRIPS, retrieval
from components.train.trainer import Losses


def losses(weights: dict[str, float], kept: FeatureCache | None = None) -> Losses:
    """Make the loss function of a stage: "total" is the weighted sum of what is logged beside it.

    Args:
        weights: "vtg" (token loss) and words of `losses.GUIDANCE`.
        kept: takes the exo features that come again.

    Raises:
        ValueError: a word that is no loss.
    """
    if unknown := sorted(set(weights) - {"vtg", *GUIDANCE}):
        raise ValueError(f"`loss_weights` names {unknown}, allowed are {['vtg', *GUIDANCE]}; mend the recipe")

    round_trips = {grid for name in weights for grid in ROUND_TRIPS.get(name, ())}

    def compute(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor | float]:
        slots = batch.pop("paired_slots", None)  # of a stage that keeps features
        output = model(**batch, round_trips=round_trips)
        if kept is not None and slots is not None:
            kept.keep(slots, output.grids["y"])
        parts: dict[str, Tensor | float] = {"vtg": output.loss}
        if output.grids is not None:
            parts |= {name: GUIDANCE[name](output.grids) for name in weights if name != "vtg"}
        total = sum(weight * parts[name] for name, weight in weights.items())
        if output.grids is not None:
            parts |= {"retrieval": retrieval(output.grids), "retrieval_identity": retrieval(output.grids, "x")}
        return {"total": total, **parts}

    return compute
