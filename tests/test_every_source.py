"""A person who has every release gets what the recipes train on."""

import pyarrow.parquet as pq
import pytest

from tests import every_source, rehearsals


@pytest.mark.long
@pytest.mark.parametrize(("part", "recipes"), every_source.asked_for().items())
def test_every_part_of_a_recipe_has_training_samples(rehearsal_project, part, recipes):
    have = every_source.samples_of(rehearsal_project / rehearsals.WORLD)
    assert have.get(part, 0) > 0, f"named by {recipes}; the data has {have}"


@pytest.mark.long
def test_no_medium_is_lost_without_a_reason(rehearsal_project):
    data = rehearsal_project / rehearsals.WORLD
    reasons = pq.read_table(data / "media/rejects.parquet", columns=["reason"])["reason"].to_pylist()
    assert set(reasons) == {"missing_medium", "unreadable_medium"}
    corpora = pq.read_table(data / "pretraining/samples.parquet", columns=["corpus"])["corpus"].to_pylist()
    assert set(corpora) == {"web", "egoclip", "general"}
