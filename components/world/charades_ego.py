"""Write paired films in Charades-Ego's format: each script is acted out twice, for a camera in the room and a worn one.

Files: CharadesEgo/CharadesEgo_v1_{train,test}.csv, CharadesEgo/Charades_v1_classes.txt and CharadesEgo_v1_480/<id>.mp4
(README.txt of the release). The second time is not in step with the first: the worn camera starts later. As in the
release, texts are quoted and may hold line breaks, actions that go on at the end are marked up to a time behind it, and
some films have no actions. One film is missing and one broke off.
"""

from __future__ import annotations

import csv
from pathlib import Path

from components.prompts.kitchen_grammar import KINDS
from components.world.films import Film
from components.world.plan import WorldPlan, seeded_uid
from components.world.script import Take, script_take

FIRST_TAKE = 650_000  # scripts of their own
MOST_PAIRS = 8
DOING = {
    "picks up": "Taking a {} from somewhere",
    "puts down": "Putting a {} somewhere",
    "washes": "Washing a {}",
    "cuts": "Cutting a {}",
    "stirs": "Stirring a {}",
    "pours": "Pouring a {}",
    "shakes": "Shaking a {}",
    "opens": "Opening a {}",
}
COLUMNS = (
    "id", "subject", "scene", "quality", "relevance", "verified", "script", "objects", "descriptions", "actions",
    "length", "egocentric", "charades_video",
)  # fmt: skip
EGO_STARTS_S = 1.25  # when the worn camera starts, seconds of the script
BEHIND_S = 0.9  # how far behind the film's end the last action is marked
SILENT, MISSING, BROKEN = 1, 2, 3  # numbers of films


def write(root: Path, plan: WorldPlan) -> list[Film]:
    """Write the tables and the beginning of the film that broke off.

    Args:
        root: folder of the source.
        plan: of the world; there are no more pairs than it has takes.

    Returns:
        The films that are still to be made.
    """
    folder = root / "CharadesEgo"
    folder.mkdir(parents=True, exist_ok=True)
    classes = [words.format(kind) for words in DOING.values() for kind in KINDS]
    (folder / "Charades_v1_classes.txt").write_text(
        "".join(f"c{number:03d} {words}\n" for number, words in enumerate(classes))
    )
    rows: dict[str, list[dict]] = {"train": [], "test": []}
    films: list[Film] = []
    for number in range(min(MOST_PAIRS, len(plan.takes))):
        take = script_take(plan.seed, FIRST_TAKE + number, take_s=12.0)
        name = seeded_uid(plan.seed, "charades_ego", number)[:5].upper()
        for film_id, view, start_s in ((name, "cam01", 0.0), (f"{name}EGO", "ego", EGO_STARTS_S)):
            row = _row(film_id, take, start_s, classes, is_silent=len(films) == SILENT)
            rows["test" if number % 4 == 3 else "train"].append(row)
            path = root / "CharadesEgo_v1_480" / f"{film_id}.mp4"
            films.append(Film(path, take, start_s, take.take_s, plan.fps, view))
    for split, content in rows.items():
        with (folder / f"CharadesEgo_v1_{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(content)
    broken = films[BROKEN].path
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"broke off")
    return [film for number, film in enumerate(films) if number not in (MISSING, BROKEN)]


def _row(film_id: str, take: Take, start_s: float, classes: list[str], *, is_silent: bool) -> dict:
    """Return the row of a film that shows a script from `start_s` on."""
    length_s = take.take_s - start_s
    actions = []
    for event in take.events:
        item = take.items[event.item].kind
        end_s = event.end_s - start_s
        if end_s <= 0:
            continue
        if end_s >= length_s:
            end_s += BEHIND_S
        name = classes.index(DOING[event.verb].format(item))
        actions.append(f"c{name:03d} {max(0.0, event.start_s - start_s):.2f} {end_s:.2f}")
    told = ", then ".join(DOING[event.verb].format(take.items[event.item].kind).lower() for event in take.events)
    return {
        "id": film_id,
        "subject": f"S{take.index % 10:03d}",
        "scene": "Kitchen",
        "quality": 6,
        "relevance": 7,
        "verified": "Yes",
        "script": f"A person is {told}.\nThe person leaves.",
        "objects": ";".join(sorted({item.kind for item in take.items})),
        "descriptions": f'A person says "now", and is {told}.;A person is in a kitchen.',
        "actions": "" if is_silent else ";".join(actions),
        "length": f"{length_s:.2f}",
        "egocentric": "Yes" if film_id.endswith("EGO") else "No",
        "charades_video": film_id.removesuffix("EGO"),
    }
