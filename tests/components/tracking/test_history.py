import json

import pytest

from components.tracking import history


def write(path, rows, tail=""):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)


def test_reading_goes_on_from_the_offset(tmp_path):
    spool = tmp_path / "history.jsonl"
    write(spool, [{"step": 1}, {"step": 2}])
    rows, offset = history.read(spool)
    assert [row["step"] for row in rows] == [1, 2]
    write(spool, [{"step": 1}, {"step": 2}, {"step": 3}])
    assert history.read(spool, offset)[0] == [{"step": 3}]


def test_a_half_written_last_line_waits(tmp_path):
    spool = tmp_path / "history.jsonl"
    write(spool, [{"step": 1}], tail='{"step": 2, "lo')
    rows, offset = history.read(spool)
    assert rows == [{"step": 1}] and offset == len('{"step": 1}\n')


def test_a_broken_whole_line_is_named(tmp_path):
    spool = tmp_path / "history.jsonl"
    spool.write_text('{"step": 1}\noops\n')
    with pytest.raises(ValueError, match="history.jsonl: line 2"):
        history.read(spool)


@pytest.mark.parametrize(("last_step", "kept"), [(None, []), (0, [0]), (2, [0, 1, 2]), (9, [0, 1, 2, 3])])
def test_trim_keeps_what_the_resumed_run_will_not_log_again(tmp_path, last_step, kept):
    spool = tmp_path / "run" / "history.jsonl"
    spool.parent.mkdir()
    write(spool, [{"step": step} for step in range(4)], tail='{"step": 4')
    history.trim(spool, last_step)
    assert [json.loads(line)["step"] for line in spool.read_text().splitlines()] == kept


def test_a_history_that_is_not_there_is_empty(tmp_path):
    assert history.read(tmp_path / "none.jsonl") == ([], 0)
