"""What a stage opens to the network while it trains: nothing beyond loopback (torch's own store listens everywhere)."""

import threading
import time

import psutil
import pytest

from tests.components.train.survival.conftest import Proving

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_no_rank_listens_beyond_loopback(proving: Proving):
    output, seen, over = proving.folder / "listening", set(), threading.Event()

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
            time.sleep(0.05)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert proving.run(
            "supervised", output, recipe=proving.recipe("heard", muon_learning_rate=None, ranks=2), ranks=2
        ) == [0, 0], proving.log(output).read_text()[-3000:]
    finally:
        over.set()
        watcher.join()
    assert seen == {"127.0.0.1"}, "two ranks that train together are connected, and on loopback alone"
