"""Follower: finds, follows, keeps calm, gives up and searches again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poseapp.core import roi
from poseapp.core.roi import ROI, RoiTracker, detected_region, is_person, on_grid, search_boxes
from poseapp.core.skeleton import COCO_17
from poseapp.core.transform import fit_aspect, whole_box
from poseapp.core.types import FloatArray
from poseapp.live.sources import SyntheticSource

HW = (720, 1280)
INPUT_HW = (192, 144)
FACE = [k for k, name in enumerate(COCO_17.keypoints) if name.rpartition("_")[2] in ("nose", "eye", "ear")]
STANDING = SyntheticSource(HW).truth(0.0)


def tracker() -> RoiTracker:
    return RoiTracker(COCO_17, INPUT_HW)


def body_extent(*args: Any) -> NDArray[np.float64]:
    """The points as (M, 2)."""
    return np.array([(z.real, z.imag) for z in roi.body_extent(*args)])


def scores(value: float) -> FloatArray:
    return np.full(17, value, np.float32)


def holds(box: NDArray[np.floating], points: NDArray[np.floating]) -> bool:
    x, y, w, h = box
    return bool(((points >= (x, y)) & (points <= (x + w, y + h))).all())


def test_locks_on_and_the_next_box_holds_the_whole_pose() -> None:
    f = tracker()
    assert f.update(STANDING, scores(0.9), HW)
    assert f.following
    assert holds(f.box(HW), STANDING)
    assert f.box(HW)[2] / f.box(HW)[3] == pytest.approx(144 / 192, rel=1e-5)


def test_nobody_is_followed_at_first() -> None:
    assert not tracker().following


def test_follows_a_walk_across_the_frame() -> None:
    f = tracker()
    f.update(STANDING - np.array([180, 0], np.float32), scores(0.9), HW)
    for step in range(60):
        moved = STANDING + np.array([6.0 * step - 180, 0], np.float32)
        assert holds(f.box(HW), moved), f"lost at step {step}"
        f.update(moved, scores(0.8), HW)


def test_what_is_too_weak_to_be_found_is_strong_enough_to_be_kept() -> None:
    between = (ROI.find + ROI.keep) / 2
    f = tracker()
    assert not f.update(STANDING, scores(between), HW)
    assert f.update(STANDING, scores(0.9), HW)
    assert f.update(STANDING, scores(between), HW)


def test_a_person_is_given_up_after_some_misses_and_not_before() -> None:
    f = tracker()
    f.update(STANDING, scores(0.9), HW)
    box = f.box(HW)
    for _ in range(ROI.misses - 1):
        assert not f.update(STANDING, scores(0.01), HW)
        np.testing.assert_array_equal(f.box(HW), box)
    assert not f.update(STANDING, scores(0.01), HW)
    assert not f.following
    assert any(np.array_equal(f.box(HW), candidate) for candidate in search_boxes(HW, INPUT_HW))


def test_one_good_frame_forgives_the_misses_before() -> None:
    f = tracker()
    f.update(STANDING, scores(0.9), HW)
    for _ in range(5 * ROI.misses):
        f.update(STANDING, scores(0.01), HW)
        f.update(STANDING, scores(0.9), HW)
    assert f.following


def test_a_few_sure_joints_are_no_person() -> None:
    f = tracker()
    score = scores(0.0)
    score[:2] = 1.0
    assert not f.update(STANDING, score, HW)


def test_scores_that_are_no_numbers_are_no_person() -> None:
    assert not tracker().update(STANDING, scores(float("nan")), HW)


def test_searching_looks_at_every_region_in_turn() -> None:
    f = tracker()
    seen = []
    for _ in search_boxes(HW, INPUT_HW):
        seen.append(f.box(HW).tolist())
        f.update(STANDING, scores(0.0), HW)
    assert sorted(seen) == sorted(box.tolist() for box in search_boxes(HW, INPUT_HW))
    assert whole_box(HW).tolist() in seen


@pytest.mark.parametrize("hw", [(720, 1280), (480, 640), (1080, 1920), (300, 2000)])
def test_search_regions_together_cover_the_frame(hw: tuple[int, int]) -> None:
    boxes = search_boxes(hw, INPUT_HW)
    assert len({tuple(box) for box in boxes}) == len(boxes)
    upright = [box for box in boxes if not np.array_equal(box, whole_box(hw))]
    assert min(box[0] for box in upright) == pytest.approx(-0.5)
    assert max(box[0] + box[2] for box in upright) == pytest.approx(hw[1] - 0.5, abs=0.01)
    for box in upright:
        assert box[3] == hw[0]
        assert box[2] / box[3] == pytest.approx(144 / 192)


def test_an_upright_frame_is_searched_as_a_whole() -> None:
    assert [box.tolist() for box in search_boxes((1280, 720), INPUT_HW)] == [whole_box((1280, 720)).tolist()]


def test_a_face_alone_does_not_draw_the_region_around_itself() -> None:
    """When only the face is sure, for however long, the region still reaches down to where the hips are."""
    f = tracker()
    f.update(STANDING, scores(0.9), HW)
    score = scores(0.1)
    score[FACE] = 0.9
    # The other joints are off by far, as those of a network are that sees no body.
    guess = STANDING.copy()
    guess[5:] = STANDING[0] + np.random.default_rng(1).normal(0, 5, (12, 2))
    for _ in range(200):
        assert f.update(guess, score, HW)
    hips = STANDING[[COCO_17.index("left_hip"), COCO_17.index("right_hip")]]
    torso = float(np.linalg.norm(STANDING[5] - STANDING[11]))
    face = np.ptp(STANDING[FACE], axis=0).max()
    box = f.box(HW)
    assert box[3] > 4 * face
    assert box[1] + box[3] > hips[:, 1].max() - 0.5 * torso


def test_a_box_shrinks_slowly_and_grows_at_once() -> None:
    f = tracker()
    f.update(STANDING, scores(0.9), HW)
    before = float(f.box(HW)[3])
    centre = STANDING.mean(axis=0)
    small = (centre + (STANDING - centre) * 0.3).astype(np.float32)
    f.update(small, scores(0.9), HW)
    assert f.box(HW)[3] == pytest.approx(before * ROI.shrink, rel=1e-4)
    for _ in range(40):
        f.update(small, scores(0.9), HW)
    assert f.box(HW)[3] < 0.45 * before
    f.update(STANDING, scores(0.9), HW)
    assert holds(f.box(HW), STANDING)


def test_a_box_is_never_larger_than_what_shows_the_whole_frame() -> None:
    f = tracker()
    centre = STANDING.mean(axis=0)
    f.update((centre + (STANDING - centre) * 20).astype(np.float32), scores(0.9), HW)
    assert f.box(HW)[3] <= fit_aspect(whole_box(HW), INPUT_HW)[3] * 1.0001


def test_joints_in_one_point_still_give_a_region_with_an_area() -> None:
    f = tracker()
    f.update(np.full((17, 2), 300.0, np.float32), scores(0.9), HW)
    assert (f.box(HW)[2:] >= 8).all()


def test_a_change_of_model_goes_on_where_the_other_was() -> None:
    old, new = tracker(), RoiTracker(COCO_17, (256, 256))
    old.update(STANDING, scores(0.9), HW)
    new.take_over_state(old)
    assert new.following
    np.testing.assert_array_equal(new.box(HW), old.box(HW))


def test_another_picture_is_searched_from_the_start() -> None:
    f = tracker()
    f.update(STANDING, scores(0.9), HW)
    f.reset()
    assert not f.following
    np.testing.assert_array_equal(f.box(HW), search_boxes(HW, INPUT_HW)[0])


@pytest.mark.parametrize("before", range(9))
def test_who_is_detected_is_looked_at_in_every_other_frame_and_the_search_goes_on(before: int) -> None:
    f = tracker()
    seen, other = (np.array([x, 50.0, 60.0, 80.0], np.float32) for x in (100.0, 200.0))
    for _ in range(before):  # nobody was there for a while
        f.box(HW)
        f.update(STANDING, scores(0.0), HW)
    tried = []
    for _ in range(4 * len(search_boxes(HW, INPUT_HW))):
        tried.append(f.box(HW, [seen, other]).tolist())
        f.update(STANDING, scores(0.0), HW)
    assert seen.tolist() in tried[:4]
    assert all(seen.tolist() in tried[i : i + 4] and other.tolist() in tried[i : i + 4] for i in range(len(tried) - 4))
    assert all(box.tolist() in tried for box in search_boxes(HW, INPUT_HW))
    f.update(STANDING, scores(0.9), HW)
    assert f.box(HW, [seen]).tolist() != seen.tolist()  # somebody is followed


def test_a_detected_region_holds_the_box_with_a_margin() -> None:
    region = detected_region(np.array([100.0, 50.0, 30.0, 80.0], np.float32), INPUT_HW)
    assert region[3] == pytest.approx(1.25 * 80)
    assert region[2] / region[3] == pytest.approx(INPUT_HW[1] / INPUT_HW[0])
    np.testing.assert_allclose(region[:2] + region[2:] / 2, [115.0, 90.0])


def trusting(*joints: str) -> NDArray[np.bool_]:
    return np.array([name in joints or name.partition("_")[2] in joints for name in COCO_17.keypoints])


def test_a_body_seen_whole_needs_no_guess() -> None:
    trusted = trusting("shoulder", "hip", "knee", "ankle")
    np.testing.assert_array_equal(body_extent(COCO_17, STANDING, trusted, HW), STANDING[trusted].astype(float))


def test_from_the_shoulders_the_region_reaches_to_where_the_hips_would_be() -> None:
    torso = np.linalg.norm(STANDING[5] - STANDING[6]) / 0.75
    tall = (4000, 1280)
    points = body_extent(COCO_17, STANDING, trusting("shoulder"), tall)
    for y in (torso, 2.7 * torso):  # the hips, the feet
        assert np.abs(points[:, 1] - STANDING[5, 1] - y).min() < 1.0


def test_a_torso_seen_alone_has_legs_in_the_region() -> None:
    feet = STANDING[[15, 16], 1].mean()
    reach = body_extent(COCO_17, STANDING, trusting("shoulder", "hip"), HW)[:, 1].max()
    assert reach == pytest.approx(feet, abs=0.15 * HW[0])


def test_the_unseen_part_of_a_lying_body_is_beyond_its_hips() -> None:
    lying = STANDING[:, ::-1].copy()  # head to the left
    points = body_extent(COCO_17, lying, trusting("shoulder", "hip"), (1280, 720))
    assert points[:, 0].max() == pytest.approx(lying[[15, 16], 0].mean(), abs=0.15 * HW[0])
    assert points[:, 1].max() < lying[:, 1].max() + 20


def test_guesses_stay_in_the_frame() -> None:
    points = body_extent(COCO_17, STANDING, trusting("nose", "eye", "ear"), (200, 1280))
    assert points[:, 1].max() == 199.0


def test_two_sure_joints_are_nobody() -> None:
    """However sure: a lamp and its shine have two."""
    score = np.full(17, 0.29, np.float32)
    score[:2] = 1.0
    assert not is_person(score, known=True)
    score[2] = 0.3
    assert is_person(score, known=True)


def test_how_far_a_body_reaches_is_told_by_one_of_its_longer_lengths() -> None:
    """Seen from the side, shoulders and eyes are narrow; and one elbow is quite wrong."""
    xy, trusted = np.zeros((17, 2), np.float32), np.zeros(17, bool)
    places = {"left_shoulder": (102, 100), "right_shoulder": (100, 100), "left_elbow": (102, 165), "right_elbow": (600, 100)}
    places |= {"left_eye": (101, 50), "right_eye": (100, 50)}
    for name, place in places.items():
        xy[COCO_17.index(name)], trusted[COCO_17.index(name)] = place, True
    extent = body_extent(COCO_17, xy, trusted, (1000, 1000))
    torso = 65 / 0.65
    np.testing.assert_allclose(extent[-1], (101, 100 + torso + 1.7 * torso), atol=0.5)  # where the feet would be
    np.testing.assert_allclose(extent[-3:-1, 0], (101 - 0.6 * torso, 101 + 0.6 * torso), atol=0.5)  # the forearms


def test_regions_that_are_nearly_the_same_are_the_same_on_the_grid() -> None:
    rng = np.random.default_rng(0)
    together = 0
    for _ in range(200):
        height = float(rng.uniform(80, 700))
        region = np.array([*rng.uniform(-50, 900, 2), height * 0.75, height], np.float32)
        near = height * (1 + float(rng.uniform(-1e-4, 1e-4)))
        moved = np.array([*(region[:2] + rng.uniform(-1e-4, 1e-4, 2) * height), near * 0.75, near], np.float32)
        laid = on_grid(region)
        together += np.array_equal(laid, on_grid(moved))
        assert np.array_equal(on_grid(laid), laid)
        assert np.abs(laid - region).max() < 0.01 * height
        assert laid[3] >= region[3] * (1 - 1e-5), "nothing of the person is cut off"
        assert laid[2] / laid[3] == pytest.approx(0.75, rel=1e-5)
    assert together > 150
