"""The second group of K-contrast: other frames in the place of the key frames, and what its accuracy is worth."""

from types import SimpleNamespace

import numpy as np
import pytest
from trl import GRPOTrainer

from components.models.processing import conversation
from components.prompts import think_answer
from components.train.grpo import contrast
from components.train.grpo.contrast import ContrastTrainer, accuracies, without_key_frames
from components.train.grpo.trainer import OrderedGRPOTrainer, reward_function

SPAN = {"kind": "span", "span": {"start_s": 2.0, "end_s": 6.0}}
RIGHT, WRONG = think_answer("C cuts", "(2, 6)"), think_answer("C cuts", "(9, 12)")


def frames(count: int = 8) -> list[np.ndarray]:
    return [np.full((4, 4, 3), number, dtype=np.uint8) for number in range(count)]


@pytest.mark.parametrize(
    ("salient", "shown"),
    [([3, 4], [0, 1, 2, 2, 5, 5, 6, 7]), ([0, 1, 2], [3, 3, 3, 3, 4, 5, 6, 7]), ([7], [0, 1, 2, 3, 4, 5, 6, 6])],
)
def test_the_nearest_other_frame_stands_in_the_place_of_a_key_frame(salient, shown):
    assert [int(frame[0, 0, 0]) for frame in without_key_frames(frames(), salient)] == shown


def test_where_every_frame_shows_the_event_there_is_no_other():
    assert without_key_frames(frames(3), [0, 1, 2]) is None


def row(salient: list[int] | None) -> dict:
    return {"target": SPAN, "question_type": "temporal", "reasoned": True, "salient_frames": salient}


def test_a_group_has_the_share_of_its_right_answers():
    assert accuracies([RIGHT, WRONG, WRONG, WRONG, RIGHT, RIGHT], [row(None)] * 6, 2) == [0.5, 0.0, 1.0]


@pytest.fixture
def trainer(monkeypatch):
    """A trainer whose sampling says what it is told to, and remembers the frames that it was shown."""
    made = ContrastTrainer.__new__(OrderedGRPOTrainer)
    made.num_generations, made.reward_func_names, made.shown = 2, [contrast.NAME], []
    made.half, made.judge = None, None  # whole steps; no language model
    monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", lambda self, inputs, *others: inputs)
    tokenized = lambda asked: (asked, [], {})  # noqa: E731
    monkeypatch.setattr(made, "_tokenize_prompts", tokenized, raising=False)

    def sample(asked, images, fields, num_generations):
        numbers = [[int(part["image"][0, 0, 0]) for part in one[0]["content"][:-1]] for one in asked]
        made.shown += numbers
        return made.says[: len(asked)], None

    monkeypatch.setattr(made, "_generate_single_turn", sample, raising=False)
    made._tokenizer = SimpleNamespace(batch_decode=lambda ids, **options: ids)
    return made


def inputs(*salient: list[int] | None) -> list[dict]:
    examples = [
        {"prompt": conversation("when?", "ego", 8), "images": frames(), "sample": row(of_prompt)}
        for of_prompt in salient
    ]
    return [example for example in examples for _ in range(2)]


def rewards(trainer, said: list[str], *salient: list[int] | None) -> list[float | None]:
    completions = [[{"role": "assistant", "content": text}] for text in said]
    given = trainer._calculate_rewards(inputs(*salient), None, completions, None)
    return reward_function(contrast.NAME)(completions, [example["sample"] for example in given])


def test_a_right_answer_earns_where_the_key_frames_help(trainer):
    trainer.says = [WRONG, WRONG, RIGHT, RIGHT]
    assert rewards(trainer, [RIGHT, WRONG, RIGHT, WRONG], [3, 4], [7]) == [1.0, 0.0, 0.0, 0.0]
    assert trainer.shown == [[0, 1, 2, 2, 5, 5, 6, 7]] * 2 + [[0, 1, 2, 3, 4, 5, 6, 6]] * 2


def test_as_good_without_the_key_frames_still_earns(trainer):
    """p_key >= 0.8 p_rest: all right with them and without them."""
    trainer.says = [RIGHT, RIGHT]
    assert rewards(trainer, [RIGHT, RIGHT], [3, 4]) == [1.0, 1.0]


def test_without_known_key_frames_it_does_not_apply_and_every_rank_samples_all_the_same(trainer):
    trainer.says = [RIGHT, RIGHT, WRONG, WRONG]
    assert rewards(trainer, [RIGHT, RIGHT, RIGHT, RIGHT], None, list(range(8))) == [None] * 4
    assert trainer.shown == [list(range(8))] * 2


def test_no_second_group_is_sampled_where_no_reward_asks_for_it(trainer):
    trainer.reward_func_names = ["format"]
    given = inputs([3])
    assert trainer._calculate_rewards(given, None, [], None) is given
    assert trainer.shown == []
