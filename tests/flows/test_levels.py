from flows import levels
from tests.components.train.test_plan import recipe


def test_levels_follow_parents_and_the_thread_budget():
    def names(threads: int) -> list[list[str]]:
        return [[one.name for one in level] for level in levels.of_stages(recipe().stages, threads=threads)]

    assert names(2) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    assert names(3) == [["lm", "encoder"], ["ego", "exo"], ["last"]]
    # one thread: nothing beside anything, and a stage larger than the machine still runs
    assert [len(level) for level in levels.of_stages(recipe().stages, threads=1)] == [1, 1, 1, 1, 1]
