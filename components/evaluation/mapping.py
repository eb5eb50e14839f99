"""How well F learned, on held-out moments with both views: x is ego, y exo, both after their tower (systems §1.4).

Two tasks, since either alone misleads: F may find the right y and still be useless to the language model.

- retrieval: whose y is nearest to F(x)? Features are means over steps and patches, centred over all moments, since
  without centring all features are almost the same.
- captions of F(x) alone, put in the place of y before the exo connector.

The lower reference of both is x itself in the place of F(x) (identity). The upper one is for retrieval a ridge
regression from x to y on training moments (oracle), and for captions the true y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from components.evaluation import captions
from components.evaluation.answer import CONTEXTS_AT_ONCE, Answerer, Sample
from components.evaluation.caption_slots import Scores
from components.evaluation.replies import Reply
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import normalise

BASE = "caption_ego"  # whose samples are shown
TRUE_EXO = "caption_true_exo"  # the task that shows their exo frames
ORACLE_PAIRS = 512  # training moments under the ridge regression, four for each of the miniature's dimensions
_STRENGTHS = 10.0 ** np.arange(-6, 1)  # of the ridge, as shares of the greatest squared singular value


def retrieval(samples: list[Sample], nearest: list[str]) -> Scores:
    """Score retrieval: 1.0 where the sample's own y is the nearest."""
    return {"top1": [float(sample["sample_id"] == name) for sample, name in zip(samples, nearest, strict=True)]}


def retrieval_chance(samples: list[Sample]) -> dict[str, float]:
    """Return the score of a uniform guess, one over the number of moments."""
    return {"top1": 1 / len(samples)}


CAPTION = (captions.score, captions.chance)
# as score.TASKS; an answer is a caption, or the sample id of the nearest y
RETRIEVAL = ("retrieval_fx", "retrieval_identity", "retrieval_oracle")
TASKS: dict[str, tuple[Callable, Callable]] = {
    **dict.fromkeys(RETRIEVAL, (retrieval, retrieval_chance)),
    **dict.fromkeys(("caption_fx", "caption_identity", TRUE_EXO), CAPTION),
}


def shown_view(task: str, sample: Sample) -> str:
    """Return the view whose frames a task shows of a sample; of any task of an evaluation."""
    return "exo" if task == TRUE_EXO else sample["view"]


class Pairs:
    """Answers to the tasks of the mapping, by the model of an answerer.

    Args:
        answerer: has the model, its processor, the frame store, and the lengths of captions.
        known: training samples with both views, which the oracle is fitted to; at least two where it is evaluated.
    """

    def __init__(self, answerer: Answerer, known: list[Sample]):
        self.backbone, self.store, self.known = answerer.model.model, answerer.store, known
        limits = {"max_batch_tokens": answerer.max_batch_tokens, "max_new_tokens": answerer.max_new_tokens}
        limits |= {"reasoned": False}
        alone = partial(Answerer, processor=answerer.processor, **limits)  # exo views, which have no guidance
        outside = SimpleNamespace(frames=partial(self.store.frames, exo_view=0))
        self._answerers = {
            "caption_fx": alone(with_encoder(answerer.model, self._fx), store=self.store),
            "caption_identity": alone(with_encoder(answerer.model, self._x), store=self.store),
            TRUE_EXO: alone(answerer.model, store=outside),
        }
        self._pooled: dict[tuple[str, str], Tensor] = {}

    def answer(self, task: str, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Answer each sample by a caption or the id of its nearest y.

        Args:
            task: of TASKS.
            samples: with both views.
            frames_of: sample i is shown the frames of sample id `frames_of[i]`.
        """
        if task in self._answerers:
            return self._answerers[task].complete([{**sample, "view": "exo"} for sample in samples], frames_of)
        ids = [sample["sample_id"] for sample in samples]
        guess = self._features("fx" if task == "retrieval_fx" else "x", frames_of)
        if task == "retrieval_oracle":
            known = [sample["sample_id"] for sample in self.known]
            x, y = self._features("x", known), self._features("y", known)
            guess = (guess - x.mean(0)) @ ridge(x, y)
        return [Reply(ids[place]) for place in nearest(guess, self._features("y", ids))]

    @torch.no_grad()
    def _features(self, side: str, sample_ids: Sequence[str]) -> Tensor:
        """Return the mean features [n, D] of samples, of x, F(x) or y; frames that were not seen before are encoded."""
        encode = {"x": self._x, "fx": self._fx, "y": partial(self.backbone.encode, view="exo")}[side]
        new = [name for name in dict.fromkeys(sample_ids) if (side, name) not in self._pooled]
        for start in range(0, len(new), CONTEXTS_AT_ONCE):
            part = new[start : start + CONTEXTS_AT_ONCE]
            frames = [self.store.frames(name, exo_view=0 if side == "y" else None) for name in part]
            steps = [len(each) // self.backbone.config.tubelet_frames for each in frames]
            pixel_values = normalise(np.concatenate(frames)).to(self.backbone.device, self.backbone.dtype)
            grids = encode(pixel_values).float().cpu().split(steps)  # the means and the ridge in float32
            self._pooled |= {(side, name): grid.mean((0, 2, 3)) for name, grid in zip(part, grids, strict=True)}
        return torch.stack([self._pooled[side, name] for name in sample_ids])

    def _x(self, frames_NCHW: Tensor) -> Tensor:
        return self.backbone.encode(frames_NCHW, "ego")

    def _fx(self, frames_NCHW: Tensor) -> Tensor:
        return self.backbone.mapping_f(self._x(frames_NCHW))


def with_encoder(
    model: EgoflowForConditionalGeneration, encode: Callable[[Tensor], Tensor]
) -> EgoflowForConditionalGeneration:
    """Return a copy of a model that shares its weights and encodes the frames of each view by another function.

    The model itself has no such switch, because nothing but this evaluation would use it.

    Args:
        model: is not changed.
        encode: frames [N, C, H, W] to grids [N, D, H, W].
    """
    # each part stands for its own copy; a shallow copy of the model would share its backbone, and so change it
    twin = deepcopy(model, {id(part): part for part in (*model.model.children(), model.lm_head)})
    twin.config.ego_tokens = 0  # they read the layers below a grid, and what is encoded here has none
    twin.model.encode = lambda frames_NCHW, view: encode(frames_NCHW)
    return twin


def nearest(guess: Tensor, truth: Tensor) -> list[int]:
    """Return for each row of `guess` [n, D] the nearest row of `truth` [m, D], by the cosine of centred rows."""
    guess, truth = (functional.normalize(side - side.mean(0), dim=1) for side in (guess, truth))
    return (guess @ truth.T).argmax(1).tolist()


def ridge(x: Tensor, y: Tensor) -> Tensor:
    """Fit a ridge regression from x to y, both centred; its strength is chosen by generalised cross-validation.

    Args:
        x: [n, D].
        y: [n, E].

    Returns:
        Weights [D, E].
    """
    x, y = x - x.mean(0), y - y.mean(0)
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    along = u.T @ y
    errors: dict[float, float] = {}
    for strength in (s[0] ** 2).item() * _STRENGTHS:
        kept = s**2 / (s**2 + strength)
        residual = y - u @ (kept.unsqueeze(1) * along)
        errors[strength] = float(residual.square().sum() / (len(x) - kept.sum()) ** 2)
    best = min(errors, key=errors.__getitem__)
    return vt.T @ ((s / (s**2 + best)).unsqueeze(1) * along)
