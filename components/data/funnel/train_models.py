"""Train classifier and detector on takes of known view, test them on held-out takes, and save both as safetensors."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from components.data.funnel import (
    classifier_metrics,
    clip_reader,
    detections,
    detector_metrics,
    ego_exo_classifier,
    features,
    folder_detector,
    hand_detector,
    optimizer,
    training_set,
)
from components.data.partition.finished_parts import remove_stale, written_whole
from components.metrics.statistics import Estimate
from components.video.killable_worker import KillableWorker

SEED_OFFSET = {"classifier": 1, "detector": 2}
DETECTORS = (detections, hand_detector, folder_detector)
REPORT = "classifier.json"

log = logging.getLogger(__name__)


def train(
    data_dir: Path,
    folder: Path,
    roots: dict[str, Path],
    *,
    encoder: str,
    detector: str,
    decoding: clip_reader.Decoding,
    takes: dict[str, int],
    seed: int,
) -> dict:
    """Write folder/models/{classifier,detector}.safetensors and folder/classifier.json, if they are not there yet.

    A detector that lies in a folder is not trained; it is tested where held-out frames have boxes.

    Args:
        data_dir: with annotations/ and clips/.
        folder: of the funnel.
        roots: source -> folder that the paths of its videos are relative to.
        encoder: `funnel.features` of the parameters.
        detector: "learned", or the folder of a detection model.
        decoding: frames, size and time limit of the clips.
        takes: split ("train", "test") -> most takes of it.
        seed: of the draw of takes and of the weights.

    Returns:
        The report. For both models: the clips or frames that they were trained and tested on; for the classifier
        accuracy and AUC, for the detector its name, recall and precision at IoU 0.5, {value, lo, hi, n} each.

    Raises:
        ValueError: there is nothing to train on.
    """
    learns = detector == detections.LEARNED
    drawn = {
        split: training_set.sample_videos(data_dir, takes=most, split=split, needs_boxes=learns, seed=seed)
        for split, most in takes.items()
    }
    if not learns:  # boxes only judge
        drawn["train"] = [video._replace(stills=(), boxes=()) for video in drawn["train"]]
    videos = [roots[video.source] / video.path for of_split in drawn.values() for video in of_split]
    sizes = [path.stat().st_size for path in videos if path.is_file()]
    code = code_of(ego_exo_classifier, features, optimizer, clip_reader, *DETECTORS, detector_metrics, training_set)
    made_by = features.digest(encoder), digest_of(detector)
    version = torch.__version__.partition("+")[0]  # the builds for other accelerators give the same models
    settings = (*made_by, decoding.frames, decoding.size_px, seed, version, code)
    made_from = hashlib.sha256(repr((settings, drawn, sizes)).encode()).hexdigest()
    paths = {name: folder / f"models/{name}.safetensors" for name in SEED_OFFSET if learns or name != "detector"}
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
    models: dict[str, torch.nn.Module] = {"classifier": classifier}
    if learns:
        learned = hand_detector.train(train_set.stills, train_set.boxes, seed=seeds["detector"])
        models["detector"], detect = learned, partial(hand_detector.detect, learned)
    else:
        detect = folder_detector.opened(Path(detector))
    if not test_set.boxes:
        log.warning("funnel: no held-out video has boxes, so nobody can say how good the hand detector is")
    ego_scores = ego_exo_classifier.scores(classifier, encoded["test"])
    estimates = classifier_metrics.evaluate(ego_scores, test_set.is_ego, test_set.clip_takes, seed=seed)
    found = {
        "made_from": made_from,
        "classifier": {"train_clips": len(train_set.clips), "test_clips": len(test_set.clips)}
        | {name: as_json(estimate) for name, estimate in estimates.items()},
        "detector": {"name": Path(detector).name}
        | {"train_frames": len(train_set.stills), "test_frames": len(test_set.stills)}
        | {
            kind: {name: as_json(estimate) if estimate else None for name, estimate in of_kind.items()}
            for kind, of_kind in detector_metrics.evaluate(detect, test_set, seed=seed).items()
        },
    }
    report.unlink(missing_ok=True)  # it belongs to the models that are replaced now
    (folder / "models").mkdir(parents=True, exist_ok=True)
    remove_stale(folder / "models", "*.safetensors", list(paths.values()))
    for name, model in models.items():
        with written_whole(paths[name]) as unfinished:
            save_file(model.state_dict(), unfinished)
    report.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")
    return found


def code_of(*modules: ModuleType) -> str:
    """Return the digest of the source of modules, so that their results are made anew when it changes."""
    return hashlib.sha256(b"".join(Path(inspect.getfile(module)).read_bytes() for module in modules)).hexdigest()


def digest_of(detector: str) -> str:
    """Return the sha256 of the files in a detector's folder; of one that is learned the weights are known elsewhere."""
    return detector if detector == detections.LEARNED else features.digest_of_files(Path(detector))


def load(folder: Path, detector: str) -> tuple[ego_exo_classifier.Classifier, detections.Detect]:
    """Load the models that `train` wrote, or the detector from its own folder."""
    weights = load_file(folder / "models/classifier.safetensors")
    classifier = ego_exo_classifier.Classifier(len(weights["mean"]))
    classifier.load_state_dict(weights)
    if detector != detections.LEARNED:
        return classifier.eval(), folder_detector.opened(Path(detector))
    learned = hand_detector.Detector()
    learned.load_state_dict(load_file(folder / "models/detector.safetensors"))
    return classifier.eval(), partial(hand_detector.detect, learned.eval())


def as_json(estimate: Estimate) -> dict:
    """Return an estimate for a JSON file, which knows no infinity: the interval of a single take becomes null."""
    return {name: round(value, 6) if np.isfinite(value) else None for name, value in asdict(estimate).items()}
