"""Ask a checkpoint a question about a video file or a folder of images, and print its answer.

Run as: python -m flows.ask video.mp4 "what does C do?" --checkpoint checkpoints/grpo-…

Without --checkpoint the champion of the model registry answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from components import params, tracking
from components.evaluation.ask import ask
from flows import options, tasks


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
        settings = params.load(tasks.EVALUATION, params.Eval)
        answer = ask(
            given.video,
            given.question,
            given.checkpoint or champion_of(settings.promotion.model_name),
            params.load(tasks.DATA_PARAMS, params.Data),
            view=given.view,
            max_new_tokens=settings.max_new_tokens,
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    sys.stdout.write((json.dumps(asdict(answer)) if given.json else answer.answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
