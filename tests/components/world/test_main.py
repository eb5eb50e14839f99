import pytest

from components.world.__main__ import MARK, build


def test_a_folder_that_no_world_wrote_is_never_deleted(tiny_world, tmp_path):
    foreign = tmp_path / "download" / "takes.json"
    foreign.parent.mkdir()
    foreign.write_text("[]")
    sources = tiny_world.params.sources.model_copy(update={"egoexo4d": foreign.parent})
    with pytest.raises(ValueError, match="the miniature world did not write"):
        build(tiny_world.params.model_copy(update={"sources": sources}), tmp_path)
    assert foreign.read_text() == "[]"


def test_every_folder_of_the_world_is_marked(tiny_world):
    assert all((tiny_world.root / folder / MARK).is_file() for folder in tiny_world.params.sources.given().values())
