"""The processes of one evaluation, started by torchrun or alone; each answers a share of the items."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

LONGEST_WAIT = timedelta(days=7)  # of a rank that is finished for one that is not


@dataclass(frozen=True)
class Ranks:
    """This process among those of its evaluation.

    Attributes:
        rank: its number.
        size: how many there are.
        local_rank: its number on this host, and that of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def device(self) -> torch.device:
        """The GPU of this process, or the CPU where there is none."""
        return torch.device("cuda", self.local_rank) if torch.cuda.is_available() else torch.device("cpu")

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            distributed.barrier()


@contextlib.contextmanager
def joined() -> Generator[Ranks]:
    """Yield this process's place among those that torchrun started; it is alone where the environment names none."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    ranks = Ranks(*(int(os.environ[name]) for name in names)) if "RANK" in os.environ else Ranks()
    if ranks.size == 1:
        yield ranks
        return
    distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
