"""Moments asked in both views: when does it happen, and does it happen here? (EgoExo-Con, systems §5.1).

A verification shows the seconds of an event and no others: a model learns nothing from a window that is only named by
its seconds. Each event gives an aligned question and a misaligned one in each view, so that a constant
answer is right half of the time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data import sample_table
from components.data.egore.multiple_choice import draw
from components.data.egore.rule_based.short_templates import NO, YES, alike
from components.prompts import verification_question
from components.prompts.kitchen_grammar import VERBS, Facts

_EDGE_S = 0.05  # cameras of one take stop at slightly different times


def seen_from_outside(timed: pd.DataFrame, videos: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask the questions of `grounding.temporal` about an exo camera of the same take.

    Args:
        timed: what `grounding.temporal` gave.
        videos: table of components/records/schemas.py.

    Returns:
        Samples for `samples.table`, of one camera a take, chosen by content; and rejects: no exo camera, or one that
        stops before the window ends.
    """
    outside = videos[videos["view"] == "exo"].sort_values("video_id").drop_duplicates("take_id")
    camera = ["video_id", "view", "duration_s"]
    frame = timed.drop(columns=camera).merge(outside[["take_id", *camera]], on="take_id", how="left")
    reason = np.select(
        [frame["video_id"].isna(), frame["duration_s"] < frame["end_s"] - _EDGE_S],
        ["no_exo_video", "outside_exo_video"],
        "",
    )
    frame["end_s"] = frame[["end_s", "duration_s"]].min(axis=1)
    return frame[reason == ""], sample_table.dropped(frame, reason, row_id="interval_id", detail="question")


def verification(timed: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Ask of the seconds of each event whether it happens, and whether something like it does.

    Args:
        timed: temporal questions of any view, with their `facts`.
        seed: of the choice of what is misaligned.

    Returns:
        Samples for `samples.table`, two for each row.
    """
    done = timed.groupby("take_id")["facts"].agg(lambda told: {(fact.verb, fact.object) for fact in told})
    keys = timed[["take_id", "interval_id"]].itertuples(index=False, name=None)
    false = [
        misaligned(fact, done[take_id], key=(seed, interval_id))
        for fact, (take_id, interval_id) in zip(timed["facts"], keys, strict=True)
    ]
    shown = timed.assign(
        task="verify",
        question_type="verification",
        frame_kind="clip",
        start_s=timed["from_s"],
        end_s=timed["to_s"],
        from_s=np.nan,
        to_s=np.nan,
        kind="choice",
        choices=[[YES, NO]] * len(timed),
    )
    said = {YES: [(fact.verb, fact.object) for fact in timed["facts"]], NO: false}
    asked = [
        shown.assign(
            question=[verification_question(f"C {verb} the {thing}") for verb, thing in events],
            answer=answer,
            answer_index=index,
        )
        for index, (answer, events) in enumerate(said.items())
    ]
    return pd.concat(asked, ignore_index=True)


def misaligned(facts: Facts, done: set[tuple[str, str]], *, key: tuple[object, ...]) -> tuple[str, str]:
    """Return (verb, object) that differs from the facts in one slot and is done at no time of the take.

    Half of them have another verb. The others have another object: one that is handled in the take where there is one,
    so that its mere presence tells nothing.

    >>> verb, thing = misaligned(Facts("cuts", "red", "fish"), {("cuts", "red fish"), ("opens", "blue box")}, key=(1,))
    >>> (verb == "cuts") != (thing == "red fish")
    True
    """
    verbs = [(verb, facts.object) for verb in VERBS]
    handled = [(facts.verb, thing) for thing in sorted({thing for _, thing in done})]
    looks = [(facts.verb, " ".join(look)) for look in alike(facts.colour, facts.type)]
    by_slot = (verbs, handled, looks) if draw(2, *key, "slot") == 0 else (handled, looks, verbs)
    fresh = ([event for event in events if event not in done] for events in by_slot)
    possible = next(events for events in fresh if events)
    return possible[draw(len(possible), *key, "event")]
