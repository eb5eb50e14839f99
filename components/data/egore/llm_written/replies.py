"""EgoRe by a language model: its replies become samples, and what breaks a rule becomes a reject (systems §4.1).

The published corpus was written so, from annotations and captions. Here nothing has to parse: the narrations stand in
the prompt as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from components import llm
from components.data.egore.llm_written import prompts
from components.data.egore.llm_written.prompts import COT, LONG, SHORT
from components.data.egore.multiple_choice import QA, options, random_draws
from components.data.egore.rule_based import chain_of_thought
from components.data.partition.runner import RowCounts
from components.prompts import same_words, think_answer

_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_FILE = re.compile(r"[/\\]|\.(?:mp4|jpg|json)")  # the contract of samples allows none in a question
_COUNTED = {SHORT: "questions on clips", LONG: "questions on long windows", COT: "chains of thought"}


def plan(short: pd.DataFrame, long: pd.DataFrame, *, cot_fraction: float, seed: int) -> pd.DataFrame:
    """Return a row for every request: the segments of both kinds, and once more those that are judged for a chain.

    Args:
        short: the segments of `segments.of_clips`.
        long: the segments of `segments.of_windows`.
        cot_fraction: share of the segments that the model is asked to judge, drawn by content.
        seed: of that draw.

    Returns:
        The columns of the segments, with `kind` (SHORT, LONG or COT) and `request_id`.
    """
    all_segments = pd.concat([short.assign(kind=SHORT), long.assign(kind=LONG)], ignore_index=True)
    start_s, end_s = (all_segments[name].map(repr) for name in ("start_s", "end_s"))
    spans = all_segments["parent"] + "/" + all_segments["source"] + "/" + start_s + "/" + end_s
    judged = all_segments[random_draws(seed, "cot", of=spans)[:, 0] <= cot_fraction].assign(kind=COT)
    planned = pd.concat([all_segments, judged], ignore_index=True)
    span_of_row = spans.loc[[*all_segments.index, *judged.index]].to_numpy()
    return planned.assign(request_id=planned["kind"] + "/" + span_of_row)


def broken(question: str, answer: str, wrong: list[str], *, count: int) -> str:
    """Return the name of the rule that a question with options breaks; empty where it keeps to all.

    Args:
        question: as the model wrote it, on one line.
        answer: the right answer.
        wrong: the wrong answers.
        count: most wrong answers.

    >>> broken("what does C cut?", "a carrot", ["a fish", "a Carrot"], count=3)
    'answer_is_wrong_too'
    """
    if not all([question, answer, *wrong]) or not wrong:
        return "empty_text"
    if len(wrong) > count:
        return "too_many_wrong_answers"
    if any(same_words(answer, other) for other in wrong):
        return "answer_is_wrong_too"
    if any(same_words(one, other) for place, one in enumerate(wrong) for other in wrong[:place]):
        return "wrong_answer_repeats"
    # "left or right?" says the answer, but the other one too
    if _says(question, answer) and not all(_says(question, other) for other in wrong):
        return "answer_in_question"
    return _unfit(question, answer, *wrong)


def _unfit(question: str, *texts: str) -> str:
    """Return why texts cannot stand in a sample; empty where they can."""
    if any(_TAG.search(text) for text in (question, *texts)):
        return "tag_in_text"
    return "path_in_question" if _FILE.search(question) else ""


def _says(question: str, answer: str) -> bool:
    """Return whether a question holds the words of an answer one after the other."""
    words = re.escape(answer.strip(" .?!").casefold())
    return re.search(rf"(?<!\w){words}(?!\w)", question.casefold()) is not None


def _tidy(text: str) -> str:
    """Put a text on one line, without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


