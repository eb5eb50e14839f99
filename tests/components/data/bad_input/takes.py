"""Defects of Ego-Exo4D's metadata and atomic descriptions."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from tests.components.data.bad_input.case import (
    SAID,
    SPLITS,
    STREAMS,
    TAKES,
    Case,
    Spoil,
    annotations_of_take,
    camera,
    description,
    edited,
    first,
    narrated,
    one_more_description,
    put,
    recoded,
    refuse_anyway,
    replaced_by_folder,
)

UNREAD = {"egoexo4d/bad_member": STREAMS, "egoexo4d/test_split": -STREAMS}
ONE_UNREAD = {"egoexo4d/bad_member": 1, "egoexo4d/test_split": -STREAMS}
NO_STREAM = {"egoexo4d/no_streams": 1, "egoexo4d/test_split": -STREAMS}
UNKNOWN = {"egoexo4d/unknown_split": STREAMS, "egoexo4d/test_split": -STREAMS}
TWICE = {"egoexo4d/repeated_id": 3, "egoexo4d/not_the_ego_stream": 2, "egoexo4d/pseudo_camera": 2}
BAD = {"egoexo4d/bad_member": 1}
NO_TIME = {"egoexo4d/no_timestamp": 1}


def mend(words: str) -> str:
    return rf"takes.json.*{words}.*mend sources.egoexo4d in params/data.yaml"


def split_of_test_take(value: object) -> Spoil:
    def change(content: dict) -> None:
        splits = content["take_uid_to_split"]
        splits[next(uid for uid, split in splits.items() if split == "test")] = value

    return edited(SPLITS, change)


def same_take_again(folder) -> None:
    uid = narrated(folder)["take_uid"]
    edited(TAKES, lambda takes: takes.append(next(take for take in takes if take["take_uid"] == uid)))(folder)


def annotation(change: Callable[[dict], dict | None]) -> Spoil:
    """Add an annotation of one description: the first one, changed."""
    return annotations_of_take(
        lambda annotations: annotations.append(
            change(first(annotations) | {"descriptions": first(annotations)["descriptions"][:1]})
        )
    )


def member_again(path: str, of: str, change: Callable[[object], object]) -> Spoil:
    """Say the first member of the object `of` in a file twice, the first time changed."""

    def spoil(folder) -> None:
        content = json.loads((folder / path).read_text())
        key, value = next(iter(content[of].items()))
        again = json.dumps({key: change(value)})[1:-1]
        head = f'"{of}": {{'
        put(path, json.dumps(content).replace(head, f"{head}{again}, ", 1).encode())(folder)

    return spoil


def first_words(annotations: list[dict]) -> list[dict]:
    """Give the first annotation of a take that no reviewer refused, with one description."""
    return [first(annotations) | {"descriptions": first(annotations)["descriptions"][:1]}]


def to_nobody(content: dict) -> None:
    told = next(iter(content["annotations"].values()))[:1]
    content["annotations"]["nobody"] = [told[0] | {"descriptions": told[0]["descriptions"][:1], "rejected": False}]


def no_descriptions(folder: Path) -> None:
    for path in (SAID, SAID.replace("train", "val")):
        put(path, b'{"annotations": {}}')(folder)


CASES = [
    Case(
        "takes with videos and no description",
        no_descriptions,
        error=r"egoexo4d in .*raw/egoexo4d has videos.*atomic_descriptions_.*no row of narrations.*sources.egoexo4d",
    ),
    Case("takes.json of zero bytes", put(TAKES, b""), error=mend("Expecting value")),
    Case("takes.json cut off", recoded(TAKES, lambda came: came[:-100]), error=mend("char")),
    Case("takes.json with a byte order mark", recoded(TAKES, lambda came: b"\xef\xbb\xbf" + came)),
    Case("takes.json with CRLF", recoded(TAKES, lambda came: came.replace(b"\n", b"\r\n"))),
    Case("takes.json in UTF-16", recoded(TAKES, lambda came: came.decode().encode("utf-16")), error=mend("utf-8")),
    Case("takes.json gzipped", recoded(TAKES, gzip.compress), error=mend("utf-8")),
    Case("takes.json nested 100,000 deep", put(TAKES, b"[" * 100_000), error=mend("recursion")),
    Case("takes.json with a number of 5000 digits", put(TAKES, b"[" + b"9" * 5000 + b"]"), error=mend("digits")),
    Case("takes.json that holds an object", put(TAKES, b"{}"), error=mend("allowed is a list")),
    Case("takes.json that holds null", put(TAKES, b"null"), error=mend("None came")),
    Case(
        "takes.json with a key twice",
        recoded(TAKES, lambda came: came.replace(b'"take_uid":', b'"take_uid": "a", "take_uid":', 1)),
        error=mend("'take_uid' stands twice"),
    ),
    Case("takes.json is a folder", replaced_by_folder(TAKES), error="takes.json is missing.*params/data.yaml"),
    Case("take that is null", edited(TAKES, lambda takes: takes.append(None)), BAD, rows=1),
    Case("take without its uid", refuse_anyway(lambda take: take.pop("take_uid")), UNREAD),
    Case("take with a number as its name", refuse_anyway(lambda take: take.update(take_name=3)), UNREAD),
    Case("take dropped 'no'", refuse_anyway(lambda take: take.update(is_dropped="no")), UNREAD),
    Case("take with a list as its folder", refuse_anyway(lambda take: take.update(root_dir=["a"])), UNREAD),
    Case("take without a capture", refuse_anyway(lambda take: take.update(capture=None)), UNREAD),
    Case(
        "take with a camera that is neither ego nor exo",
        refuse_anyway(lambda take: take["capture"]["cameras"][0].pop("is_ego")),
        UNREAD,
    ),
    Case(
        "take with null for its streams",
        refuse_anyway(lambda take: take.update(frame_aligned_videos=None)),
        ONE_UNREAD,
        rows=1 - STREAMS,
    ),
    Case(
        "take without any stream",
        refuse_anyway(lambda take: take.update(frame_aligned_videos={})),
        NO_STREAM,
        rows=1 - STREAMS,
    ),
    Case("take that stands twice", same_take_again, TWICE, rows=STREAMS),
    Case("camera without streams", camera(lambda streams: streams.update(cam09={}))),
    Case("stream that is a number", camera(lambda streams: streams["cam01"].update({"0": 3})), BAD),
    Case("stream without its path", camera(lambda streams: streams["cam01"]["0"].pop("relative_path")), BAD),
    Case("split that does not exist", split_of_test_take("dev"), UNKNOWN),
    Case("split that is a list", split_of_test_take(["test"]), UNKNOWN),
    Case(
        "take with two splits",
        member_again(SPLITS, "take_uid_to_split", lambda split: "dev"),
        error="splits.json: take .* has the splits 'dev' and .*mend sources.egoexo4d",
    ),
    Case("take with the same split twice", member_again(SPLITS, "take_uid_to_split", lambda split: split)),
    Case(
        "splits.json without its member",
        put(SPLITS, b"{}"),
        error="splits.json: 'take_uid_to_split' is missing, allowed is an object",
    ),
    Case(
        "descriptions in a list", put(SAID, b'{"annotations": []}'), error=r"'annotations' is \[\], allowed is an obj"
    ),
    Case("description that is null", annotation(lambda said: said | {"descriptions": [None]}), BAD, rows=1),
    Case("annotation that is null", annotation(lambda said: None), BAD, rows=1),
    Case("annotation without descriptions", annotation(lambda said: said | {"descriptions": None}), BAD, rows=1),
    Case("annotation without its uid", annotation(lambda said: said | {"annotation_uid": None}), BAD, rows=1),
    Case("annotation that stands twice", annotation(lambda said: said), {"egoexo4d/repeated_id": 1}, rows=1),
    Case(
        "annotations of a take that is null", edited(SAID, lambda all_: all_["annotations"].update(x=None)), BAD, rows=1
    ),
    Case("descriptions of an unknown take", edited(SAID, to_nobody), {"egoexo4d/no_take": 1}, rows=1),
    Case("take described twice", member_again(SAID, "annotations", first_words), {"egoexo4d/repeated_id": 1}, rows=1),
    Case("text that is a number", description(text=3), BAD),
    Case("text that is null", description(text=None), BAD),
    Case("text missing", description(text=...), BAD),
    Case("text with emoji and control characters", description(text="\x00C cuts \U0001f52a\x1b\r\nan egg\x7f")),
    Case("text with half a surrogate pair", description(text="C cuts \ud83d")),
    Case("uid with half a surrogate pair", annotation(lambda said: said | {"annotation_uid": "\ud83d"}), rows=1),
    Case("time NaN", description(timestamp=float("nan")), NO_TIME),
    Case("time infinite", description(timestamp=float("inf")), NO_TIME),
    Case("time of 400 digits", description(timestamp=10**400), NO_TIME),
    Case("time that is text", description(timestamp="3.5"), NO_TIME),
    Case("time that is true", description(timestamp=True), NO_TIME),
    Case("time nested 300 deep", description(timestamp=json.loads("[" * 300 + "]" * 300)), NO_TIME),
    Case("time negative", description(timestamp=-0.5), {"egoexo4d/negative_time": 1}),
    Case("flag that is a list", description(unsure=[]), {"egoexo4d/bad_flag": 1}),
    Case("flag null", description(unsure=None)),
    Case("flag missing", description(ego_visible=...)),
    Case("uid used by another description", one_more_description(), {}, rows=1),
]
