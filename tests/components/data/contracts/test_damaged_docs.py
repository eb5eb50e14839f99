"""Files of Great Expectations that were cut: the next step names the one that is, and is well without it."""

import shutil
from pathlib import Path

import pytest

from components.data.contracts import large_tables, validate
from tests.components.data.conftest import annotation_tables, write_annotations


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Path:
    """A data folder whose annotations were judged, and the results of another step beside them."""
    data_dir = write_annotations(tmp_path_factory.mktemp("judged") / "data", annotation_tables())
    validate.check("annotations", large_tables.load("annotations", data_dir), docs_dir=data_dir / "gx")
    results = data_dir / "gx" / "uncommitted" / "validations"
    shutil.copytree(results / "annotations" / "videos", results / "another" / "videos")
    return data_dir


def judge(data_dir: Path, docs_dir: Path) -> None:
    validate.check("annotations", large_tables.load("annotations", data_dir), docs_dir=docs_dir)


@pytest.mark.parametrize("kept", [0, 0.5, 0.9])
def test_every_kind_of_file_that_is_cut_is_named(judged: Path, tmp_path: Path, kept: float):
    kinds = {
        "great_expectations.yml",
        "uncommitted/config_variables.yml",
        "validation_definitions/annotations.videos.json",
        "uncommitted/validations/another/videos/**/*.json",
    }
    for kind in kinds:
        docs_dir = shutil.copytree(judged / "gx", tmp_path / "gx", dirs_exist_ok=True)
        [path] = docs_dir.glob(kind)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(ValueError, match="is damaged: .*\nNothing is read from it .* remove it") as error:
            judge(judged, docs_dir)
        assert str(error.value).startswith(f"{path}, a file of Great Expectations"), kind


def test_without_the_damaged_files_the_step_is_judged(judged: Path, tmp_path: Path):
    docs_dir = shutil.copytree(judged / "gx", tmp_path / "gx")
    for path in [*docs_dir.rglob("*.yml"), *docs_dir.rglob("*.json")]:
        path.unlink()
    judge(judged, docs_dir)
    assert (docs_dir / "great_expectations.yml").is_file()
