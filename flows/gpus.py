"""GPUs as a resource: each process of a flow has GPUs of its own, whatever else runs on this machine.

Which ones are taken, file locks say: they hold between the stages of one flow and between flows, with a Prefect server
or without, and the kernel releases them when their process dies. Prefect's global concurrency limit
`egoflow-gpu-<host>`, with a slot for each GPU, holds as many, so that a server shows and bounds what runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from http import HTTPStatus
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import PrefectHTTPStatusError

from components.train import launch_command
from flows.supervisor import StageStopped

LIMIT = f"egoflow-gpu-{socket.gethostname()}"
LOCKS = Path(tempfile.gettempdir()) / f"egoflow-gpus-{os.getuid()}"
POLL_S = 1.0


@contextlib.contextmanager
def reserved(count: int, *, stop: Callable[[], str | None]) -> Generator[tuple[str, ...]]:
    """Wait until so many GPUs are free, and hold them until the block is left.

    Args:
        count: GPUs; at most as many as the machine has (`levels.of_stages` refuses a stage that needs more).
        stop: called every `POLL_S` seconds while they are not free; a reason ends the waiting.

    Yields:
        Their ids, as CUDA_VISIBLE_DEVICES takes them; none on a machine without GPUs.

    Raises:
        StageStopped: `stop` returned a reason.
    """
    present = launch_command.gpus()
    if not present:
        yield ()
        return
    _make_limit(len(present))
    with contextlib.ExitStack() as held:
        _take_slots(held, count, stop)
        yield _lock(held, present, count, stop)


def _make_limit(slots: int) -> None:
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(LIMIT, slots)


def _take_slots(held: contextlib.ExitStack, count: int, stop: Callable[[], str | None]) -> None:
    while True:
        try:
            # Without a limit on retries nothing could end the waiting of a cancelled flow. A limit on time would also
            # end a request that the server grants, and the slots would be lost for as long as their lease.
            held.enter_context(concurrency(LIMIT, occupy=count, max_retries=0))
            return
        except ConcurrencySlotAcquisitionError as error:
            answer = error.__cause__
            if not isinstance(answer, PrefectHTTPStatusError) or answer.response.status_code != HTTPStatus.LOCKED:
                raise
        _check(stop)
        time.sleep(POLL_S)


def _lock(
    held: contextlib.ExitStack, present: Sequence[str], count: int, stop: Callable[[], str | None]
) -> tuple[str, ...]:
    """Lock `count` GPUs or none: two that wait for one another's would wait for ever."""
    LOCKS.mkdir(exist_ok=True)
    while True:
        with contextlib.ExitStack() as attempt:
            locked = []
            for gpu in present:
                file = attempt.enter_context((LOCKS / gpu).open("w"))
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    locked.append(gpu)
                if len(locked) == count:
                    held.enter_context(attempt.pop_all())
                    return tuple(locked)
        _check(stop)
        time.sleep(POLL_S)


def _check(stop: Callable[[], str | None]) -> None:
    if (reason := stop()) is not None:
        raise StageStopped(f"stopped while it waited for GPUs: {reason}")
