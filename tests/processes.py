"""Which processes of a test still run, and where they listen."""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator

import psutil


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run: not one that nobody has waited for, nor another that has got its number since."""
    return [process for process in processes if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # it may go between two looks
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.contextmanager
def addresses(every_s: float = 0.05) -> Iterator[set[str]]:
    """Collect where this process and those that it starts listen or are connected."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        me = psutil.Process()
        while not over.is_set():
            for process in [me, *me.children(recursive=True)]:
                try:
                    opened = process.net_connections("inet")
                except psutil.Error:  # it has ended
                    continue
                seen.update(
                    one.laddr.ip for one in opened if one.status in (psutil.CONN_LISTEN, psutil.CONN_ESTABLISHED)
                )
            time.sleep(every_s)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
