"""Write conversations about images and films of the miniature kitchen, in every form that the adapter `general` reads.

Files: llava/llava.json (LLaVA's records about images), video_qa.jsonl (closed questions about films, as a line of
EgoExoLearn's Video_QA is written) and chat.jsonl (`messages` with parts, as somebody brings data of their own, with
times, a view and a split). Their defects are those of conversations: several images, no image, an answer that is no
option, a question that nobody answers, a link in the place of a path, media that are gone or cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2

from components.prompts.kitchen_grammar import COLOURS, KINDS, narrate
from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.render import render
from components.world.script import Event, Take, script_take

FIRST_TAKE = 770_000  # scripts of their own
IMAGES, CLOSED, OWN, FILM_S = 5, 5, 3, 8.0  # images, films of video_qa.jsonl and of chat.jsonl, and their length
GONE, BROKEN = 1, 2  # the image and the film that are not there, and those that cannot be read
OPTIONS = 4
REQUEST = "Answer with the option's letter from the given choices directly."


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write the three files and the images below `root`, and return the films that are still to be made."""
    scripts = {
        seeded_uid(plan.seed, "general", number)[:13]: script_take(plan.seed, FIRST_TAKE + number, take_s=FILM_S)
        for number in range(IMAGES + CLOSED + OWN)
    }
    shown = list(scripts.items())
    seen, filmed = dict(shown[:IMAGES]), dict(shown[IMAGES:])
    _images(root / "llava", seen, size_px=plan.size_px)
    _lines(root / "video_qa.jsonl", _closed(dict(shown[IMAGES:-OWN])))
    _lines(root / "chat.jsonl", _messages(dict(shown[-OWN:])))
    films = [Film(root / f"films/{name}.mp4", take, 0.0, FILM_S, plan.fps) for name, take in filmed.items()]
    (root / "films").mkdir()
    films[BROKEN].path.write_bytes(b"broke off")
    return [film for number, film in enumerate(films) if number not in (GONE, BROKEN)]


def _lines(path: Path, records: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def _said(take: Take, event: Event) -> str:
    facts = take.facts(event)
    return f"A hand {facts.verb} the {facts.object}."


def _images(folder: Path, seen: dict[str, Take], *, size_px: int) -> None:
    """Write llava.json and its images: a description and a question about each, and records that cannot be asked."""
    (folder / "images").mkdir(parents=True)
    records: list[dict] = []
    for number, (name, take) in enumerate(seen.items()):
        event = take.events[0]
        said = ["<image>\nDescribe the image concisely.", _said(take, event)]
        said += ["What colour is the object in the hand?", take.facts(event).colour]
        turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
        records.append({"id": name, "image": f"images/{name}.png", "conversations": turns})
        path = folder / "images" / f"{name}.png"
        if number == BROKEN:
            path.write_bytes(b"\x89PNG\r\n\x1a\nbroke off")
        elif number != GONE:
            image = render(take, (event.start_s + event.end_s) / 2, "ego", size_px=size_px)
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    first = records[0]
    records += [
        {**first, "image": [first["image"], records[3]["image"]]},
        {name: value for name, value in first.items() if name != "image"},  # text alone, as ShareGPT's part of LLaVA
        {**first, "image": "https://example.org/a.png"},
        {**first, "conversations": first["conversations"][:3]},
    ]
    (folder / "llava.json").write_text(json.dumps(records, indent=1))


def _closed(filmed: dict[str, Take]) -> Iterable[dict]:
    """Yield a closed question about each film; one answer is no option, another one is the text of an option."""
    for number, (name, take) in enumerate(filmed.items()):
        facts = take.facts(take.events[0])
        kinds = [facts.type, *[kind for kind in KINDS if kind != facts.type][: OPTIONS - 1]]
        offered = kinds[number % OPTIONS :] + kinds[: number % OPTIONS]
        letter = "ABCD"[offered.index(facts.type)]
        lettered = [f"({one}) The {kind}." for one, kind in zip("ABCD", offered, strict=True)]
        asked = "\n".join(["<video>", f"Which object {facts.verb} the hand first?", *lettered, REQUEST])
        answer = {3: f"The {facts.type}.", 4: "Both of them."}.get(number, letter)
        turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
        yield {"id": f"{name}_0", "conversations": turns, "image": {"video": f"films/{name}.mp4"}}


def _messages(filmed: dict[str, Take]) -> Iterable[dict]:
    """Yield a question about a moment of each film, seen by the wearer; the last film is held out."""
    for number, (name, take) in enumerate(filmed.items()):
        event = take.events[-1]
        colour = take.facts(event).colour
        listed = ", ".join(COLOURS[:3])
        content = [{"type": "video", "video": f"films/{name}.mp4"}, {"type": "text", "text": "What does C do?"}]
        messages = [
            {"role": "system", "content": f"Objects are {listed} and more."},
            {"role": "user", "content": content},
            {"role": "assistant", "content": f"{narrate(take.facts(event))}, which is {colour}."},
        ]
        times = {"start": event.start_s, "end": event.end_s}
        split = "test" if number == OWN - 1 else "train"
        yield {"messages": messages, **times, "view": "ego", "split": split, "question_type": "action"}
