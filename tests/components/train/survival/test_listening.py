"""What a stage opens to the network while it trains: nothing beyond loopback (torch's own store listens everywhere)."""

import pytest
from ruamel.yaml import YAML

from components.llm import ledger
from components.train import launch_command
from tests.components.train.survival import forked
from tests.components.train.survival.conftest import Proving
from tests.processes import addresses

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_no_rank_listens_beyond_loopback(proving: Proving):
    output = proving.folder / "listening, in a folder with a space"  # which torch's `file://` addresses do not meet
    with addresses() as seen:
        assert proving.run(
            "supervised", output, recipe=proving.recipe("heard", muon_learning_rate=None, ranks=2), ranks=2
        ) == [0, 0], proving.log(output).read_text()[-3000:]
    assert seen == {"127.0.0.1"}, "two ranks that train together are connected, and on loopback alone"


def test_ranks_that_ask_a_teacher_share_its_questions_and_listen_on_loopback_alone(proving: Proving):
    output, path = proving.folder / "asking", proving.recipe("asked")
    recipe = YAML(typ="safe").load(path.read_text())
    asking = {
        "name": "distill", "algorithm": "distill", "parents": {"all": "init_ego"}, "ranks": 2, "threads_per_rank": 1,
        "mixture": {"egoexoclip/caption/ego": 1.0}, "train_batch_size": 3,
        "distill": {"queries": "kitchen", "segments": 4, "max_new_tokens": 3, "keep_cut": True},
    }  # fmt: skip
    recipe["stages"].insert(-1, asking)
    with path.open("w") as file:
        YAML().dump(recipe, file)
    words = launch_command.arguments(
        recipe=path, stage="distill", parents={"all": proving.parents["distill"]}, data=proving.data, output=output,
        run_id="none", provenance={"stage_key": "distill"},
    )  # fmt: skip
    with addresses() as seen:
        assert forked.run(words, log=proving.log(output), ranks=2) == [0, 0], proving.log(output).read_text()[-3000:]
    assert seen == {"127.0.0.1"}
    of_ranks = [set(ledger.load(output / f"answers-{rank}.jsonl").entries) for rank in (0, 1)]
    assert [len(keys) for keys in of_ranks] == [6, 6] and not of_ranks[0] & of_ranks[1]
    assert not (output / "trainer").exists(), "where they met goes when the stage is finished"
