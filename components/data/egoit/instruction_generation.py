"""The instructions of a source dataset, ten in the paper: of a language model, or the templates (systems §1.2).

The prompt has what the paper's has: a description of the dataset, one of the task, and an example of an instruction.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components import llm
from components.data.egoit.instruction_sampling import Instructions

KIND = "egoit.instructions"
DATASETS = {  # source -> what it is
    "egoexo4d": "Ego-Exo4D: people doing skilled activities at home and outdoors, filmed at once by a camera on the "
    "head and by several cameras around them. Annotators said at single moments what the person does.",
    "egoexolearn": "EgoExoLearn: people who follow a demonstration of a procedural task in a kitchen or a laboratory, "
    "filmed by a camera on the head. Annotators marked the interval of each fine action.",
    "ssv2": "Something-Something-V2: short clips of people who do one basic action with everyday objects, acted for "
    "the camera. The label is a template with the objects filled in.",
    "egtea": "EGTEA Gaze+: people cooking meals in a kitchen, filmed by a camera on the head and cut into clips of one "
    "action. The label is a verb with the classes of its objects.",
    "egotimeqa": "EgoTimeQA: clips of everyday activities from Ego4D, filmed by a camera on the head. A language model "
    "made questions and answers about single moments from what annotators had said of them.",
    "openeqa": "OpenEQA: walks through homes and offices, seen by a camera that moves through the rooms. People asked "
    "about objects, their attributes and places, and what they are good for, and answered in a few words.",
}
TASKS = {
    "captioning": "Given a short clip, say in one sentence what the person does, with which object and which hand.",
    "recognition": "Given a clip of one action, name the action. Options to choose from may follow the instruction.",
    "qa": "Given a video and a question about it, answer the question. It follows the instruction, and so may options "
    "to choose from.",
}
SYSTEM = (
    "You write instructions for a video assistant. People give it a short video and one of your instructions, and it "
    "answers from what it sees."
)
USER = """\
Dataset: {dataset}

Task: {task}

Example of an instruction: {example}

Write {count} instructions for this task on this dataset. Each must ask for the same as the example and be answerable \
from any video of the dataset, without naming what happens in it. Vary the wording, the length and the form (questions \
as well as commands); no two may be alike. Call the person who wears the camera C."""


def requests(task: str, templates: Instructions, *, count: int) -> list[llm.Request]:
    """Return the request for instructions of each source.

    Args:
        task: of `TASKS`.
        templates: of each source, the first is the example in the prompt, the first `count` are what the rules answer.
        count: how many instructions of each source are asked for.
    """
    schema = {
        "type": "object",
        "properties": {
            "instructions": {
                "type": "array",
                "items": {"type": "string", "pattern": r"\S", "maxLength": 300},
                "minItems": count,
                "maxItems": count,
                "uniqueItems": True,
            }
        },
        "required": ["instructions"],
        "additionalProperties": False,
    }
    return [
        llm.Request(
            request_id=f"{KIND}/{task}/{source}",
            kind=KIND,
            system=SYSTEM,
            user=USER.format(dataset=DATASETS[source], task=TASKS[task], example=of_source[0], count=count),
            schema=schema,
            facts={"task": task, "source": source, "templates": of_source[:count]},
        )
        for source, of_source in templates.items()
    ]


def by_rule(request: llm.Request) -> dict:
    """Answer a request of `requests` with the templates."""
    return {"instructions": list(request.facts["templates"])}


def generated(
    asked: list[llm.Request], settings: llm.Settings, *, ledger_path: Path
) -> tuple[dict[str, Instructions], pd.DataFrame]:
    """Ask for the instructions.

    Args:
        asked: as `requests` returns them, of any tasks.
        settings: which generator answers.
        ledger_path: where the replies of a language model are kept.

    Returns:
        Task -> the instructions of its sources; and the rejects (`row_id`, `reason`, `detail`) of the requests.

    Raises:
        llm.StoppedError: as `llm.generate`; or a request failed in a way that another run may mend: which instructions
            the data has must not depend on the state of a network.
    """
    made: dict[str, Instructions] = {task: {} for task in TASKS}
    failed: list[llm.Reject] = []
    results = llm.generate(asked, settings, rules={KIND: by_rule}, ledger_path=ledger_path)
    answers = llm.all_settled(results, what="instructions", ledger_path=ledger_path)
    for request, answer in zip(asked, answers, strict=True):
        if isinstance(answer, llm.Reject):
            failed.append(answer)
        else:
            made[request.facts["task"]][request.facts["source"]] = tuple(answer.value["instructions"])
    rows = [(reject.request_id, reject.reason, reject.detail) for reject in failed]
    return made, pd.DataFrame(rows, columns=["row_id", "reason", "detail"])
