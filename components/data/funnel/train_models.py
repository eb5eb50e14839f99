"""Train classifier and detector on takes of known view, test them on held-out takes, and save both as safetensors."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from components.data.funnel import (
    classifier_metrics,
    clip_reader,
    ego_exo_classifier,
    features,
    hand_detector,
    optimizer,
    training_set,
)
from components.data.partition.finished_parts import written_whole
from components.metrics import Box, Estimate, bootstrap
from components.video.killable_worker import KillableWorker

SEED_OFFSET = {"classifier": 1, "detector": 2}
REPORT = "classifier.json"


def train(
    data_dir: Path,
    folder: Path,
    roots: dict[str, Path],
    *,
    encoder: str,
    decoding: clip_reader.Decoding,
    takes: dict[str, int],
    seed: int,
) -> dict:
    """Write folder/models/{classifier,detector}.safetensors and folder/classifier.json, if they are not there yet.

    Args:
        data_dir: with annotations/ and clips/.
        folder: of the funnel.
        roots: source -> folder that the paths of its videos are relative to.
        encoder: `funnel.features` of the parameters.
        decoding: frames, size and time limit of the clips.
        takes: split ("train", "test") -> most takes of it.
        seed: of the draw of takes and of the weights.

    Returns:
        The report. For both models: the clips or frames that they were trained and tested on; for the classifier
        accuracy and AUC, for the detector recall and precision at IoU 0.5, {value, lo, hi, n} each.

    Raises:
        ValueError: there is nothing to train on.
    """
    drawn = {
        split: training_set.sample_videos(data_dir, takes=most, split=split, seed=seed) for split, most in takes.items()
    }
    videos = [roots[video.source] / video.path for of_split in drawn.values() for video in of_split]
    sizes = [path.stat().st_size for path in videos if path.is_file()]
    code = code_of(ego_exo_classifier, features, optimizer, clip_reader, hand_detector, training_set)
    settings = (features.digest(encoder), decoding.frames, decoding.size_px, seed, torch.__version__, code)
    made_from = hashlib.sha256(repr((settings, drawn, sizes)).encode()).hexdigest()
    paths = {name: folder / f"models/{name}.safetensors" for name in SEED_OFFSET}
    report = folder / REPORT
    known = json.loads(report.read_text()) if report.is_file() else {}
    if known.get("made_from") == made_from and all(path.is_file() for path in paths.values()):
        return known
    with KillableWorker(timeout_s=decoding.timeout_s) as worker:
        sets = {
            split: training_set.decode(of_split, roots, worker, frames=decoding.frames, size_px=decoding.size_px)
            for split, of_split in drawn.items()
        }
    torch.set_num_threads(1)  # sums in another order would give other weights
    encode = features.opened(encoder)
    encoded = {split: np.stack([encode(clip) for clip in of_split.clips]) for split, of_split in sets.items()}
    train_set, test_set = sets["train"], sets["test"]
    seeds = {name: seed + offset for name, offset in SEED_OFFSET.items()}
    classifier = ego_exo_classifier.train(encoded["train"], train_set.is_ego, seed=seeds["classifier"])
    detector = hand_detector.train(train_set.stills, train_set.boxes, seed=seeds["detector"])
    ego_scores = ego_exo_classifier.scores(classifier, encoded["test"])
    estimates = classifier_metrics.evaluate(ego_scores, test_set.is_ego, test_set.clip_takes, seed=seed)
    found = {
        "made_from": made_from,
        "classifier": {"train_clips": len(train_set.clips), "test_clips": len(test_set.clips)}
        | {name: as_json(estimate) for name, estimate in estimates.items()},
        "detector": {"train_frames": len(train_set.stills), "test_frames": len(test_set.stills)}
        | evaluate_detector(detector, test_set, seed=seed),
    }
    report.unlink(missing_ok=True)  # it belongs to the models that are replaced now
    for name, model in (("classifier", classifier), ("detector", detector)):
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        with written_whole(paths[name]) as partial:
            save_file(model.state_dict(), partial)
    report.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")
    return found


def code_of(*modules: ModuleType) -> str:
    """Return the digest of the source of modules, so that their results are made anew when it changes."""
    return hashlib.sha256(b"".join(Path(inspect.getfile(module)).read_bytes() for module in modules)).hexdigest()


def load(folder: Path) -> tuple[ego_exo_classifier.Classifier, hand_detector.Detector]:
    """Load the models that `train` wrote."""
    weights = load_file(folder / "models/classifier.safetensors")
    classifier = ego_exo_classifier.Classifier(len(weights["mean"]))
    classifier.load_state_dict(weights)
    detector = hand_detector.Detector()
    detector.load_state_dict(load_file(folder / "models/detector.safetensors"))
    return classifier.eval(), detector.eval()


def evaluate_detector(detector: hand_detector.Detector, test_set: training_set.TrainingSet, *, seed: int) -> dict:
    """Test the detector on frames with boxes.

    Args:
        detector: to test.
        test_set: frames of held-out takes.
        seed: of the bootstrap.

    Returns:
        "hand" and "object" -> precision and recall at IoU 0.5; None where there is no box to count.
    """
    found = hand_detector.detect(detector, test_set.stills)
    scores = {}
    for kind, boxes in (("hand", found.hands), ("object", found.objects)):
        true = [
            [_in_shares(box) for name, box in of_frame if (name in hand_detector.SIDES) == (kind == "hand")]
            for of_frame in test_set.boxes
        ]
        hits = [hand_detector.matched(*pair) for pair in zip(boxes, true, strict=True)]
        scores[kind] = {
            name: _estimate([of_frame[which] for of_frame in hits], test_set.still_takes, seed=seed)
            for which, name in enumerate(("precision", "recall"))
        }
    return scores


def _in_shares(percent: list[float]) -> Box:
    x1, y1, x2, y2 = (value / 100 for value in percent)
    return x1, y1, x2, y2


def _estimate(hits: list[list[bool]], takes: np.ndarray, *, seed: int) -> dict | None:
    """Average over the boxes of all frames; None where there is no box."""
    every = np.concatenate([np.array(of_frame, dtype=np.float64) for of_frame in hits])
    if not len(every):
        return None
    return as_json(bootstrap(every, np.repeat(takes, [len(of_frame) for of_frame in hits]), seed=seed))


def as_json(estimate: Estimate) -> dict:
    """Return an estimate for a JSON file, which knows no infinity: the interval of a single take becomes null."""
    return {name: value if np.isfinite(value) else None for name, value in asdict(estimate).items()}
