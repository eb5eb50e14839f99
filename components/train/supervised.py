"""Algorithm `supervised`: the token loss over answers (VTG, SFT), the guidance losses, the loss of features."""

from __future__ import annotations

from torch import Tensor, nn

from components.models import clip_features
from components.models.clip_features import FrozenFeatures
from components.train.feature_cache import FeatureCache
from components.train.losses import FEATURES, GUIDANCE, READS, ROUND_TRIPS, retrieval
from components.train.trainer import Losses


def losses(
    weights: dict[str, float], kept: FeatureCache | None = None, teacher: FrozenFeatures | None = None
) -> Losses:
    """Make the loss function of a stage: "total" is the weighted sum of what is logged beside it.

    Args:
        weights: "vtg" (token loss) and words of `losses.GUIDANCE` and `losses.FEATURES`.
        kept: takes the exo features that come again.
        teacher: gives the features of ego clips to which `losses.FEATURES` draw those of exo clips.

    Raises:
        ValueError: a word that is no loss.
    """
    if unknown := sorted(set(weights) - {"vtg", *GUIDANCE, *FEATURES}):
        allowed = ["vtg", *GUIDANCE, *FEATURES]
        raise ValueError(f"`loss_weights` names {unknown}, allowed are {allowed}; mend the recipe")

    round_trips = {grid for name in weights for grid in ROUND_TRIPS.get(name, ())}

    def compute(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor | float]:
        slots = batch.pop("paired_slots", None)  # of a stage that keeps features
        twins_NCHW = batch.pop("ego_pixel_values", None)  # of a stage that distils features
        asked = {} if teacher is None else {"exo_features": True}
        output = model(**batch, round_trips=round_trips, **asked)
        if kept is not None and slots is not None:
            kept.keep(slots, output.grids["y"])
        parts: dict[str, Tensor | float] = {"vtg": output.loss}
        if output.grids is not None:
            parts |= {name: GUIDANCE[name](output.grids) for name in weights if name in GUIDANCE}
        if teacher is not None and twins_NCHW is not None:
            steps = clip_features.steps_of(teacher.config, batch["input_ids"], "exo")
            of_ego = teacher.of(twins_NCHW, steps).float()
            of_exo = {name: getattr(output, READS[name]) for name in weights if name in FEATURES}
            parts |= {name: FEATURES[name](value.float(), of_ego) for name, value in of_exo.items()}
        total = sum(weight * parts[name] for name, weight in weights.items())
        if output.grids is not None:
            parts |= {"retrieval": retrieval(output.grids), "retrieval_identity": retrieval(output.grids, "x")}
        return {"total": total, **parts}

    return compute
