"""EgoExo-Con's items are asked of both views and scored by pair; so are EgoExo-Fitness' comparisons."""

import json
from pathlib import Path

import numpy as np
import pytest

from components import params, video
from components.benchmarks import egoexo_con, egoexo_fitness, registry
from components.benchmarks.runner import pairs, run
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.runner.protocol import How
from components.data.frames.step import contract_of
from components.train import checkpoints

ROOT = Path(__file__).parents[3]
ITEM = {
    "id": "0", "source": "lemma", "take": "1-2-3", "ego": "0/ego.mp4", "exo": "0/exo.mp4", "query": "C cuts the cup.",
    "misaligned": "C cuts the pan", "start": 0.5, "end": 1.0,
}  # fmt: skip


def written(folder: Path, items: list) -> Path:
    (folder / "egoexo_con.json").write_text(json.dumps(items))
    return folder


def test_an_item_is_asked_of_both_views_about_a_true_and_a_false_query(tmp_path):
    found = egoexo_con.load_verification(written(tmp_path, [ITEM]))
    assert [(one.media[0].path, one.target.index, one.pair) for one in found.samples] == [
        ("0/ego.mp4", 0, "0 query"), ("0/exo.mp4", 0, "0 query"), ("0/ego.mp4", 1, "0 misaligned"),
        ("0/exo.mp4", 1, "0 misaligned"),
    ]  # fmt: skip
    assert found.samples[0].question == "from 0.5 to 1 seconds, does this happen: C cuts the cup?"
    ego, exo = egoexo_con.load_grounding(tmp_path).samples
    assert ego.question == exo.question == "when is it that C cuts the cup?"
    assert (ego.video, ego.subsets, ego.target.end_s) == ("1-2-3", ("lemma",), 1.0) and ego.media[0].end_s is None


def test_a_segment_is_shown_alone_and_times_count_from_its_start(tmp_path):
    items = [
        ITEM | {"segment": [30, 90]},
        ITEM | {"id": "1", "segment": [30, 30.75]},
        ITEM | {"id": "2", "query": " ."},
    ]
    found = egoexo_con.load_grounding(written(tmp_path, [*items, {"id": "3"}]))
    ego, _ = found.samples
    assert (ego.media[0].start_s, ego.media[0].end_s, ego.length_s, ego.target.start_s) == (30, 90, 60, 0.5)
    assert found.reasons == {"malformed_row": 2, "no_query": 2, "span_outside_segment": 2}


def test_scores_of_pairs(tmp_path):
    samples = egoexo_con.load_verification(written(tmp_path, [ITEM, ITEM | {"id": "1"}])).samples
    of_both = pairs.pairs_of(samples)
    assert len(of_both) == 4 and all(samples[ego].pair == samples[exo].pair for ego, exo in of_both)
    answers = [0, 0, 0, 0, 0, 1, None, None]  # of the first item yes to all; of the second something else to each
    right = [float(answer == one.target.index) for one, answer in zip(samples, answers, strict=True)]
    found = pairs.scores(samples, of_both, {"accuracy": right}, answers)
    means = {name: np.mean(values) for name, values in found.items()}
    assert means == {"ego": 0.5, "exo": 0.25, "consistent": 0.25, "agreement": 0.5, "excess": 0.125}
    references = METRICS["yes_no_in_both_views"].references(samples)
    assert references["constant"].whole["consistent"] == 0.5 and references["constant"].whole["excess"] == 0.25
    assert references["random"].whole["consistent"] == 0.25
    with pytest.raises(ValueError, match="none of 1 samples was asked of both views"):
        METRICS["yes_no_in_both_views"].references(samples[:1])


def test_intervals_of_pairs_agree_by_their_overlap(tmp_path):
    samples = egoexo_con.load_grounding(written(tmp_path, [ITEM, ITEM | {"id": "1"}])).samples
    answers = [(2.0, 4.0), (2.0, 3.0), (0.5, 1.0), None]
    right = [METRICS["temporal"].score(one, said)["r1_50"] for one, said in zip(samples, answers, strict=True)]
    found = pairs.scores(samples, pairs.pairs_of(samples), {"r1_50": right}, answers)
    assert found["mutual_tiou"] == [0.5, 0.0] and found["agreement"] == [1.0, 0.0]
    assert (found["ego"], found["exo"], found["consistent"]) == ([0.0, 1.0], [0.0, 0.0], [0.0, 0.0])


def test_what_was_filmed_twice_from_inside_and_twice_from_outside_is_a_pair(tmp_path):
    def line(first: str, second: str, labels: str = "3-3-3") -> str:
        return f"/d/A/{first}/x 3-3-3 20 1000 /d/B/{second}/y {labels} 0 900"

    lines = [line("ego_l", "ego_r"), line("exo_l", "exo_m"), line("ego_l", "exo_m"), line("exo_m", "exo_r", "1-2-3")]
    (tmp_path / "test_pairs_open.txt").write_text("\n".join(lines))
    samples = egoexo_fitness.load(tmp_path).samples
    assert pairs.pairs_of(samples) == [(0, 1)]
    assert pairs.as_samples(samples, [(0, 1)])[0].subsets == ()


def test_a_model_is_scored_by_pair_beside_its_answers_without_frames(model, processor, tmp_path):
    rng = np.random.default_rng(0)
    items = [ITEM | {"id": str(n), "take": f"t{n}", "ego": f"{n}ego.mp4", "exo": f"{n}exo.mp4"} for n in range(3)]
    for item in items[:2]:  # of the third, the exo film is missing
        video.write(tmp_path / item["exo"], rng.integers(0, 255, (12, 64, 64, 3), dtype=np.uint8), fps=8, size_px=64)
    for item in items:
        video.write(tmp_path / item["ego"], rng.integers(0, 255, (12, 64, 64, 3), dtype=np.uint8), fps=8, size_px=64)
    written(tmp_path, items)
    data = params.load(ROOT / "params/data.yaml", params.Data)
    provenance = {"params": {"guidance": False, "reasoned": False}}
    checkpoints.save(
        model, processor, tmp_path / "s", provenance | {"frames_contract": contract_of(data.frames)["digest"]}
    )
    asked = run.Asked(tmp_path / "s", data, params.load(ROOT / "params/eval.yaml", params.Eval))
    how = How(form="ranked", frames=4, limit=None, max_new_tokens=8)
    found = asked.run("egoexo_con_verify", registry.BENCHMARKS["egoexo_con_verify"], [tmp_path], how)
    entry = found["egoexo_con_verify/consistent"]
    assert (entry["n"], entry["chance"], entry["constant"]) == (4, 0.25, 0.5) and 0 <= entry["blind"] <= 0.5
    assert found["egoexo_con_verify/accuracy"]["n"] == 10, "a view whose partner is missing is a sample all the same"
    assert {"ego", "exo", "agreement", "excess"} <= {name.split("/")[-1] for name in found}
    assert found["egoexo_con_verify/subset lemma/consistent"]["n"] == 4
