"""What a flow does while its tracking server is away: it says so once, waits, and then goes on as if nothing was."""

from __future__ import annotations

import functools
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, TypeVar

from components.tracking.experiment import shown

logger = logging.getLogger(__name__)

WAIT_S = 1800.0  # a restart, an upgrade of the database, a node that is moved
POLL_S = 2.0
ANSWER_S = 10.0  # a server that needs longer to say that it is well is away
Result = TypeVar("Result")


class Patient:
    """A client of MLflow whose calls outlast a server that is away (`outlast`).

    Args:
        store: an MlflowClient.
        uri: of its tracking store.
    """

    def __init__(self, store: object, uri: str):
        self._store, self._uri = store, uri

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has
        return functools.partial(outlast, self._uri, getattr(self._store, name))


def outlast(uri: str, call: Callable[..., Result], *args: object, **kwargs: object) -> Result:
    """Call, and while the server is away, call again; a database has no server and is called once.

    Args:
        uri: of the tracking store.
        call: may be called twice where an answer was lost on its way.
        args: of the call.
        kwargs: of the call.

    Raises:
        MlflowException, OSError: as the call, of a server that is there; or it was away for `WAIT_S`.
    """
    from mlflow.exceptions import MlflowException, RestException

    end_s, told, answered = time.monotonic() + WAIT_S, False, False
    while True:
        try:
            return call(*args, **kwargs)
        except (MlflowException, OSError) as error:
            # a RestException is the server's own answer
            if isinstance(error, RestException) or not uri.startswith("http") or time.monotonic() > end_s:
                raise
            if is_there(uri):
                if answered:
                    raise
                answered = True  # it may have come back since the call failed
                continue
            answered = False
        if not told:
            logger.warning("MLflow at %s is away; this waits for it, %.0f minutes at most", shown(uri), WAIT_S / 60)
            told = True
        while not is_there(uri) and time.monotonic() < end_s:
            time.sleep(POLL_S)


def is_there(uri: str) -> bool:
    """Return whether a tracking server answers.

    Args:
        uri: http or https address of the server.
    """
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER_S):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500  # one that asks for a password is there; a proxy without a server behind it is not
    except (OSError, HTTPException):
        return False
