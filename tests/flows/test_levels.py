import pytest

from flows import levels
from tests.components.train.test_plan import recipe


def names(*, threads: int, gpus: int = 0) -> list[list[str]]:
    return [[stage.name for stage in level] for level in levels.of_stages(recipe().stages, threads=threads, gpus=gpus)]


def test_levels_follow_parents_and_the_thread_budget():
    assert names(threads=2) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    assert names(threads=3) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    # one thread: nothing beside anything, and a stage larger than the machine still runs
    assert [len(level) for level in levels.of_stages(recipe().stages, threads=1, gpus=0)] == [1, 1, 1, 1, 1]


def test_levels_give_each_rank_a_gpu_of_its_own():
    assert names(threads=99, gpus=2) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    assert names(threads=99, gpus=1) == [["lm"], ["encoder"], ["ego"], ["exo"], ["last"]]
    stages = [stage.model_copy(update={"ranks": 8}) for stage in recipe().stages]
    assert [len(level) for level in levels.of_stages(stages, threads=99, gpus=8)] == [1, 1, 1, 1, 1]
    assert len(levels.of_stages(stages, threads=99, gpus=16)[0]) == 2
    assert len(levels.of_stages(stages, threads=99, gpus=0)[0]) == 2, "on the CPU only threads count"
    with pytest.raises(ValueError, match=r"stage 'lm' has 8 ranks.*allowed on this machine are 4(.|\n)*multi_node"):
        levels.of_stages(stages, threads=99, gpus=4)
