"""VLN-QA: what is asked says nothing of the folder that names the answer."""

import json
from collections import Counter

from components.benchmarks import vlnqa
from components.benchmarks.runner import asking
from tests.components.benchmarks import released

TEXT = "Select.\nQuestion: What is next?\nOption:\nA: Turn left\nB: Stop\nOnly give the best option."


def test_the_folder_of_a_film_is_in_no_prompt(tmp_path):
    rows = [{"text": TEXT, "video_path": "stop/12_frame3.mp4", "gt": "B"}, {"text": "no options", "video_path": "a/1"}]
    (tmp_path / "vlnqa.json").write_text(json.dumps(rows))
    found = vlnqa.load(tmp_path)
    assert found.reasons == {"malformed_row": 1}
    [sample] = found.samples
    assert (sample.question, sample.target.options, sample.target.index) == ("What is next?", ("Turn left", "Stop"), 1)
    for form in asking.FORMS:
        assert "stop/" not in asking.row(sample, form=form, reasoned=False)["question"]
        assert sample.sample_id == sample.video == "12_frame3"


def test_every_released_row_is_a_sample_and_its_folder_is_its_answer():
    found = released.loaded("vlnqa")
    assert (len(found.samples), found.rejects) == (200, [])
    folders = {"left": "Turn left and move forward", "right": "Turn right and move forward", "stop": "Stop"}
    for sample in found.samples:
        folder = sample.media[0].path.split("/")[0]
        assert sample.target.options[sample.target.index] == folders.get(folder, "Move forward")
    assert Counter(sample.target.index for sample in found.samples) == {0: 50, 1: 46, 2: 44, 3: 60}
    row = released.row("vlnqa")
    assert (row["constant"]["value"], row["constant"]["label"], row["random"]["value"]) == (0.3, "always D", 0.25)