class SampleRows:
    """The samples and rejects that the replies become, one reply after the other.

    Attributes:
        rows: (row of the plan, columns of a sample).
        rejects: (row id, reason, detail).
        counts: of requests and of each kind of question, [rows in, rows out].
    """

    def __init__(self, *, choices: int, seed: int) -> None:
        self.rows: list[tuple[int, dict]] = []
        self.rejects: list[tuple[str, str, str]] = []
        self.counts = {name: [0, 0] for name in ("requests", *_COUNTED.values())}
        self._choices, self._seed = choices, seed

    def _count(self, what: str, row_id: str, reason: str, detail: str) -> bool:
        """Count a row, and record why it is rejected if there is a reason; True where it is kept."""
        self.counts[what][0] += 1
        self.counts[what][1] += not reason
        if reason:
            self.rejects.append((row_id, reason, detail))
        return not reason

    def add(self, row: int, kind: str, types: tuple[str, ...], result: llm.Answer | llm.Reject) -> None:
        """Add the samples of one reply, or the reject.

        Args:
            row: of the plan.
            kind: SHORT, LONG or COT.
            types: question types that were asked for.
            result: of the request.
        """
        if isinstance(result, llm.Reject):
            self._count("requests", result.request_id, result.reason, result.detail)
            return
        self._count("requests", result.request_id, "", "")
        if kind == COT:
            self._add_chain(row, result.request_id, result.value)
            return
        asked: set[str] = set()
        for number, reply in enumerate(result.value["questions"]):
            self._add_question(row, kind, types, f"{result.request_id}/{number}", reply, asked)

    def _add_question(self, row: int, kind: str, types: tuple, row_id: str, reply: dict, asked: set[str]) -> None:
        question, answer = _tidy(reply["question"]), _tidy(reply["answer"])
        wrong, name = [_tidy(text) for text in reply["wrong_answers"]], reply["question_type"]
        reason = broken(question, answer, wrong, count=self._choices - 1)
        if name not in types:
            reason = "unknown_question_type"
        elif not reason and question.casefold() in asked:
            reason = "question_repeats"
        if not self._count(_COUNTED[kind], row_id, reason, f"{name}: {question} {answer}"):
            return
        asked.add(question.casefold())
        qa = QA(name, question, answer, tuple(wrong))
        choices, index = options(qa, self._choices, key=f"{self._seed}/{row_id}/{question}")
        columns = {"kind": "choice", "choices": list(choices), "answer_index": index, "text": None}
        self.rows.append((row, {"question_type": name, "question": question, "answer": answer, **columns}))

    def _add_chain(self, row: int, row_id: str, reply: dict) -> None:
        texts = question, thought, answer = [_tidy(reply[name]) for name in ("question", "thought", "answer")]
        if not reply["suitable"]:
            reason = "not_suitable"
        elif not all(texts):
            reason = "empty_text"
        else:
            reason = "answer_in_question" if _says(question, answer) else _unfit(question, thought, answer)
        if self._count(_COUNTED[COT], row_id, reason, _tidy(reply["reason"]) if reason == "not_suitable" else question):
            columns = {"kind": "text", "text": answer, "choices": None, "answer_index": None}
            columns |= {"question": chain_of_thought.with_cue(question), "answer": think_answer(thought, answer)}
            self.rows.append((row, {"question_type": "cot", **columns}))


def generate_samples(
    planned: pd.DataFrame,
    settings: llm.Settings,
    *,
    ledger_path: Path,
    counts: dict[str, int],
    choices: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, RowCounts]:
    """Let the model write, and check what it wrote.

    Args:
        planned: of `plan`.
        settings: of the model and its endpoint.
        ledger_path: where its replies are kept; what stands there is not asked again.
        counts: most questions of a reply, by kind.
        choices: options of a question.
        seed: of the draw of options.

    Returns:
        Samples for `sample_table.table`; the rejects (`row_id`, `reason`, `detail`): requests without an answer,
        questions that break a rule, and segments that deserve no chain of thought; and the row counts.

    Raises:
        llm.StoppedError: as `llm.generate`; or a request failed in a way that another run may mend: which samples the
            data has must not depend on the state of a network.
    """
    asked = prompts.requests(planned, counts=counts, choices=choices)
    made = SampleRows(choices=choices, seed=seed)
    results = llm.generate(asked, settings, rules={}, ledger_path=ledger_path)
    settled = llm.all_settled(results, what="questions", ledger_path=ledger_path)
    for row, (kind, types, result) in enumerate(zip(planned["kind"], planned["types"], settled, strict=True)):
        made.add(row, kind, types, result)
    columns = ["question_type", "question", "answer", "kind", "choices", "answer_index", "text"]
    texts = pd.DataFrame([sample for _, sample in made.rows], columns=columns)
    rows = planned.iloc[[row for row, _ in made.rows]].drop(columns="kind").reset_index(drop=True)
    frame = pd.concat([rows, texts], axis=1).assign(corpus="egore", task="qa")
    rejected = pd.DataFrame(made.rejects, columns=["row_id", "reason", "detail"])
    return frame, rejected, [(what, came, kept, came - kept) for what, (came, kept) in made.counts.items()]
