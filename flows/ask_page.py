"""The page on which a checkpoint is asked: one question, one film or both views of it, the answer drawn.

It listens on 127.0.0.1 alone, loads nothing from elsewhere, and reads no file but those of two folders: the films that
its owner names, and the last few that came through the page. Opened by `egoflow ask --page`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from components.evaluation import ask, film
from components.evaluation.drawing import draw
from components.evaluation.film_answer import told

HOST = "127.0.0.1"
MOST_UPLOAD_BYTES = 512 * 2**20
MOST_UPLOADS = 4  # the oldest goes when another comes
# how files begin: a list of other files, which a decoder would open, is no film
FILMS = re.compile(rb"....(ftyp|moov|mdat)|\x1aE\xdf\xa3|RIFF....AVI |\x89PNG|\xff\xd8\xff|RIFF....WEBP", re.DOTALL)
PAGE = Path(__file__).with_name("ask_page.html")


class Asked(BaseModel):
    """A question: films are "films/<path below the named folder>" or "uploads/<name>" as the page was told it."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=1, max_length=2000)]
    ego: str | None = None
    exo: str | None = None
    target_kind: str | None = None
    start_s: float | None = None
    end_s: float | None = None


def application(model: ask.Model, *, uploads: Path, films: Path | None) -> FastAPI:
    """Return the page and what stands behind it.

    Args:
        model: that answers.
        uploads: empty folder for the films that come through the page.
        films: folder whose films may be asked about by name; None: uploaded ones alone.
    """
    # the pages of FastAPI about itself fetch scripts from elsewhere
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # another name for this address would let a page of the web read the answers (DNS rebinding)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    roots = {"uploads": uploads} | ({} if films is None else {"films": films})
    told_films = html.escape(str(films or ""))
    page = PAGE.read_text().replace("FILMS", told_films).replace("VIEWS", " ".join(model.views))
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    one_at_a_time = threading.Lock()

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update({"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"})
        return response

    @app.get("/", response_class=HTMLResponse)
    def shown() -> str:
        return page

    @app.put("/uploads")
    async def upload(request: Request) -> dict[str, str]:
        return {"film": f"uploads/{(await _kept(request, uploads)).name}"}

    @app.post("/answers")
    def answered(asked: Asked) -> dict:
        try:
            with one_at_a_time:
                return _answered(model, asked, roots)
        except (ValueError, OSError) as error:
            raise HTTPException(400, str(error)) from error

    return app


def _answered(model: ask.Model, asked: Asked, roots: dict[str, Path]) -> dict:
    """Return what `egoflow ask --json` prints, with the picture as a data URI."""
    given = {view: name for view, name in (("ego", asked.ego), ("exo", asked.exo)) if name}
    if not given:
        raise ValueError("no film came; choose one for ego, for exo, or for both")
    part = {"start_s": asked.start_s, "end_s": asked.end_s}
    found = [
        ask.ask(model, _film(name, roots), asked.question, view=view, target_kind=asked.target_kind, **part)
        for view, name in given.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "answer.png"
        draw(asked.question, found, picture)
        drawn = base64.b64encode(picture.read_bytes()).decode()
    answers = told(asked.question, model.checkpoint, [answer for answer, _ in found], None)
    return answers | {"picture": f"data:image/png;base64,{drawn}"}


def _film(name: str, roots: dict[str, Path]) -> Path:
    root, _, relative = name.partition("/")
    if root not in roots or not relative:
        raise ValueError(f"film {name!r} came, allowed are names below {sorted(roots)}")
    return film.below(roots[root], relative)


async def _kept(request: Request, uploads: Path) -> Path:
    """Write the body of a request to a file whose name nobody chose, and forget the oldest ones.

    Raises:
        HTTPException: it is larger than MOST_UPLOAD_BYTES, or no film and no picture.
    """
    too_large = HTTPException(413, f"allowed are films of up to {MOST_UPLOAD_BYTES >> 20} MiB")
    if int(request.headers.get("content-length", 0)) > MOST_UPLOAD_BYTES:
        raise too_large
    path, size = uploads / secrets.token_hex(8), 0
    try:
        with path.open("wb") as file:
            async for part in request.stream():
                size += len(part)
                if size > MOST_UPLOAD_BYTES:  # who sends in pieces says no length before
                    raise too_large
                file.write(part)
        with path.open("rb") as file:
            if not FILMS.match(file.read(16)):
                raise HTTPException(415, "allowed are MP4, MOV, MKV, WebM, AVI, PNG, JPEG and WebP files")
    except HTTPException:
        path.unlink()
        raise
    for old in sorted(uploads.iterdir(), key=lambda each: each.stat().st_mtime_ns)[:-MOST_UPLOADS]:
        old.unlink()
    return path


def serve(model: ask.Model, *, port: int, films: Path | None) -> int:
    """Serve the page until Ctrl-C; return the exit code.

    Args:
        model: that answers.
        port: of 127.0.0.1; 0 takes a free one.
        films: folder whose films may be asked about by name; None: uploaded ones alone.

    Raises:
        ValueError: there is no such folder.
        OSError: the port is taken.
    """
    if films is not None and not films.is_dir():
        raise ValueError(f"--films {films} came, allowed is a folder")
    with tempfile.TemporaryDirectory(prefix="egoflow-ask-") as uploads, socket.create_server((HOST, port)) as listening:
        app = application(model, uploads=Path(uploads), films=films)
        sys.stdout.write(f"http://{HOST}:{listening.getsockname()[1]} asks {model.checkpoint}; Ctrl-C ends it\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
    return 0
