"""A person who has every release gets what the recipes train on."""

import pytest

from tests import every_source


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> tuple[dict[str, int], dict]:
    """(training samples by `corpus/task/view`, what each step counted) of a world that writes every layout."""
    root = tmp_path_factory.mktemp("every_source")
    told = every_source.run(root, every_source.params_of(root))
    return every_source.samples_of(root / "data"), told


@pytest.mark.long
@pytest.mark.parametrize(("part", "recipes"), every_source.asked_for().items())
def test_every_part_of_a_recipe_has_training_samples(counted, part, recipes):
    assert counted[0].get(part, 0) > 0, f"named by {recipes}; the data has {counted[0]}"


@pytest.mark.long
def test_no_medium_is_lost_without_a_reason(counted):
    media, pretraining = counted[1]["media"], counted[1]["pretraining"]
    assert set(media["rejects"]) == {"missing_medium", "unreadable_medium"}
    assert {key.split("/")[0] for key in pretraining} == {"web", "egoclip", "general"}
