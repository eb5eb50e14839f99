"""Rankings of captions for clips, and of clips for captions, that never saw a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.benchmarks.shared.sample import Action, Sample
from components.metrics import retrieval

SEED, WIDTH = 0, 16  # of random features
Blind = tuple[str, dict[str, list[float]], dict[str, float]]  # label, scores of each clip, scores of all


def blind(samples: Sequence[Sample[Action]]) -> dict[str, Blind]:
    """Rank by nothing, by random features, and by how often a caption fits clips of other videos.

    Args:
        samples: clips; those with `is_caption` give the captions.

    Returns:
        "constant", "random" and "text_only" -> label, "map_v2t" and "ndcg_v2t" of each clip, and of all together "map"
        and "ndcg" (the mean of both directions) and those from captions to clips.
    """
    clips = [(sample.target.verb, sample.target.nouns) for sample in samples]
    captions = [sample for sample in samples if sample.target.is_caption]
    texts = [(sample.target.verb, sample.target.nouns) for sample in captions]
    rng = np.random.default_rng(SEED)
    random_N, random_M = (_random(rng, of) for of in (samples, captions))
    nothing_N, nothing_M = (np.zeros((len(each), 1), dtype=np.float32) for each in (clips, texts))
    to_clips = retrieval.of_features(nothing_M, nothing_N, texts, clips)  # unseen clips cannot be told apart
    return {
        "constant": _scores("all alike", retrieval.of_features(nothing_N, nothing_M, clips, texts), to_clips),
        "random": _scores(
            "random features",
            retrieval.of_features(random_N, random_M, clips, texts),
            retrieval.of_features(random_M, random_N, texts, clips),
        ),
        "text_only": _scores("usual captions", _by_frequency([one.video for one in samples], clips, texts), to_clips),
    }


def _random(rng: np.random.Generator, samples: Sequence[Sample[Action]]) -> np.ndarray:
    """Return random features [N, WIDTH], drawn in the order of the ids, in whatever order the samples come."""
    drawn = rng.standard_normal((len(samples), WIDTH)).astype(np.float32)
    return drawn[np.argsort(np.argsort([sample.sample_id for sample in samples]))]


def _by_frequency(
    videos: Sequence[str], clips: Sequence[retrieval.Action], texts: Sequence[retrieval.Action]
) -> retrieval.Ranked:
    """Rank the captions for each clip by their relevance to the clips of other videos, summed."""
    places: dict[str, list[int]] = {}
    for place, video in enumerate(videos):
        places.setdefault(video, []).append(place)
    of_video = {video: retrieval.relevance([clips[p] for p in own], texts) for video, own in places.items()}
    total_C = sum(relevance.sum(0, dtype=np.float64) for relevance in of_video.values())
    precision, gain = np.zeros(len(clips)), np.zeros(len(clips))
    for video, own in places.items():
        relevance_QC = of_video[video]
        usual_C = total_C - relevance_QC.sum(0, dtype=np.float64)
        found = retrieval.ranked(np.broadcast_to(usual_C, relevance_QC.shape), relevance_QC)
        precision[own], gain[own] = found.average_precision, found.ndcg
    return retrieval.Ranked(precision, gain)


def _scores(label: str, to_texts: retrieval.Ranked, to_clips: retrieval.Ranked) -> Blind:
    pairs = {"map": (to_texts.average_precision, to_clips.average_precision), "ndcg": (to_texts.ndcg, to_clips.ndcg)}
    of_clips = {f"{name}_v2t": pair[0].tolist() for name, pair in pairs.items()}
    of_all = {f"{name}_t2v": float(pair[1].mean()) for name, pair in pairs.items()}
    both = {name: float(pair[0].mean() + pair[1].mean()) / 2 for name, pair in pairs.items()}
    return label, of_clips, of_all | both
