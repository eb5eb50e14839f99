"""The review file: what a person wrote stays, whatever the judge says later and whichever queries come and go."""

import csv

import pandas as pd
import pytest

from components.data.egoexo_con import review


def judged(*ids: str, refined: str = "C cuts the fish", keep: str = "yes") -> pd.DataFrame:
    of = {"source": "s", "take": "t", "query": "C cuts fish", "misaligned": "C washes the fish", "why": "seen in both"}
    return pd.DataFrame([{**of, "query_id": name, "refined": refined, "keep": keep} for name in ids])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review/egoexo_con.csv"


def lines(path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["query_id"]: row for row in csv.DictReader(file)}


def edit(path, line: str, /, **values: str) -> None:
    rows = lines(path)
    rows[line].update(values)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, review.COLUMNS)
        writer.writeheader()
        writer.writerows(rows.values())


def test_an_edited_line_stays_and_the_others_follow_the_judge(path):
    review.reviewed(path, judged("a", "b"))
    edit(path, "a", keep="no", why="too dark")
    found = review.reviewed(path, judged("b", "a", refined="C slices the fish")).set_index("query_id")
    assert list(found.index) == ["b", "a"]
    assert found.loc["a", ["keep", "refined", "why", "state"]].tolist() == [
        "no",
        "C cuts the fish",
        "too dark",
        "edited",
    ]
    assert found.loc["b", ["keep", "refined", "state"]].tolist() == ["yes", "C slices the fish", ""]
    again = path.read_bytes()
    review.reviewed(path, judged("b", "a", refined="C slices the fish"))
    assert path.read_bytes() == again


def test_a_new_query_adds_a_line_and_one_that_vanished_stays_marked_until_it_is_back(path):
    review.reviewed(path, judged("a", "b"))
    edit(path, "b", refined="C halves the fish")
    assert list(review.reviewed(path, judged("a", "c"))["query_id"]) == ["a", "c"]
    assert {name: row["state"] for name, row in lines(path).items()} == {"a": "", "b": "vanished", "c": ""}
    back = review.reviewed(path, judged("b"))
    assert back[["refined", "state"]].values.tolist() == [["C halves the fish", "edited"]]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"keep": "maybe"}, "line 3: keep is 'maybe', allowed are yes and no"),
        ({"misaligned": " "}, "line 3: a query that is kept has an empty refined or misaligned wording"),
        ({"query_id": "a"}, "line 3: the query_id 'a' is empty or comes twice"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_file_stays(path, values, message):
    review.reviewed(path, judged("a", "b"))
    edit(path, "b", **values)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        review.reviewed(path, judged("a", "b"))
    assert path.read_bytes() == before


def test_a_file_without_a_column_says_which(path):
    review.reviewed(path, judged("a"))
    path.write_text(path.read_text().replace("judged", "mine"))
    with pytest.raises(ValueError, match=r"the columns \['judged'\] are missing"):
        review.reviewed(path, judged("a"))


def test_columns_that_a_person_adds_stay_with_their_lines(path):
    review.reviewed(path, judged("a", "b"))
    with_notes = {name: row | {"notes": f"seen {name}, ö"} for name, row in lines(path).items()}
    pd.DataFrame(list(with_notes.values())).to_csv(path, index=False)
    found = review.reviewed(path, judged("a", "c", refined="C slices the fish"))
    assert list(found.columns) == review.COLUMNS
    assert {name: (row["refined"], row["state"], row["notes"]) for name, row in lines(path).items()} == {
        "a": ("C slices the fish", "", "seen a, ö"),
        "b": ("C cuts the fish", "vanished", "seen b, ö"),
        "c": ("C slices the fish", "", ""),
    }


@pytest.mark.parametrize(
    "break_it, message",
    [
        (lambda text: text.replace("fish", "fïsh").encode("latin-1"), "egoexo_con.csv: .* allowed is a CSV in UTF-8"),
        (lambda text: (text.strip() + ",more\n").encode(), "line 2: it has more cells than there are columns"),
        (lambda text: text.replace("judged\n", "judged,n,n\n").encode(), r"the columns \['n'\] come twice"),
    ],
)
def test_a_file_that_would_lose_something_is_named_and_stays(path, break_it, message):
    review.reviewed(path, judged("a"))
    path.write_bytes(break_it(path.read_text()))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        review.reviewed(path, judged("a"))
    assert path.read_bytes() == before
