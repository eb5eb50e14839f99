"""Stage `world`: make the miniature dataset.

Run as: python -m components.world --params params/data.yaml
"""

from __future__ import annotations

import argparse
import logging
import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from components import params

MARK = ".miniature-world"  # only folders that hold it are ever deleted
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
    from components.world import egoexo4d, egoexolearn, egoit_sources, films, plan, visor, web

    world, sources = data.world, data.sources
    planned = plan.plan_takes(
        data.seed,
        takes=world.takes,
        take_s=world.take_s,
        val_fraction=world.val_fraction,
        test_fraction=world.test_fraction,
    )
    instructed = {name: root / path for name, path in sources.given().items() if name in egoit_sources.FIRST_TAKE}
    corpora = {name: root / folder for name, folder in sources.given().items() if name in web.CORPORA}
    given = {name: root / path for name, path in sources.given().items()}
    folders = [given[name] for name in ("egoexo4d", "visor", "egoexolearn") if name in given]
    folders += [*instructed.values(), *corpora.values()]
    for folder in folders:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
            raise ValueError(
                f"{folder} holds files that the miniature world did not write (it has no {MARK}). For a real download "
                "take the stage `world` out of dvc.yaml; else mend `sources` in params/data.yaml"
            )
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / MARK).write_text("made by components.world, deleted and written again by it\n")
    if "egoexo4d" in given:
        egoexo4d.write(planned, given["egoexo4d"], seed=data.seed)
    if "visor" in given:
        visor.write(planned, given["visor"], seed=data.seed, fps=world.fps)
    if "egoexolearn" in given:
        egoexolearn.write(planned, given["egoexolearn"], seed=data.seed)
    cuts = egoit_sources.write(instructed, takes=world.takes, seed=data.seed, fps=world.fps, size_px=world.size_px)
    files = web.write(web.plan_videos(data.seed, world.web_videos), corpora, fps=world.fps, size_px=world.size_px)
    if "egoexo4d" in given:
        with Progress(console=console) as progress:
            files += films.film_all(
                planned, given["egoexo4d"], fps=world.fps, size_px=world.size_px, progress=progress, cuts=cuts
            )
    return {"takes": len(planned), "films": files}


def main() -> None:
    """Read the parameters and build the world below the working directory."""
    parser = argparse.ArgumentParser(prog="python -m components.world", description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, required=True, help="params/data.yaml")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    started = time.monotonic()
    counts = build(params.load(arguments.params, params.Data), Path.cwd())
    log.info("world: %s in %.1f s", counts, time.monotonic() - started)


if __name__ == "__main__":
    main()
