"""Ranks whose samples show unlike things: under ZeRO they once waited for one another for ever."""

import functools
import socket
import subprocess

import pytest
import torch

from components.models import zero3_dummies
from components.models.configuration import EgoflowConfig
from components.train import launch_command
from tests.components.train import mixed_ranks
from tests.components.train.conftest import ROOT

TIMEOUT_S = 850


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


@pytest.fixture(scope="module")
def trained(warm_python, tmp_path_factory):
    """What both ranks of every case ended in."""
    folder, port = tmp_path_factory.mktemp("ranks"), str(free_port())
    processes = []
    for rank in range(2):
        env = launch_command.environment(ROOT, threads=1) | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
        }
        env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "PYTHONPATH": str(ROOT)}
        command = [str(warm_python), "-m", "tests.components.train.mixed_ranks", str(folder)]
        log = (folder / f"{rank}.log").open("w")
        processes.append(subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log))
    try:
        for rank, process in enumerate(processes):
            assert process.wait(TIMEOUT_S) == 0, (folder / f"{rank}.log").read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return lambda case, rank: torch.load(folder / f"{case[0]}-{case[1]}-{rank}.pt", weights_only=True)


@functools.cache
def expected(connector: str) -> tuple[dict[str, torch.Tensor], list[list[float]]]:
    """The same steps by one process that sees both ranks' samples: the mean of the ranks' losses."""
    model, processor = mixed_ranks.model_of(connector)
    optimiser = torch.optim.SGD(model.parameters(), lr=mixed_ranks.RATE)
    losses = []
    for step in range(len(mixed_ranks.SEEN)):
        parts = [model(**mixed_ranks.batch_of(step, rank, model, processor)).loss for rank in range(2)]
        optimiser.zero_grad()
        (sum(parts) / 2).backward()
        optimiser.step()
        losses.append([part.item() for part in parts])
    return dict(model.named_parameters()), losses


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", mixed_ranks.CASES, ids=lambda case: f"{case[0]}, ZeRO-{case[1]}")
def test_ranks_that_see_unlike_views_or_none_learn_what_one_process_learns(trained, case):
    weights, losses = expected(case[0])
    for rank in range(2):
        found = trained(case, rank)
        assert found["losses"] == pytest.approx([step[rank] for step in losses], rel=1e-4)
        assert found["weights"].keys() == weights.keys()
        for name, value in weights.items():
            torch.testing.assert_close(
                found["weights"][name], value, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_a_process_alone_asks_nobody():
    assert zero3_dummies.absent(EgoflowConfig(), torch.zeros(1, 3, dtype=torch.long), always=[]) == []


def test_a_view_that_learns_under_zero_3_is_always_shown_where_gradients_are_made(model):
    text = torch.tensor([[model.config.token_ids["<exo_patch>"]]])
    assert zero3_dummies.absent(model.config, text, always=["ego", "exo"]) == ["ego"]
    assert model.model._learning() == [], "not under ZeRO-3"
    with torch.no_grad():
        assert zero3_dummies.absent(model.config, text, always=["ego"]) == []


@pytest.mark.parametrize("views", [["ego"], ["exo"], ["guide"], ["ego", "exo", "guide"]])
def test_a_row_of_grey_frames_shows_the_missing_views_and_moves_nothing(model, views):
    text = torch.full((2, 3), model.config.token_ids["<user>"])
    ids, pixels, added = zero3_dummies.fill(model.config, views, text, None)
    assert torch.equal(ids[:2, :3], text) and ids.shape[0] == 3
    assert all((ids[-1] == model.config.token_ids[f"<{view}_patch>"]).any() for view in views)
    assert {view for view, steps in added.items() if steps} == set(views) | ({"ego"} if "guide" in views else set())
    assert len(pixels) == (added["ego"] + added["exo"]) * model.config.tubelet_frames
    embeds, grids = model.model._embed_beside(views, text, None)
    plain, _ = model.model.embed(text)
    assert torch.equal(embeds, plain) and grids == {}
    embeds.sum().backward()
    touched = {name.split(".")[1] for name, value in model.named_parameters() if value.grad is not None}
    wanted = {"ego_encoder", "ego_connector"} if added["ego"] else set()
    wanted |= {"exo_encoder"} if "exo" in views else set()
    wanted |= {"mapping_f"} if "guide" in views else set()
    wanted |= {"exo_connector"} if {"exo", "guide"} & set(views) else set()
    assert wanted <= touched
