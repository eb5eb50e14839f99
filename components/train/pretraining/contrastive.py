"""Algorithm `contrastive`: pre-train one vision tower on captioned images, then copy it to both views.

It stands for the download of CLIP. There are three losses: images against captions inside the batch (InfoNCE), images
against the phrases that their captions are made of, and regions of the image against the phrases that name them (as in
RegionCLIP), since the connector reads the patches later.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.models.modeling import EgoflowForConditionalGeneration
from components.models.parts import Connector
from components.models.processing import normalise
from components.train.ordered_dataset import SeededDataset
from components.train.pretraining import world_images

# the type of an object is seen by its silhouette alone and learned most slowly by far, so it weighs more
PHRASE_WEIGHTS = {"verb": 0.25, "colour": 0.25, "type": 0.75, "hand": 0.25}


class ImageDataset(SeededDataset):
    """Items drawn from a pool of rendered pairs, each time at another brightness; the seed fixes item i.

    Args:
        pool: rendered pairs.
        steps: optimiser steps.
        batch: items of each step.
        seed: the same seed makes the same items.
        frames, size_px, render_px, grid: as `world_images.tubelet` takes them.
    """

    def __init__(
        self, pool: int, *, steps: int, batch: int, seed: int, frames: int, size_px: int, render_px: int, grid: int
    ):
        super().__init__(steps=steps, batch=batch, seed=seed)
        size = {"frames": frames, "size_px": size_px, "render_px": render_px, "grid": grid}
        self.pool = [world_images.tubelet(seed, index, **size) for index in range(pool)]
        self.grid = grid

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index, 29))
        chosen = self.pool[rng.integers(len(self.pool))]
        frames = np.clip(chosen["frames"] * rng.uniform(0.85, 1.15), 0, 255).astype(np.uint8)
        return {**chosen, "frames": frames}


def collate(items: list[dict]) -> dict[str, Tensor]:
    """Return frames [B * T, 3, H, W], slots [B, 4], regions [B, R, patches] and region_slots [B, R, 4]."""
    stacked = {
        name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0] if name != "frames"
    }
    return {"frames": normalise(np.concatenate([item["frames"] for item in items])), **stacked}


class Contrastive(nn.Module):
    """The ego tower of a model, a pooling head, and a bag-of-phrases text tower."""

    def __init__(self, model: EgoflowForConditionalGeneration):
        super().__init__()
        self.model = model.model  # parameters keep the names that the freeze table knows
        width = model.config.vision_config.hidden_size
        self.pretext = nn.ModuleDict()
        self.pretext["head"] = Connector(width, width, gain=1.0)
        self.sizes = [len(phrases) for phrases in world_images.PHRASES.values()]
        self.pretext["region"] = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.pretext["phrases"] = nn.Embedding(sum(self.sizes), width)
        self.pretext["text"] = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.pretext.log_scale = nn.Parameter(torch.tensor([2.3]))  # DeepSpeed cannot broadcast a 0-d one

    def forward(self, frames: Tensor, slots: Tensor, regions: Tensor, region_slots: Tensor) -> dict[str, Tensor]:
        """Compute the three losses and how often the right phrase ranks first.

        Args:
            frames: [B * T, 3, H, W].
            slots: phrase of the caption in each slot, [B, 4].
            regions: share of each patch in a region, [B, R, patches]; all 0 where the region is out of the frame.
            region_slots: phrase of a region in each slot, [B, R, 4]; -1 where a slot does not apply.

        Returns:
            Scalars: the losses "phrases", "regions" and "captions", their weighted sum "total", and for each slot the
            share of images whose right phrase ranks first, "accuracy/<slot>".
        """
        grid = self.model.encode(frames, "ego")
        image = functional.normalize(self.pretext["head"](grid, [1] * len(grid)), dim=-1)
        scale = self.pretext.get_parameter("log_scale").exp().clamp(max=50)
        first = torch.tensor([0, *np.cumsum(self.sizes)[:-1]], device=slots.device)
        phrases = functional.normalize(self.pretext["text"](self.pretext["phrases"].weight), dim=-1).split(self.sizes)
        region = functional.normalize(
            self.pretext["region"](regions @ grid.flatten(2).transpose(1, 2)), dim=-1
        ).flatten(0, 1)
        # a region out of the frame has no patches, so there is nothing to learn from it
        region_slots = region_slots.masked_fill(regions.sum(-1, keepdim=True) == 0, -1)
        out: dict[str, Tensor] = {"phrases": image.new_zeros(()), "regions": image.new_zeros(())}
        for number, (name, vectors) in enumerate(zip(world_images.PHRASES, phrases, strict=True)):
            logits = scale * image @ vectors.T
            out["phrases"] = out["phrases"] + PHRASE_WEIGHTS[name] * functional.cross_entropy(logits, slots[:, number])
            out["regions"] = out["regions"] + functional.cross_entropy(
                scale * region @ vectors.T, region_slots[..., number].flatten(), ignore_index=-1
            )
            out[f"accuracy/{name}"] = (logits.argmax(1) == slots[:, number]).float().mean()
        caption = functional.normalize(self.pretext["text"](self.pretext["phrases"](slots + first).sum(1)), dim=-1)
        logits = scale * image @ caption.T
        # where two images of a batch have the same caption, both are right for it
        same = (slots[:, None] == slots[None]).all(-1).float()
        truth = same / same.sum(1, keepdim=True)
        out["captions"] = (
            -((truth * logits.log_softmax(1)).sum(1) + (truth * logits.T.log_softmax(1)).sum(1)).mean() / 2
        )
        out["total"] = out["phrases"] + 0.5 * out["captions"] + 0.5 * out["regions"]
        return out


def losses(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the losses of a batch of `collate`, by the wrapped model."""
    return model(**batch)


def share_tower(model: EgoflowForConditionalGeneration) -> None:
    """Copy the pre-trained ego tower to the exo tower: both views start from the same weights, as from one CLIP."""
    if not model.config.shared_encoder:
        model.model.exo_encoder.load_state_dict(model.model.ego_encoder.state_dict())
