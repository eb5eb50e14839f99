"""What benchmarks share: options, and answers read in two ways, each of which says how."""

import csv
import json

import pytest

from components.benchmarks import egoexobench, egoexomem, egomcq, egoschema, egotempo, mvbench, visor
from components.benchmarks.shared import parsers
from components.benchmarks.shared.choices import shuffled
from components.benchmarks.shared.files import read_csv
from components.benchmarks.shared.sample import Choice

OPTIONS = ("a left turn", "a right turn", "stop")


@pytest.mark.parametrize(
    "completion, strict, first_letter, start_or_word",
    [
        ("B", (1, "letter"), (1, "first letter anywhere"), (1, "letter as a word")),
        ("B. a right turn", (1, "letter and words"), (1, "first letter anywhere"), (1, "letter at the start")),
        ("stop", (2, "words"), (None, "unread"), (None, "unread")),
        ("After that it is C", (None, "unread"), (0, "first letter anywhere"), (2, "letter as a word")),
        ("A cup: C", (None, "unread"), (0, "first letter anywhere"), (0, "letter as a word")),
        ("D", (None, "unread"), (None, "unread"), (None, "unread")),
        ("<think>A?</think><answer>C</answer>", (2, "letter"), (0, "first letter anywhere"), (0, "letter as a word")),
    ],
)
def test_each_parser_reads_its_own_way_and_says_which(completion, strict, first_letter, start_or_word):
    assert parsers.strict(completion, OPTIONS, reasoned=False) == strict
    assert parsers.first_letter(completion, OPTIONS) == first_letter
    assert parsers.start_or_word(completion, OPTIONS) == start_or_word


def test_where_tags_are_asked_for_nothing_else_is_read():
    assert parsers.strict("B", OPTIONS, reasoned=True) == (None, "unread")
    assert parsers.strict("<think></think><answer>B</answer>", OPTIONS, reasoned=True) == (1, "letter")


def test_options_are_shuffled_by_the_id_alone_and_the_right_one_stays_right():
    orders = {shuffled(Choice(OPTIONS, 1), str(number)) for number in range(60)}
    assert len({choice.options for choice in orders}) == 6
    assert {choice.options[choice.index] for choice in orders} == {OPTIONS[1]}
    assert shuffled(Choice(OPTIONS, None), "7").index is None


HEAD = "index\tquestion\toptions\tmedias\tanswer\tsubtask_type\n"


@pytest.mark.parametrize(
    "load, name, text",
    [
        (egoexobench.load, "EgoExoBench_MCQ.tsv", f"\ufeff{HEAD}0\twhich?\t['a', 'b']\t\tB\tx\n"),
        (egoexomem.load, "qa_merged_v6.json", '[{"qa_id": "a", "take_name": "t", "verification": null}]'),
        (egoexomem.load, "qa_merged_v6.json", '[{"take_name": "t", "verification": {"keyframes": []}}]'),
        (egoschema.load, "500questions.jsonl", '{"q_uid": "one line"}\n'),
        (mvbench.load, "mvbench.json", '[{"path": "a", "options": ["A. b"], "solution": "A"}]'),
        (visor.load, "visor_test.json", '[{"path": "a", "object": "cup", "gt": null}]'),
    ],
)
def test_a_row_of_another_form_is_a_reject_whatever_it_lacks(load, name, text, tmp_path):
    (tmp_path / name).write_text(text)
    found = load(tmp_path)
    assert not found.samples and len(found.rejects) == 1


@pytest.mark.parametrize(
    "load, name, content, said",
    [
        (egotempo.load, "egotempo_openQA.json", [], "list came, allowed is dict"),
        (egotempo.load, "egotempo_openQA.json", {}, "NoneType came under `annotations`, allowed is list"),
        (egomcq.load, "egomcq.json", [], "list came, allowed is dict"),
        (visor.load, "visor_test.json", "text", "str came, allowed is list"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_came(load, name, content, said, tmp_path):
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{name}: {said}"):
        load(tmp_path)


def test_a_table_says_what_it_lacks_and_may_have_long_cells(tmp_path):
    limit, path = csv.field_size_limit(), tmp_path / "table.tsv"
    path.write_text(f"\ufeffindex\tframes\n0\t{'x' * 200_000}\n1\n", encoding="utf-8")
    rows = read_csv(path, ("index",), delimiter="\t")
    assert len(rows[0]["frames"]) == 200_000 and rows[1] == {"index": "1", "frames": None}
    assert csv.field_size_limit() == limit
    with pytest.raises(
        ValueError, match=r"table.tsv has the columns \['index', 'frames'\], but \['answer'\] are needed"
    ):
        read_csv(path, ("index", "answer"), delimiter="\t")
    path.write_bytes(b"index\tframes\n0\tcaf\xe9\n")
    with pytest.raises(ValueError, match="table.tsv: .*allowed is a table in UTF-8"):
        read_csv(path, ("index",), delimiter="\t")
