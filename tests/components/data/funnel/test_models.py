"""Features, classifier and detector on pictures whose truth is plain."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.data.funnel import classifier_metrics, detections, ego_exo_classifier, features, hand_detector
from components.metrics.statistics import score


def test_the_grid_sees_where_colours_are_and_where_something_moves():
    frames = np.zeros((4, 64, 64, 3), np.uint8)
    frames[:, :32, :, 0] = 255  # the upper half is red
    frames[1::2, 48:, :16] = 200  # the lower left corner blinks
    told = features.grid(frames)
    colours, changes = told[:192].reshape(8, 8, 3), told[192:].reshape(8, 8)
    assert told.dtype == np.float32 and np.allclose(colours[:4, :, 0], 1) and np.allclose(colours[4:6], 0)
    assert changes.argmax() // 8 >= 6 and changes.argmax() % 8 < 2 and changes[:4].max() == 0
    assert np.allclose(features.grid(frames[:1])[192:], 0)  # one frame has no change


def test_an_encoder_s_folder_takes_the_place_of_the_grid(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=32, patch_size=16)).eval()
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    told = features.opened(str(tmp_path))(frames)
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert told.shape == (16,) and np.allclose(told, model(pixels).pooler_output.mean(0).detach(), atol=1e-5)
    before = features.digest(str(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert features.digest(str(tmp_path)) != before != features.digest("grid")


def test_a_folder_without_an_encoder_is_an_error_that_says_what_is_allowed(tmp_path):
    with pytest.raises(ValueError, match="funnel.features is .*allowed are 'grid' and the folder"):
        features.opened(str(tmp_path))


def test_the_classifier_learns_what_tells_the_views_apart_and_the_same_weights_again():
    rng = np.random.default_rng(0)
    is_ego = rng.random(200) < 0.3
    told = rng.normal(size=(200, 12)).astype(np.float32)
    told[:, 3] += 4 * is_ego
    torch.set_num_threads(1)
    first, again = (ego_exo_classifier.train(told[:150], is_ego[:150], seed=1) for _ in range(2))
    assert all(torch.equal(first.state_dict()[name], value) for name, value in again.state_dict().items())
    guessed = ego_exo_classifier.scores(first, told[150:])
    judged = classifier_metrics.evaluate(guessed, is_ego[150:], np.arange(50), seed=0)
    assert judged["accuracy"].value > 0.9 and judged["auc"].value > 0.95
    assert judged["auc"].lo <= judged["auc"].value <= judged["auc"].hi


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs):
    scores, is_ego = np.array([score for score, _ in pairs]), np.array([ego for _, ego in pairs])
    if is_ego.all() or not is_ego.any():
        with pytest.raises(ValueError, match="clips of both views"):
            classifier_metrics.auc(scores, is_ego, np.arange(len(pairs)), seed=0)
        return
    won = [(e > x) + 0.5 * (e == x) for e in scores[is_ego] for x in scores[~is_ego]]
    told = classifier_metrics.auc(scores, is_ego, np.arange(len(pairs)), seed=0)
    assert np.isclose(told.value, np.mean(won)) and told.n == len(pairs)
    if len(pairs) > 3:
        assert told.lo <= told.hi


def picture(rng) -> tuple[np.ndarray, list]:
    """A frame with a skin-coloured disc left or right (a hand) and sometimes a blue box (an object)."""
    import cv2

    frame = np.full((64, 64, 3), 180, np.uint8)
    side = int(rng.random() < 0.5)
    x, y = int(rng.integers(10, 22)) + 32 * side, int(rng.integers(40, 54))
    cv2.circle(frame, (x, y), 8, (222, 168, 138), -1)
    boxes = [(detections.SIDES[side], [100 * v / 64 for v in (x - 8, y - 8, x + 8, y + 8)])]
    if rng.random() < 0.7:
        u, v = int(rng.integers(4, 40)), int(rng.integers(2, 14))
        frame[v : v + 14, u : u + 20] = (40, 40, 200)
        boxes.append(("a box", [100 * value / 64 for value in (u, v, u + 20, v + 14)]))
    return frame, boxes


def test_the_detector_learns_boxes_and_sides():
    rng = np.random.default_rng(0)
    frames, boxes = zip(*(picture(rng) for _ in range(360)), strict=True)
    torch.set_num_threads(1)
    model = hand_detector.train(np.stack(frames[:300]), list(boxes[:300]), seed=0)
    seen = hand_detector.detect(model, np.stack(frames[300:]))
    hits = []
    for number, named in enumerate(boxes[300:]):
        for name, percent in named:
            is_hand = name in detections.SIDES
            found = (seen.hands if is_hand else seen.objects)[number]
            (hit,) = detections.matched(found, [tuple(value / 100 for value in percent)])[1]
            hits.append(hit)
            if is_hand and hit:
                assert seen.sides[number][0] == detections.SIDES.index(name)
    assert score(np.array(hits), np.arange(len(hits)), seed=0).lo > 0.8


def test_the_targets_of_a_box_give_the_box_back():
    percent = [12.5, 30.0, 50.0, 70.0]
    made = hand_detector.targets_of([[("left hand", percent), ("a box", [60.0, 60.0, 100.0, 100.0])]])
    assert made["heat"].shape == (1, 2, hand_detector.CELLS, hand_detector.CELLS) and (made["heat"] == 1).sum() == 2
    row, column = divmod(int(made["heat"][0, hand_detector.HAND].argmax()), hand_detector.CELLS)
    dx, dy, width, height = made["box"][0, hand_detector.HAND, :, row, column].tolist()
    x, y = (column + 0.5 + dx) / hand_detector.CELLS, (row + 0.5 + dy) / hand_detector.CELLS
    again = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    assert np.allclose(again, np.array(percent) / 100) and made["side"][0, row, column] == 0


def test_a_true_box_is_found_once():
    box = (0.1, 0.1, 0.3, 0.3)
    assert detections.matched([box, box], [box]) == ([True, False], [True])
    assert detections.matched([], [box]) == ([], [False]) and detections.matched([box], []) == ([False], [])
    assert detections.matched([box], [(0.3, 0.3, 0.6, 0.6)]) == ([False], [False])


def test_the_surest_hand_of_a_side_is_its_centre():
    seen = detections.Detections([[(0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7)], []], [[0, 0], []], [[], []])
    centres = seen.centres()
    assert np.allclose(centres[0, 0], 0.1) and np.isnan(centres[0, 1]).all() and np.isnan(centres[1]).all()
