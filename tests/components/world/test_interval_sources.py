"""The annotations of Charades-Ego, LEMMA and EgoExoLearn's own films come from the seed alone."""

from pathlib import Path

import pytest

from components.world.plan import WorldPlan, plan_takes
from components.world.writers import WRITERS


def written(source: str, folder: Path, seed: int, takes: int = 8) -> tuple[dict[str, bytes], set[str]]:
    """Return the files that a source writes, and the films that it wants to have made."""
    folder.mkdir(parents=True)
    planned = plan_takes(seed, takes=takes, take_s=16.0, val_fraction=0.2, test_fraction=0.0)
    films = WRITERS[source](folder, WorldPlan(seed, planned, 8, size_px=16, is_egoexo4d_written=False))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files, {str(film.path.relative_to(folder)) for film in films}


@pytest.mark.parametrize("source", ["charades_ego", "lemma", "egoexolearn"])
def test_the_same_seed_gives_the_same_files_and_another_seed_other_annotations(source, tmp_path):
    files, films = written(source, tmp_path / "a", 7)
    assert (files, films) == written(source, tmp_path / "b", 7)
    other, _ = written(source, tmp_path / "c", 8)
    annotations = {"charades_ego": "v1_train.csv", "lemma": "w_tasks.json", "egoexolearn": "trainval_en.csv"}
    (name,) = (name for name in files if name.endswith(annotations[source]))
    assert files[name] != other[name]


@pytest.mark.parametrize("source, count", [("charades_ego", 4), ("lemma", 0), ("egoexolearn", 3)])
def test_a_world_of_three_takes_is_enough(source, count, tmp_path):
    """Of the six films of Charades-Ego two are not made; LEMMA's are images, which are written at once."""
    _, films = written(source, tmp_path / "small", 7, takes=3)
    assert len(films) == count
