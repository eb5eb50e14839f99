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
from components.prompts import same_words, think_answer

_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_FILE = re.compile(r"[/\\]|\.(?:mp4|jpg|json)")  # the contract of samples allows none in a question
_COUNTED = {SHORT: "questions on clips", LONG: "questions on long windows", COT: "chains of thought"}

Ledger = list[tuple[str, int, int, int]]  # what, rows in, rows out, rejected


def plan(short: pd.DataFrame, long: pd.DataFrame, *, cot_fraction: float, seed: int) -> pd.DataFrame:
    """Return a row for every request: the segments of both kinds, and once more those that are judged for a chain.

    Args:
        short, long: of components/data/egore/llm_written/segments.py.
        cot_fraction: share of the segments that the model is asked to judge, drawn by content.
    """
    told = pd.concat([short.assign(kind=SHORT), long.assign(kind=LONG)], ignore_index=True)
    spans = told["parent"] + "/" + told["source"] + "/" + told["start_s"].map(repr) + "/" + told["end_s"].map(repr)
    judged = told[random_draws(seed, "cot", of=spans)[:, 0] <= cot_fraction].assign(kind=COT)
    asked = pd.concat([told, judged], ignore_index=True)
    return asked.assign(request_id=asked["kind"] + "/" + spans.loc[[*told.index, *judged.index]].to_numpy())


def broken(question: str, answer: str, wrong: list[str], *, count: int) -> str:
    """Say which rule a question with options breaks; empty where it keeps to all.

    Args:
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
    """Say why texts cannot stand in a sample."""
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


class Written:
    """The samples and rejects that the replies give, row by row: `rows` has (row of the plan, columns of a sample)."""

    def __init__(self, *, choices: int, seed: int) -> None:
        self.rows: list[tuple[int, dict]] = []
        self.rejects: list[tuple[str, str, str]] = []
        self.tally = {name: [0, 0] for name in ("requests", *_COUNTED.values())}  # in, out
        self._choices, self._seed = choices, seed

    def _end(self, what: str, row_id: str, reason: str, detail: str) -> bool:
        """Count a row and write down why it is dropped, if it is; True where it is kept."""
        self.tally[what][0] += 1
        self.tally[what][1] += not reason
        if reason:
            self.rejects.append((row_id, reason, detail))
        return not reason

    def take(self, row: int, kind: str, types: tuple[str, ...], result: llm.Answer | llm.Reject) -> None:
        """Take what came of one request."""
        failed = isinstance(result, llm.Reject)
        kept = self._end("requests", result.request_id, *((result.reason, result.detail) if failed else ("", "")))
        if kept and kind == COT:
            self._chain(row, result.request_id, result.value)
        elif kept:
            asked: set[str] = set()
            for number, said in enumerate(result.value["questions"]):
                self._question(row, kind, types, f"{result.request_id}/{number}", said, asked)

    def _question(self, row: int, kind: str, types: tuple, row_id: str, said: dict, asked: set[str]) -> None:
        question, answer = _tidy(said["question"]), _tidy(said["answer"])
        wrong, name = [_tidy(text) for text in said["wrong_answers"]], said["question_type"]
        reason = broken(question, answer, wrong, count=self._choices - 1)
        if name not in types:
            reason = "unknown_question_type"
        elif not reason and question.casefold() in asked:
            reason = "question_repeats"
        if not self._end(_COUNTED[kind], row_id, reason, f"{name}: {question} {answer}"):
            return
        asked.add(question.casefold())
        made = QA(name, question, answer, tuple(wrong))
        laid, index = options(made, self._choices, key=f"{self._seed}/{row_id}/{question}")
        columns = {"kind": "choice", "choices": list(laid), "answer_index": index, "text": None}
        self.rows.append((row, {"question_type": name, "question": question, "answer": answer, **columns}))

    def _chain(self, row: int, row_id: str, said: dict) -> None:
        texts = question, thought, answer = [_tidy(said[name]) for name in ("question", "thought", "answer")]
        if not said["suitable"]:
            reason = "not_suitable"
        elif not all(texts):
            reason = "empty_text"
        else:
            reason = "answer_in_question" if _says(question, answer) else _unfit(question, thought, answer)
        if self._end(_COUNTED[COT], row_id, reason, _tidy(said["reason"]) if reason == "not_suitable" else question):
            columns = {"kind": "text", "text": answer, "choices": None, "answer_index": None}
            columns |= {"question": chain_of_thought.with_cue(question), "answer": think_answer(thought, answer)}
            self.rows.append((row, {"question_type": "cot", **columns}))


def written(
    planned: pd.DataFrame,
    settings: llm.Settings,
    *,
    ledger_path: Path,
    counts: dict[str, int],
    choices: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, Ledger]:
    """Let the model write, and judge what it wrote.

    Args:
        planned: of `plan`.
        ledger_path: where its replies are kept; what stands there is not asked again.
        counts: most questions of a reply, by kind.
        choices: options of a question.

    Returns:
        Samples for `samples.table`; the rejects (`row_id`, `reason`, `detail`): requests without an answer, questions
        that break a rule, and segments that deserve no chain of thought; and the ledger.

    Raises:
        llm.StoppedError: as `llm.generate`; or a request failed in a way that another run may mend: which samples the
            data has must not hang on the weather of a network.
    """
    asked = prompts.requests(planned, counts=counts, choices=choices)
    made, passing = Written(choices=choices, seed=seed), []
    results = llm.generate(asked, settings, rules={}, ledger_path=ledger_path)
    for row, (kind, types, result) in enumerate(zip(planned["kind"], planned["types"], results, strict=True)):
        if isinstance(result, llm.Reject) and not result.final:
            passing.append(result)
        made.take(row, kind, types, result)
    if passing:
        raise llm.StoppedError(
            f"{len(passing)} of {len(planned)} requests for questions got no answer, among them "
            f"{passing[0].request_id} ({passing[0].reason}: {passing[0].detail}); the answers to the others are in "
            f"{ledger_path}, run again to ask for the rest"
        )
    columns = ["question_type", "question", "answer", "kind", "choices", "answer_index", "text"]
    texts = pd.DataFrame([said for _, said in made.rows], columns=columns)
    rows = planned.iloc[[row for row, _ in made.rows]].drop(columns="kind").reset_index(drop=True)
    frame = pd.concat([rows, texts], axis=1).assign(corpus="egore", task="qa")
    rejected = pd.DataFrame(made.rejects, columns=["row_id", "reason", "detail"])
    return frame, rejected, [(what, came, kept, came - kept) for what, (came, kept) in made.tally.items()]
