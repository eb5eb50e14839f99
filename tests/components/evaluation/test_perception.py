"""What ego captions say, asked of the exo view: one slot apart, the same in both views, and shown the right frames."""

from collections import Counter

import numpy as np

from components import params
from components.evaluation import measure, perception
from components.evaluation.answer import Answerer
from components.prompts.kitchen_grammar import Facts, narrate, parse_narration
from tests.components.evaluation.test_measure import asked, write_checkpoint

FACTS = Facts("cuts", "red", "carrot", "left")
EMPTY = dict.fromkeys(("kind", "text", "choices", "answer_index", "span", "box_xyxy"))


def caption(number: int, facts: Facts = FACTS) -> dict:
    text = narrate(facts)
    sample = {"sample_id": f"{number:x}", "corpus": "egoexoclip", "task": "caption", "question_type": "caption"}
    sample |= {"view": "ego", "question": "what does C do?", "answer": text, "reasoned": False}
    return sample | {"media": [{"start_s": 0.0, "end_s": 2.0}], "target": EMPTY | {"kind": "text", "text": text}}


def test_options_differ_from_the_truth_in_one_slot_and_the_categories_are_drawn_evenly():
    questions = perception.questions([caption(number) for number in range(400)], perception.EXO)
    of_category = Counter(question["question_type"] for question in questions)
    assert set(of_category) == set(perception.CATEGORIES) and min(of_category.values()) > 70
    places = Counter()
    for question in questions:
        target, slot = question["target"], perception.CATEGORIES[question["question_type"]]
        assert target["choices"][target["answer_index"]] == question["answer"] == narrate(FACTS)
        facts = [vars(parse_narration(option)) for option in target["choices"]]
        different = {name for one in facts for name in one if one[name] != vars(FACTS)[name]}
        assert different == {slot} and len({one[slot] for one in facts}) == len(facts) == (2 if slot == "hand" else 4)
        places[target["answer_index"]] += 1
    assert min(places[place] for place in range(4)) > 45, "the place of the right one says nothing"


def test_both_views_are_asked_the_same_and_no_hand_where_none_is_told():
    captions = [caption(number, Facts("cuts", "red", "carrot")) for number in range(60)]
    exo, ego = (perception.questions(captions, task) for task in perception.TASKS)
    assert {one["view"] for one in exo} == {"exo"} and {one["view"] for one in ego} == {"ego"}
    assert [one["target"] for one in exo] == [one["target"] for one in ego]
    assert "hand" not in {one["question_type"] for one in exo}
    assert perception.questions([caption(0) | {"answer": "A man sings."}], perception.EXO) == []


def test_scores_and_chance_are_of_all_and_of_each_category():
    questions = perception.questions([caption(number) for number in range(40)], perception.EXO)
    found = perception.scores(questions, [question["answer"] for question in questions])
    assert set(found["accuracy"]) == {1.0} and len(found["hand"]) == 40
    for name in perception.CATEGORIES:
        asked_of = [question["question_type"] == name for question in questions]
        assert [value is not None for value in found[name]] == asked_of
    assert perception.scores(questions[:1], ["no sentence"])["accuracy"] == [0.0]
    chance = perception.chance(questions)
    assert (chance["action"], chance["hand"]) == (0.25, 0.5)


class Frames:
    """A store that notes which view it was asked for."""

    def __init__(self):
        self.views: list[int | None] = []

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        self.views.append(exo_view)
        seed = int(sample_id, 16) * 2 + (exo_view is not None)
        return np.random.default_rng(seed).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)


def test_the_exo_task_is_shown_the_exo_view_by_a_model_that_ranks(model, processor):
    store = Frames()
    whole = Answerer(model, processor, store, reasoned=True, max_batch_tokens=400, max_new_tokens=4)
    captions = [caption(number) for number in range(3)]
    for task, view in ((perception.EXO, 0), ("perception_ego", None)):
        store.views.clear()
        questions = perception.questions(captions, task)
        replies = perception.answerer_of(whole, task).rank(questions, [one["sample_id"] for one in questions])
        assert store.views == [view] * 3
        assert all(reply.completion in one["target"]["choices"] for reply, one in zip(replies, questions, strict=True))
    assert whole.reasoned and whole.store is store, "the answerer itself stays"


def test_a_checkpoint_is_measured_beside_its_controls(model, processor, tiny_data, tmp_path):
    promotion = params.Promotion(model_name="tiny", primary_metric="qa/accuracy", guardrail_metrics={})
    sizes = {"max_batch_tokens": 600, "max_new_tokens": 32, "limits": {perception.EXO: 6}}
    sizes |= {"controls": {"other_frames": 6, "mean_frame": 2, "guesser": 6}}
    settings = params.Eval(seed=3, bootstrap_resamples=200, promotion=promotion, **sizes)
    checkpoint = write_checkpoint(tmp_path / "one", model, processor, tiny_data)
    # the options are ranked whatever the recipe says of others
    found = measure.evaluate(checkpoint, tiny_data, settings, asked(perception.EXO, rank_options=False))
    entry = found[f"{perception.EXO}/accuracy"]
    assert entry["n"] == 6 and set(entry["controls"]) == set(settings.controls)
    assert sum(each["n"] for name, each in found.items() if not name.endswith("/accuracy")) == 6
