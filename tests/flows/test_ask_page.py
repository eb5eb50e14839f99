"""The page for questions: what it answers, in a real browser too, and what it refuses."""

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from components import params, video
from components.evaluation.ask import Model
from components.evaluation.replies import Reply
from flows import ask_page
from tests import browser

ROOT = Path(__file__).parents[2]
SAID = "<think>there</think><answer>[20, 40, 60, 80]</answer>"


class Says:
    """A model that finds everything in one place; hostile words go through the page as text."""

    def __init__(self, *, store, **limits: int):
        pass

    def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
        wants_box = samples[0]["target"]["kind"] == "box"
        return [Reply(SAID if wants_box else f"<img src=x onerror=alert(1)> {samples[0]['view']}")]


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    frames = np.random.default_rng(0).integers(0, 255, (16, 64, 64, 3), dtype=np.uint8)
    (folder / "below").mkdir()
    for name in ("ego.mp4", "below/exo.mp4"):
        video.write(folder / name, frames, fps=8, size_px=64)
    (folder / "secret.mp4").symlink_to(ROOT / "README.md")
    return folder


@pytest.fixture(scope="module")
def app(films, tmp_path_factory):
    data = params.load(ROOT / "params/data.yaml", params.Data)
    model = Model(Path("checkpoints/grpo-k"), ("ego", "exo"), data, 24, made=Says)
    return ask_page.application(model, uploads=tmp_path_factory.mktemp("uploads"), films=films)


@pytest.fixture(scope="module")
def client(app) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1:8710")


def asked(client: TestClient, **how: object) -> dict:
    return client.post("/answers", json={"question": "where is the cup?"} | how)


def test_an_uploaded_film_and_a_named_one_are_answered_side_by_side(client, films):
    uploaded = client.put("/uploads", content=(films / "ego.mp4").read_bytes()).json()["film"]
    found = asked(client, ego=uploaded, exo="films/below/exo.mp4").json()
    assert [(one["view"], one["box_xyxy"]) for one in found["answers"]] == [
        ("ego", [20, 40, 60, 80]),
        ("exo", [20, 40, 60, 80]),
    ]
    assert found["checkpoint"] == "checkpoints/grpo-k" and found["picture"].startswith("data:image/png;base64,")


def test_a_picture_is_one_frame(client):
    picture = io.BytesIO()
    Image.new("RGB", (80, 60)).save(picture, "JPEG")
    uploaded = client.put("/uploads", content=picture.getvalue()).json()["film"]
    assert set(asked(client, ego=uploaded, question="what is there?").json()["answers"][0]["frames"]) == {0}


@pytest.mark.parametrize(
    "film",
    [
        "films/../params/data.yaml",
        "films//etc/passwd",
        "films/secret.mp4",
        "uploads/../ego.mp4",
        "/etc/passwd",
        "films/no",
    ],
)
def test_no_path_leaves_its_root(client, film):
    response = asked(client, ego=film)
    assert response.status_code == 400 and any(
        words in response.json()["detail"].lower()
        for words in ("leaves its root", "allowed are names below", "no such file")
    )


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"#EXTM3U\n/etc/passwd\n", 415), (b"ffconcat version 1.0\nfile x\n", 415), (b"", 415), (b"x" * 101, 413)],
)
def test_an_upload_that_is_no_film_or_too_large_leaves_nothing(client, monkeypatch, content, status, app):
    monkeypatch.setattr(ask_page, "MOST_UPLOAD_BYTES", 100)
    assert client.put("/uploads", content=content).status_code == status
    assert client.put("/uploads", content=iter([content])).status_code == status, "sent in pieces, without a length"


def test_the_oldest_uploads_are_forgotten(client, films):
    content = (films / "ego.mp4").read_bytes()
    names = [client.put("/uploads", content=content).json()["film"] for _ in range(ask_page.MOST_UPLOADS + 1)]
    assert asked(client, ego=names[0]).status_code == 400 and asked(client, ego=names[-1]).status_code == 200


def test_no_other_page_of_the_web_may_ask(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    body = '{"question": "who?", "ego": "films/ego.mp4"}'
    # what a form of another page can send without asking first
    assert client.post("/answers", content=body, headers={"Content-Type": "text/plain"}).status_code == 422
    assert (
        "access-control-allow-origin"
        not in client.options("/uploads", headers={"Origin": "http://evil.example"}).headers
    )


def test_a_question_without_a_film_or_with_a_wrong_kind_says_so(client):
    assert "no film came" in asked(client).json()["detail"]
    assert (
        "allowed are ['text', 'box', 'span']" in asked(client, ego="films/ego.mp4", target_kind="name").json()["detail"]
    )
    assert asked(client, ego="films/ego.mp4", question="").status_code == 422


def test_it_listens_on_this_machine_alone(monkeypatch, app, capsys):
    bound = []
    monkeypatch.setattr(ask_page, "application", lambda *given, **how: app)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: bound.extend(one.getsockname() for one in sockets))
    model = Model(Path("grpo-k"), ("ego",), None, 24, made=None)
    assert ask_page.serve(model, port=0, films=None) == 0
    assert [host for host, _ in bound] == ["127.0.0.1"] and f"http://127.0.0.1:{bound[0][1]}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="allowed is a folder"):
        ask_page.serve(model, port=0, films=Path("no such folder"))


@pytest.fixture
def address(app) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        running.join(timeout=browser.SLOW_S)


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium on this machine; the page is asked by HTTP above")
def test_a_real_browser_asks_and_shows_the_answer(address, films, tmp_path):
    with browser.tab(tmp_path / "profile") as tab:
        tab.open(address, width=390)
        tab.choose_file("fieldset[data-view=ego] [type=file]", films / "ego.mp4")
        tab.evaluate("document.querySelector('fieldset[data-view=exo] [type=text]').value = 'below/exo.mp4'")
        for question, words in (("where is the cup?", "ego: [20, 40, 60, 80]"), ("who?", "ego: <img src=x onerror")):
            tab.evaluate(
                f"document.getElementById('question').value = '{question}'; form.querySelector('button').click()"
            )
            tab.wait("!document.querySelector('button').disabled")
            assert words in tab.evaluate("document.getElementById('answer').innerText")
            tab.wait("document.querySelector('#answer img').naturalWidth > 1000")  # two views of 640 pixels
        assert tab.evaluate("document.querySelectorAll('#answer img').length") == 1, "what the model says is text"
        loaded = "performance.getEntriesByType('resource').map(each => each.name)"
        assert all(one.startswith((address, "data:")) for one in tab.evaluate(loaded))
        for width in (390, 1400):
            tab.resize(width)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
