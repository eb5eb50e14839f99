"""Stage `world`: make the miniature dataset.

Run as: python -m components.world --params params/data.yaml
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from components import params

MARK = ".miniature-world"  # only folders that hold it are ever deleted
FILM_SUFFIXES = (".mp4", ".MP4", ".webm")
log = logging.getLogger(__name__)


def build(data: params.Data, root: Path, *, console: Console | None = None) -> dict[str, int]:
    """Write the world in the formats of its datasets, at the places `data.sources` names below `root`.

    What an earlier world left there is deleted, so that nothing of another seed stays.

    Args:
        data: parameters of the data graph.
        root: folder of the project; source paths that are not absolute are relative to it.
        console: where the progress is shown; standard output by default.

    Returns:
        number of takes and of film files.

    Raises:
        ValueError: a folder holds something that no world wrote; nothing is deleted then.
    """
    from components.world import films, plan
    from components.world.writers import WRITERS

    world = data.world
    planned = plan.WorldPlan(
        seed=data.seed,
        takes=plan.plan_takes(
            data.seed,
            takes=world.takes,
            take_s=world.take_s,
            val_fraction=world.val_fraction,
            test_fraction=world.test_fraction,
        ),
        fps=world.fps,
        size_px=world.size_px,
        web_videos=world.web_videos,
        is_egoexo4d_written=data.sources.egoexo4d is not None,
        is_epic100_written=data.sources.epic100 is not None,
        downscaled_takes=world.downscaled_takes,
    )
    folders = {name: root / folder for name, folder in data.sources.given().items() if name in WRITERS}
    for folder in folders.values():
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
            raise ValueError(
                f"{folder} holds files that the miniature world did not write (it has no {MARK}). For a real download "
                "take the stage `world` out of dvc.yaml; else mend `sources` in params/data.yaml"
            )
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / MARK).write_text("made by components.world, deleted and written again by it\n")
    to_film = [film for name, folder in folders.items() for film in WRITERS[name](folder, planned)]
    with Progress(console=console) as progress:
        films.film_all(to_film, size_px=world.size_px, progress=progress)
    made = (path for folder in folders.values() for path in folder.rglob("*") if path.suffix in FILM_SUFFIXES)
    return {"takes": len(planned.takes), "films": sum(1 for _ in made)}


def main() -> None:
    """Read the parameters and build the world below the working directory."""
    parser = argparse.ArgumentParser(prog="python -m components.world", description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, required=True, help="params/data.yaml")
    arguments = parser.parse_args()
    from components.records.step_guard import guarded  # pyarrow comes with it, which --help need not load

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    started = time.monotonic()
    try:
        with guarded("world", Path.cwd()):
            counts = build(params.load(arguments.params, params.Data), Path.cwd())
    except ValueError as error:
        # for people: the message says where to mend it, a traceback would bury it
        log.error("%s", error)
        sys.exit(1)
    log.info("world: %s in %.1f s", counts, time.monotonic() - started)


if __name__ == "__main__":
    main()
