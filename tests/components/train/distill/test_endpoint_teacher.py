"""A teacher behind an endpoint: what it is shown, what becomes of its replies, and that nothing is asked twice."""

import base64
import hashlib
import json

import cv2
import numpy as np
import pytest

from components import llm, params
from components.llm import ledger, request
from components.train.distill import endpoint_teacher, run, teacher
from components.train.distill.questions import Question
from tests.components.llm.misbehaving import KEY, said, status
from tests.components.train.distill.test_plan import ENDPOINT

EYES = params.Llm(**ENDPOINT)


class Store:
    """Frames of one colour: red where the segment is seen in ego, green in exo."""

    def __init__(self, count: int = 6, level: int = 200):
        self.count, self.level = count, level

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        frames = np.zeros((self.count, 32, 32, 3), dtype=np.uint8)
        frames[..., 0 if exo_view is None else 1] = self.level
        return frames


def question(view: str, query: str) -> Question:
    media = [{"video_id": "e", "view": "ego", "start_s": 0.0, "end_s": 1.0}]
    segment = {"sample_id": "s", "frame_kind": "clip", "media": media, "take_id": "t", "split": "train"}
    return Question(segment | {"paired": [media[0] | {"video_id": "x", "view": "exo"}]}, 0, view, "spatial", query)


ASKED = [question("ego", "what happens?"), question("exo", "what happens?"), question("ego", "which hand?")]


def tells(handler, body) -> None:
    handler.send(200, said(json.dumps({"answer": f"C  does\n{body['messages'][1]['content'][-1]['text']}"})))


def ask(folder, asked=ASKED, store=None, **how) -> list[tuple[str, str]]:
    found = endpoint_teacher.answers(asked, store or Store(), EYES, output=folder, **{"most_frames": None} | how)
    return [(reply.outcome, reply.text) for _, reply in found]


def shown(call: dict) -> list[np.ndarray]:
    urls = [part["image_url"]["url"] for part in call["messages"][1]["content"][:-1]]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), 1)[..., ::-1] for url in urls]


def test_the_frames_of_the_asked_view_go_along_and_a_second_run_asks_nobody(server, tmp_path, caplog):
    server.otherwise = tells
    with caplog.at_level("DEBUG"):
        first = ask(tmp_path, most_frames=3)
    assert first == [(teacher.ANSWER, f"C does {each.query}") for each in ASKED]
    assert [call["messages"][1]["content"][-1]["text"] for call in server.calls] == [each.query for each in ASKED]
    for call, channel in zip(server.calls, (0, 1, 0), strict=True):
        frames = shown(call)
        assert len(frames) == 3 and {int(frame.mean((0, 1)).argmax()) for frame in frames} == {channel}
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert ask(tmp_path, most_frames=3) == first and len(server.calls) == 3
    # the key is in no file and no log line, and frames are kept by their digests alone
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in written + caplog.text and "base64" not in written and '"images"' in written


def test_other_frames_are_another_question(server, tmp_path):
    server.otherwise = tells
    ask(tmp_path, ASKED[:1])
    ask(tmp_path, ASKED[:1], store=Store(level=90))
    assert len(server.calls) == 2


def test_what_is_no_answer_is_a_reject_with_its_reason(server, tmp_path):
    settings = params.Distill(endpoint=EYES)
    replies = [said(None, refusal="I may not"), said('{"answer": "C', finish="length"), said('{"answer": " "}')]
    wrong = [*replies[:2], replies[1], replies[2]]  # what was cut is tried twice
    server.script = [lambda handler, _, reply=reply: handler.send(200, reply) for reply in wrong]
    found = dict(zip((each.key for each in ASKED), ask(tmp_path), strict=True))
    assert [outcome for outcome, _ in found.values()] == ["refused", teacher.CUT, teacher.EMPTY]
    lines = {key: {"outcome": outcome, "text": text} for key, (outcome, text) in found.items()}
    rows, rejects = run.table(ASKED, lines, settings, step="distill")
    assert rows == [] and [row["reason"] for row in rejects] == ["refused", "cut", "empty"]


def test_a_server_that_fails_ends_the_stage_and_the_next_run_asks_for_the_rest(server, tmp_path):
    server.script = [tells, status(500), status(500), tells]
    with pytest.raises(llm.StoppedError, match="1 of 3 requests for answers about clips got no answer"):
        ask(tmp_path)
    server.otherwise = tells
    before = len(server.calls)
    assert [outcome for outcome, _ in ask(tmp_path)] == [teacher.ANSWER] * 3 and len(server.calls) == before + 1


def test_answers_are_kept_as_those_of_a_model_are(server, tmp_path):
    server.otherwise = tells
    run._ask_endpoint(ASKED[:2], Store(), EYES, tmp_path, most_frames=None)
    lines = run.outcomes(tmp_path)
    assert lines.keys() == {each.key for each in ASKED[:2]}
    rows, rejects = run.table(ASKED[:2], lines, params.Distill(endpoint=EYES), step="distill")
    assert rejects == [] and {f"{row['corpus']} {row['view']}" for row in rows} == {
        "captioned ego", "distilled exo", "captioned exo",
    }  # fmt: skip
    assert (tmp_path / endpoint_teacher.LEDGER).is_file() and ledger.load(
        tmp_path / endpoint_teacher.LEDGER
    ).replies == 2


def test_a_question_without_images_has_the_key_that_it_had():
    plain = llm.Request("r", "kind", "system", "user", {"type": "object"})
    settings = llm.settings_of(EYES.model_dump())
    before = json.dumps(["system", "user", {"type": "object"}, "eyes", settings.sampling], sort_keys=True,
                        separators=(",", ":"))  # fmt: skip
    assert request.key_of(plain, settings) == hashlib.sha256(before.encode()).hexdigest()
    assert request.body(plain, settings)["messages"][1]["content"] == "user" and "images" not in request.trace(
        plain, settings
    )
