"""Ask a checkpoint a question about a video file or a folder of images, and print its answer.

Run as: python -m flows.ask video.mp4 "what does C do?" --checkpoint checkpoints/grpo-…

Frames are sampled as the stage was trained: by the rule of components/video, under the checkpoint's sampling contract.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from components import params, tracking, video
from components.data.frames.step import contract_of
from components.evaluation.measure import answerer_of
from flows import options


@dataclass(frozen=True)
class Answer:
    """What a checkpoint answered, and the frames that it saw: their numbers in the video and their times, seconds."""

    question: str
    answer: str
    checkpoint: str
    view: str
    frames: list[int]
    times_s: list[float]


class OneVideo:
    """The frames of one video in the place of a frame store: whatever the sample, uint8 [T, H, W, 3], RGB."""

    def __init__(self, frames_THWC: np.ndarray):
        self._frames_THWC = frames_THWC

    def frames(self, sample_id: str, stream: str = "media") -> np.ndarray:
        """Return the frames."""
        return self._frames_THWC


def ask(path: Path, question: str, checkpoint: Path, data: params.Data, *, view: str, max_new_tokens: int) -> Answer:
    """Let a checkpoint answer a question about a video.

    Args:
        path: video file, or folder of images.
        question: text.
        checkpoint: folder of a finished stage, or of an export of a whole model.
        data: parameters of the frames; they must be those that the checkpoint was trained with.
        view: "ego" or "exo".
        max_new_tokens: longest answer, tokens.

    Raises:
        ValueError: the folder holds no whole model, or was trained under another sampling contract.
        VideoError: the video cannot be read.
    """
    folder, stage = _open(checkpoint)
    contract = contract_of(data.frames)["digest"]
    if stage["frames_contract"] != contract:
        raise ValueError(
            f"{checkpoint} was trained under the sampling contract {stage['frames_contract'][:12]}, params/data.yaml "
            f"has {contract[:12]}; ask in a checkout with the `frames` of its training, or with the same decoders"
        )
    probe = video.probe(path)
    kind = _frame_kind(probe, data)
    n_frames = {"image": data.frames.image_frames, "clip": data.frames.clip_frames, "window": data.frames.window_frames}
    indices = video.sample_frame_indices(
        0.0, probe.duration_s, fps=probe.fps, n_frames=n_frames[kind], total_frames=probe.frames
    )
    store = OneVideo(video.decode(path, indices, size_px=data.frames.size_px))
    answerer = answerer_of(folder, stage["params"], store, batch=1, max_new_tokens=max_new_tokens)
    sample = {
        "question": question, "view": view, "frame_kind": kind, "question_type": "", "answer": "",
        "target": {"kind": "text", "text": ""},
    }  # fmt: skip
    [answer] = answerer.complete([sample], [str(path)])
    times_s = [round(float(time_s), 3) for time_s in indices / probe.fps]
    return Answer(question, answer, str(checkpoint), view, indices.tolist(), times_s)


def _frame_kind(probe: video.Probe, data: params.Data) -> str:
    """Choose how many frames a video gets, as its samples would: a still, a clip, or a window of several events."""
    if probe.frames == 1:
        return "image"
    return "window" if probe.duration_s >= data.egore.long_min_s else "clip"


def _open(checkpoint: Path) -> tuple[Path, dict]:
    """Return the folder of the model and the content of its stage.json, which an export keeps as made_by.json."""
    for folder, record in ((checkpoint / "model", "stage.json"), (checkpoint, "made_by.json")):
        if (checkpoint / record).is_file():
            stage = json.loads((checkpoint / record).read_text())
            if stage.get("part", "all") == "all":
                return folder, stage
    raise ValueError(
        f"{checkpoint} holds no whole model; allowed are folders of finished stages (checkpoints/<stage>-<key>) and "
        "exports of all parts (egoflow export)"
    )


def champion_of(model_name: str) -> Path:
    """Return the checkpoint folder of the champion.

    Raises:
        ValueError: there is none yet.
    """
    champion = tracking.champion(model_name)
    if champion is None:
        raise ValueError(
            f"the registry has no champion of {model_name!r} yet; name a folder by --checkpoint, or run the pipeline"
        )
    return Path(champion.checkpoint)


def main() -> int:
    """Read the command line and print the answer; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.ask(parser)
    given = parser.parse_args()
    try:
        settings = params.load(Path("params/eval.yaml"), params.Eval)
        answer = ask(
            given.video,
            given.question,
            given.checkpoint or champion_of(settings.promotion.model_name),
            params.load(Path("params/data.yaml"), params.Data),
            view=given.view,
            max_new_tokens=settings.max_new_tokens,
        )
    except (ValueError, OSError, video.VideoError) as error:
        parser.error(str(error))
    sys.stdout.write((json.dumps(asdict(answer)) if given.json else answer.answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
