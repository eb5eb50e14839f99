"""What completions begin with alike stands once, and everything of a completion sees that completion alone."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.train.grpo.completion_tree import branches, trees
from components.train.packing import IGNORE

PAD = 99
TOKENS = st.lists(st.integers(0, 2), max_size=5)  # few words, so that completions often begin alike
GROUP = st.tuples(st.lists(st.integers(3, 9), min_size=1, max_size=4), st.lists(TOKENS, min_size=1, max_size=5))


@given(st.lists(GROUP, min_size=1, max_size=3))
def test_a_tree_holds_every_completion_and_each_beginning_once(groups):
    prompts, completions = zip(*groups, strict=True)
    made = trees(prompts, completions, PAD)
    places = iter(made.places.tolist())
    length = made.input_ids.shape[1]
    for number, (prompt, said_of_prompt) in enumerate(groups):
        ids, labels, positions = (each[number] for each in (made.input_ids, made.labels, made.position_ids))
        sees = made.attention_mask[number, 0]
        stands: dict[tuple[int, ...], int] = {}  # a beginning -> the place that predicts its last token
        before = list(range(len(prompt) - 1))
        for said in said_of_prompt:
            path = [*before]
            for depth, token in enumerate(said):
                place = next(places) - number * length
                path.append(place)
                assert labels[place] == token and ids[place] == [prompt[-1], *said][depth]
                assert positions[place] == len(prompt) - 1 + depth
                assert sees[place].nonzero().flatten().tolist() == sorted(path)
                assert stands.setdefault(tuple(said[: depth + 1]), place) == place
        assert len(set(stands.values())) == len(stands)
        assert (labels != IGNORE).sum() == len(stands)
        assert ids[: len(before)].tolist() == prompt[:-1]
        used = len(before) + len(stands)
        assert ids[used:].tolist() == [PAD] * (length - used) and sees.any(dim=1).all()


@given(st.data(), st.integers(1, 3), st.integers(1, 6))
def test_those_that_go_on_alike_have_one_number(data, prompts, group):
    def drawn(values):
        return np.array(data.draw(st.lists(values, min_size=prompts * group, max_size=prompts * group))).reshape(
            -1, group
        )

    column, tokens, goes_on = drawn(st.integers(0, 2)), drawn(st.integers(0, 2)), drawn(st.booleans())
    goes_on[0, 0] = True
    after, chosen = branches(*map(torch.from_numpy, (column, tokens, goes_on)))
    for row in range(prompts):
        alive = [one for one in range(group) if goes_on[row, one]]
        kinds = list(dict.fromkeys((column[row, one], tokens[row, one]) for one in alive))
        assert all(after[row, one] == kinds.index((column[row, one], tokens[row, one])) for one in alive)
        assert [(column[row, one], tokens[row, one]) for one in chosen[row, : len(kinds)].tolist()] == kinds
        assert all(after[row, one] == 0 for one in range(group) if one not in alive)
    assert chosen.shape[1] == int(after.max()) + 1
