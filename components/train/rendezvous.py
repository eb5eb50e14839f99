"""How the ranks of one host find one another: by a file and the loopback interface, so that nobody else can join.

torch's own way is a store that listens on all interfaces, whatever MASTER_ADDR says (torch 2.13), and Gloo and NCCL
take the interface of the host's name. On many hosts that is what is wanted: docs/operations.md has ports and networks.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from torch import cuda, distributed

LOOPBACK = {"address": "127.0.0.1", "interface": "lo"}
TIMEOUT = timedelta(minutes=30)  # of a collective, as transformers' `ddp_timeout`


def on_loopback(folder: Path) -> None:
    """Join the ranks that the launcher started on this host alone; where it started some elsewhere, do nothing.

    Args:
        folder: of the trainer's own files, which goes when the stage is finished.
    """
    # the second name is DeepSpeed's launcher's, the first torchrun's; an address of loopback may be that of two hosts
    on_this_host = os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("LOCAL_SIZE"))
    if os.environ.get("MASTER_ADDR") != LOOPBACK["address"] or on_this_host != os.environ["WORLD_SIZE"]:
        return
    world_size = int(on_this_host)
    for library in ("GLOO", "NCCL"):
        os.environ[f"{library}_SOCKET_IFNAME"] = LOOPBACK["interface"]
    folder.mkdir(parents=True, exist_ok=True)
    meeting = folder.resolve() / f"ranks-{os.getppid()}-{os.environ['MASTER_PORT']}"  # one launcher, one port
    for left in set(folder.resolve().glob("ranks-*")) - {meeting}:  # by a run that was killed
        left.unlink(missing_ok=True)
    distributed.init_process_group(
        "nccl" if cuda.is_available() and os.environ.get("DS_ACCELERATOR") != "cpu" else "gloo",
        # no address: torch does not decode `Path.as_uri`, and waits where no folder is when a name holds a space
        store=distributed.FileStore(str(meeting), world_size),
        rank=int(os.environ["RANK"]),
        world_size=world_size,
        timeout=TIMEOUT,
    )
