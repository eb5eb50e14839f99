"""Ask a checkpoint a question about a film, a picture or a folder of images, and print its answer.

Run as: python -m flows.ask video.mp4 "where is the green cup?" --checkpoint checkpoints/grpo-… --picture answer.png

Without --checkpoint the champion of the model registry answers. `--page` opens a page for the same on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from components import params, tracking
from components.evaluation.ask import Model, ask, open_model
from components.evaluation.drawing import draw
from components.evaluation.film_answer import told
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


def opened(checkpoint: Path | None) -> Model:
    """Load a checkpoint, or the champion where none is named, as the parameters of this project ask.

    Raises:
        ValueError: there is no champion, the folder holds no whole model, or it is of another sampling contract.
    """
    settings = params.load(tasks.EVALUATION, params.Eval)
    folder = checkpoint or champion_of(settings.promotion.model_name)
    return open_model(folder, params.load(tasks.DATA_PARAMS, params.Data), max_new_tokens=settings.max_new_tokens)


def main() -> int:
    """Read the command line and print the answer, or open the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.ask(parser)
    given = parser.parse_args()
    if (given.video is not None) if given.page else (given.question is None):
        parser.error("give a VIDEO and a question, or --page without them")
    try:
        if given.page:
            from flows import ask_page

            return ask_page.serve(opened(given.checkpoint), port=given.port, films=given.films)
        answer_one(given)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


def answer_one(given: argparse.Namespace) -> None:
    """Answer the question of a command line about its film, and about the other view's where one is named.

    Raises:
        ValueError: as `components.evaluation.ask.ask`.
    """
    films = {given.view: given.video} if given.exo is None else {"ego": given.video, "exo": given.exo}
    model = opened(given.checkpoint)
    part = {"start_s": given.start, "end_s": given.end}
    answers = [
        ask(model, path, given.question, view=view, target_kind=given.target_kind, **part)
        for view, path in films.items()
    ]
    if given.picture is not None:
        draw(given.question, answers, given.picture)
    found = [answer for answer, _ in answers]
    if given.json:
        sys.stdout.write(json.dumps(told(given.question, model.checkpoint, found, given.picture)) + "\n")
        return
    for answer in found:
        view = f"{answer.view}: " if len(found) > 1 else ""
        sys.stdout.write(f"{view}{answer.completion}\n")
        sys.stdout.write("".join(f"  {note}\n" for note in answer.notes))


if __name__ == "__main__":
    sys.exit(main())
