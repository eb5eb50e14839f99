"""Whether dvc.yaml knows the folders that params/data.yaml names: what is no dependency of a step changes unseen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from components.data.funnel.detections import LEARNED
from components.data.funnel.features import GRID
from components.params import Data

GRAPH = "dvc.yaml"
READ_SOURCES = ("annotations", "media", "funnel", "frames")  # the steps that open files of the sources


def undeclared(params: Data, project: Path) -> list[str]:
    """Say which folders that the parameters name are missing in the `deps` of a step that reads them.

    Args:
        params: of the data graph.
        project: the folder of dvc.yaml, which paths are relative to.

    Returns:
        A sentence for each; none where there is no dvc.yaml.
    """
    graph = project / GRAPH
    if not graph.is_file():
        return []
    stages = YAML(typ="safe").load(graph.read_text())["stages"]
    deps = {step: {(project / dep).resolve() for dep in stages[step]["deps"]} for step in READ_SOURCES}
    return [
        f"{key} names {folder}, which is not in the deps of the step {step}: `dvc repro` would not see when it "
        f"changes; add it in {GRAPH}"
        for key, folder, steps in _named(params, project)
        for step in steps
        if deps[step].isdisjoint([folder, *folder.parents])
    ]


def _named(params: Data, project: Path) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    """Yield each folder that the parameters name: its key, the folder, and the steps that read it."""
    for name, path in params.sources.given().items():
        yield f"sources.{name}", (project / path).resolve(), READ_SOURCES
    models = {"features": (params.funnel.features, GRID), "hand_detector": (params.funnel.hand_detector, LEARNED)}
    for key, (value, without_folder) in models.items():
        if value != without_folder:
            yield f"funnel.{key}", (project / value).resolve(), ("funnel",)
