import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.sources.shared import csv_records
from components.data.sources.shared.readers import read_delimited

HEADER = ["number", "text", "place"]
patient = settings(deadline=None, max_examples=150)
# of two line breaks at most: a text with more could look like records by chance (test_quotes_of_two_damaged_records)
cells = st.lists(st.sampled_from(["a", "b c", ",", '"', "\n", "\n\n", "é", "#"]), max_size=6).map("".join)
texts = cells.filter(lambda text: text.count("\n") < 3)


def as_csv(rows: list[list[str]]) -> list[str]:
    """Give what csv.writer writes for each row."""
    made = []
    for row in rows:
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerow(row)
        made.append(file.getvalue())
    return made


def read(folder, content: str, batch_rows: int = 200) -> tuple[list[list[str]], list[int], list[tuple[str, str]]]:
    """Give the rows, the line of each, and row and reason of the rejects."""
    path = folder / "file.csv"
    path.write_text(",".join(HEADER) + "\n" + content, encoding="utf-8", newline="")
    rows, lines, rejects = [], [], []
    for frame, refused in read_delimited(path, HEADER, source="s", batch_rows=batch_rows):
        rows += frame[HEADER].to_numpy().tolist()
        lines += frame["line"].tolist()
        rejects += list(zip(refused["row_id"], refused["reason"], strict=True))
    return rows, lines, rejects


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("csv")


@patient
@given(said=st.lists(st.tuples(texts, texts), max_size=8), batch_rows=st.integers(1, 4))
def test_what_a_csv_writer_wrote_comes_back_record_by_record(folder, said, batch_rows):
    wanted = [[str(number), *row] for number, row in enumerate(said)]
    written = as_csv(wanted)
    rows, lines, rejects = read(folder, "".join(written), batch_rows)
    assert rows == wanted and rejects == []
    assert lines == [2 + "".join(written[:number]).count("\n") for number in range(len(written))]


@patient
@given(
    said=st.lists(st.tuples(texts, texts), min_size=1, max_size=8),
    place=st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True)),
    batch_rows=st.integers(1, 4),
)
def test_a_stray_or_a_missing_quote_takes_no_other_record_with_it(folder, said, place, batch_rows):
    # after a stray quote, the quote before a cell that begins with a comma or a line break closes as it may
    wanted = [[str(number), *(f"_{text}" for text in row)] for number, row in enumerate(said)]
    written = as_csv(wanted)
    damaged = int(place[0] * len(written))
    record = written[damaged]
    at = int(place[1] * len(record))
    spoiled = record[:at] + record[at + 1 :] if record[at] == '"' else record[:at] + '"' + record[at:]
    rows, _, _ = read(folder, "".join([*written[:damaged], spoiled, *written[damaged + 1 :]]), batch_rows)
    assert [row for row in wanted if row in rows or row[0] == str(damaged)] == wanted


def test_a_stray_quote_costs_its_line_and_not_the_rest_of_the_file(folder):
    lines = [f"{number},a dog,here\n" for number in range(3000)]
    lines[7] = '7,"a dog,here\n'
    rows, _, rejects = read(folder, "".join(lines))
    assert [row[0] for row in rows] == [str(number) for number in range(3000) if number != 7]
    assert rejects == [("file.csv:9", "malformed_line")]


def test_quotes_of_two_damaged_records_do_not_swallow_the_records_between(folder):
    lines = [f"{number},a dog,here\n" for number in range(9)]
    lines[2], lines[6] = '2,"a dog,here\n', '6,a dog 24",here\n'
    rows, _, rejects = read(folder, "".join(lines))
    assert [row[0] for row in rows] == ["0", "1", "3", "4", "5", "6", "7", "8"]
    assert rejects == [("file.csv:4", "malformed_line")]


def test_quotes_inside_of_an_unquoted_cell_and_after_a_quoted_one_are_text(folder):
    rows, _, rejects = read(folder, '0,a 24" screen,"here\nand there"\n1,"a" dog,here\n2,a 24" screen,"here"\n')
    assert rows == [["0", 'a 24" screen', "here\nand there"], ["1", "a dog", "here"], ["2", 'a 24" screen', "here"]]
    assert rejects == []


def test_a_record_of_many_lines_and_windows_line_ends_is_one(folder):
    said = "\n".join(f"line {number}, and on" for number in range(500))
    rows, lines, rejects = read(folder, f'0,"{said}",here\r\n1,"a\r\nb",there\r\n', batch_rows=1)
    assert rows == [["0", said, "here"], ["1", "a\nb", "there"]]
    assert lines == [2, 502] and rejects == []


def test_a_record_of_many_lines_with_too_many_cells_is_one_reject(folder):
    rows, lines, rejects = read(folder, '0,"a\nb",here,too many\n1,a,b\n')
    assert (rows, lines, rejects) == ([["1", "a", "b"]], [4], [("file.csv:2", "malformed_line")])


@patient
@given(line=st.text('a b,"', max_size=12), delimiter=st.sampled_from([",", "\t", "|"]))
def test_a_line_that_is_taken_for_plain_is_a_whole_record(line, delimiter):
    written = line.replace(",", delimiter).encode()
    if csv_records._plain_lines(delimiter).fullmatch(written):
        assert not csv_records._goes_on(written, delimiter)
