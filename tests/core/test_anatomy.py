"""Joints that no body can have there are found, and those of real poses are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from poseapp.core.anatomy import implausible
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton, joints_in
from poseapp.core.types import FloatArray
from poseapp.live.sources import SyntheticSource

HW = (720, 1280)
TRUTH = SyntheticSource(HW).truth(0.4)
ALL = np.ones(17, np.bool_)
LEFT_WRIST, LEFT_KNEE, LEFT_ANKLE = 9, 13, 15


def changed(k: int, at: FloatArray | tuple[float, float]) -> FloatArray:
    xy = TRUTH.astype(np.float32).copy()
    xy[k] = at
    return xy


@pytest.mark.parametrize("t", np.linspace(0, 6, 25).tolist())
def test_a_body_that_moves_is_left_alone(t: float) -> None:
    assert not implausible(COCO_17, SyntheticSource(HW).truth(t), ALL, HW).any()


def test_an_ankle_on_a_hand_is_wrong_and_nothing_else_is() -> None:
    raised = TRUTH[0] + np.array([60, -120], np.float32)
    wrong = implausible(COCO_17, changed(LEFT_ANKLE, raised), ALL, HW)
    assert np.flatnonzero(wrong).tolist() == [LEFT_ANKLE]


@pytest.mark.parametrize(("times", "is_wrong"), [(0.2, False), (1.8, False), (3.0, True)])
def test_limbs_may_look_short_but_not_far_too_long(times: float, is_wrong: bool) -> None:
    shank = TRUTH[LEFT_ANKLE] - TRUTH[LEFT_KNEE]
    wrong = implausible(COCO_17, changed(LEFT_ANKLE, TRUTH[LEFT_KNEE] + times * shank), ALL, (5000, 5000))
    assert wrong[LEFT_ANKLE] == is_wrong
    assert wrong.sum() == is_wrong


def test_a_leg_that_leaves_the_picture_does_not_come_back() -> None:
    """As long as a shank is, but the knee is below the picture and the ankle above it."""
    down = TRUTH + np.array([0, HW[0] + 8 - TRUTH[LEFT_KNEE, 1]], np.float32)
    up = down.copy()
    up[LEFT_ANKLE] = down[LEFT_KNEE] + np.array([60, -150], np.float32)
    assert np.flatnonzero(implausible(COCO_17, up, ALL, HW)).tolist() == [LEFT_ANKLE]
    assert not implausible(COCO_17, down, ALL, HW).any(), "outside with its knee it is only not seen"
    inside = up - np.array([0, 60], np.float32)
    assert not implausible(COCO_17, inside, ALL, HW).any(), "a leg that is raised in the picture is a kick"


def test_a_hand_may_come_back_into_the_picture() -> None:
    """Who sits at a desk has elbows below the picture and hands in it."""
    xy = TRUTH + np.array([0, HW[0] + 5 - TRUTH[7, 1]], np.float32)
    xy[LEFT_WRIST] = xy[7] + np.array([10, -60], np.float32)
    assert not implausible(COCO_17, xy, ALL, HW).any()


def on_the_arm(knee_seen: bool, knee_on_elbow: bool) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The figure with a hand raised and the left ankle on it."""
    xy = TRUTH.astype(np.float32).copy()
    xy[7], xy[LEFT_WRIST] = xy[5] + (70, -20), xy[5] + (80, -100)
    xy[LEFT_ANKLE] = xy[LEFT_WRIST] + (6, -5)
    if knee_on_elbow:
        xy[LEFT_KNEE] = xy[7] + (-6, 8)
    visible = ALL.copy()
    visible[LEFT_KNEE] = knee_seen
    return xy, visible


def test_a_leg_on_an_arm_is_wrong() -> None:
    xy, visible = on_the_arm(knee_seen=True, knee_on_elbow=True)
    assert np.flatnonzero(implausible(COCO_17, xy, visible, (2000, 2000))).tolist() == [LEFT_KNEE, LEFT_ANKLE]
    xy, visible = on_the_arm(knee_seen=False, knee_on_elbow=False)
    assert np.flatnonzero(implausible(COCO_17, xy, visible, (2000, 2000))).tolist() == [LEFT_ANKLE]


def test_a_hand_may_hold_a_foot_and_an_elbow_rest_on_a_knee() -> None:
    bent = TRUTH.astype(np.float32).copy()
    bent[LEFT_WRIST] = bent[LEFT_ANKLE] + (5, -5)
    bent[7] = bent[LEFT_WRIST] + (10, -60)
    assert not implausible(COCO_17, bent, ALL, (2000, 2000))[[LEFT_KNEE, LEFT_ANKLE]].any()
    sitting = TRUTH.astype(np.float32).copy()
    sitting[7] = sitting[LEFT_KNEE] + (3, -3)
    sitting[LEFT_WRIST] = sitting[7] + (20, -60)
    assert not implausible(COCO_17, sitting, ALL, (2000, 2000))[[LEFT_KNEE, LEFT_ANKLE]].any()


def test_what_is_not_visible_says_nothing() -> None:
    xy = changed(LEFT_ANKLE, (5.0, 5.0))
    few = np.zeros(17, np.bool_)
    few[[5, 7, LEFT_KNEE, LEFT_ANKLE]] = True
    assert not implausible(COCO_17, xy, few, HW).any(), "two limbs are no measure"
    without = ALL.copy()
    without[LEFT_KNEE] = False
    assert not implausible(COCO_17, xy, without, HW).any()
    missing = changed(LEFT_ANKLE, (np.nan, np.nan))
    there = ALL.copy()
    there[LEFT_ANKLE] = False
    assert not implausible(COCO_17, missing, there, HW).any()


def test_joints_that_are_nowhere_do_no_harm() -> None:
    xy = TRUTH.astype(np.float32).copy()
    xy[[13, 14, 15, 16]] = np.inf, np.inf
    visible = ALL.copy()
    visible[[13, 14, 15, 16]] = False
    assert not implausible(COCO_17, xy, visible, HW).any()
    other = Skeleton(
        name="legs",
        keypoints=("left_knee", "left_ankle", "left_elbow", "left_wrist"),
        limbs=((0, 1), (2, 3)),
        flip=(0, 1, 2, 3),
        sigmas=(0.0,) * 4,
    )
    assert not implausible(other, xy[:4], np.ones(4, np.bool_), HW).any()


@pytest.mark.parametrize("skeleton", [COCO_17, MPII_16, LSP_14, OPENPOSE_18], ids=lambda s: s.name)
def test_every_skeleton_has_the_rule(skeleton: Skeleton) -> None:
    places = joints_in(skeleton.keypoints, COCO_17.keypoints)
    visible = np.array([place is not None for place in places])
    xy = np.array([TRUTH[place] if place is not None else (np.nan, np.nan) for place in places], np.float32)
    assert not implausible(skeleton, xy, visible, HW).any()
    ankle = skeleton.index("left_ankle")
    xy[ankle] = xy[skeleton.index("left_wrist")] - (0, 250)
    assert np.flatnonzero(implausible(skeleton, xy, visible, HW)).tolist() == [ankle]
