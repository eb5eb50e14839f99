import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.partition.finished_parts import is_finished, marked, remove_stale, written_whole

SCHEMA = pa.schema([("number", pa.int64())])


def write(path, digest):
    rows = pa.table({"number": [1, 2]}, schema=marked(SCHEMA, digest))
    with written_whole(path) as partial:
        if path.suffix == ".parquet":
            pq.write_table(rows, partial)
        else:
            with pa.ipc.new_file(partial, rows.schema) as file:
                file.write_table(rows)


@pytest.mark.parametrize("name", ["part.parquet", "part.arrow"])
def test_a_part_is_finished_for_the_digest_that_marks_it(tmp_path, name):
    path = tmp_path / name
    assert not is_finished(path, "a")
    write(path, "a")
    assert is_finished(path, "a") and not is_finished(path, "b")
    write(path, "")
    assert not is_finished(path, "a") and [file.name for file in tmp_path.iterdir()] == [name]
    path.write_bytes(path.read_bytes()[:-20])
    assert not is_finished(path, "")


@pytest.mark.parametrize("name", ["part.parquet", "part.arrow"])
def test_a_file_without_a_marker_is_no_finished_part(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"number": [1]}), path)
    else:
        with pa.ipc.new_file(path, SCHEMA) as file:
            file.write_table(pa.table({"number": [1]}))
    assert not is_finished(path, "") and not is_finished(path, "None")


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_was_cut_short_has_no_name_and_leaves_nothing_behind_the_next_time(tmp_path, is_folder):
    path = tmp_path / "part"

    def fill(target, *names):
        for name in names:
            if is_folder:
                target.mkdir(exist_ok=True)
                (target / name).write_text(name)
            else:
                target.write_text("".join(names))

    with pytest.raises(KeyboardInterrupt), written_whole(path) as partial:
        fill(partial, "left over", "of a killed run")
        raise KeyboardInterrupt
    assert not path.exists() and partial.exists()
    with written_whole(path) as partial:
        fill(partial, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["part"]
    assert ([file.name for file in path.iterdir()] == ["new"]) if is_folder else path.read_text() == "new"


def test_stale_parts_go_and_other_files_stay(tmp_path):
    for name in ("part-0", "part-1", "part-2.partial", "other"):
        (tmp_path / name).write_text(name)
    (tmp_path / "part-folder/below").mkdir(parents=True)
    remove_stale(tmp_path, "part-*", [tmp_path / "part-1", tmp_path / "part-9"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "part-1"]
