"""The sign of a raised hand: one hand above the head for two seconds, and nothing that looks like it."""

from __future__ import annotations

import numpy as np
import pytest

from poseapp.core.raised_hand import HOLD_S, LONGEST_GAP_S, RaisedHand, is_hand_up
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.types import FloatArray, Poses

# A standing person, in a unit that is their height; y downwards, the crown at 0. Right is on the left of the picture.
PLACES = {
    "nose": (0.0, 0.07), "left_eye": (0.02, 0.06), "right_eye": (-0.02, 0.06),
    "left_ear": (0.04, 0.07), "right_ear": (-0.04, 0.07),
    "head_top": (0.0, 0.0), "neck": (0.0, 0.15), "thorax": (0.0, 0.18), "pelvis": (0.0, 0.48),
    "left_shoulder": (0.12, 0.18), "right_shoulder": (-0.12, 0.18), "left_elbow": (0.16, 0.37), "right_elbow": (-0.16, 0.37),
    "left_wrist": (0.17, 0.52), "right_wrist": (-0.17, 0.52), "left_hip": (0.08, 0.48), "right_hip": (-0.08, 0.48),
    "left_knee": (0.08, 0.73), "right_knee": (-0.08, 0.73), "left_ankle": (0.08, 0.97), "right_ankle": (-0.08, 0.97),
}  # fmt: skip
UP = {"right_elbow": (-0.2, 0.05), "right_wrist": (-0.15, -0.1)}
BOTH_UP = UP | {"left_elbow": (0.2, 0.05), "left_wrist": (0.15, -0.1)}
AT_THE_EAR = {"right_elbow": (-0.2, 0.2), "right_wrist": (-0.06, 0.07)}
SKELETONS = (COCO_17, MPII_16, LSP_14, OPENPOSE_18)


def person(skeleton: Skeleton = COCO_17, moved: dict[str, tuple[float, float]] | None = None) -> FloatArray:
    places = PLACES | (moved or {})
    return (np.array([places[name] for name in skeleton.keypoints], np.float32) * 400 + 100).astype(np.float32)


def poses(*people: FloatArray, ids: tuple[int, ...] = (1, 2, 3)) -> Poses:
    xy = np.stack(people) if people else np.empty((0, 17, 2), np.float32)
    n = len(xy)
    score = np.full((n, 17), 0.8, np.float32)
    numbers = np.array(ids[:n], np.int64)
    return Poses(xy=xy, score=score, person_score=np.ones(n, np.float32), ids=numbers, skeleton=COCO_17)


def is_up(xy: FloatArray, skeleton: Skeleton = COCO_17, score: float = 0.8) -> bool:
    return is_hand_up(xy, np.full(len(xy), score, np.float32), skeleton)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_one_hand_above_the_head(skeleton: Skeleton) -> None:
    assert is_up(person(skeleton, UP), skeleton)
    assert not is_up(person(skeleton), skeleton)
    assert not is_up(person(skeleton, AT_THE_EAR), skeleton)
    assert not is_up(person(skeleton, BOTH_UP), skeleton), "who lifts both arms trains"


def test_the_crown_is_above_the_eyes() -> None:
    a_hand_at_the_forehead = {"right_wrist": (-0.06, 0.03)}
    just_over_the_hair = {"right_wrist": (-0.06, -0.02)}
    assert not is_up(person(moved=a_hand_at_the_forehead))
    assert is_up(person(moved=just_over_the_hair))


def test_nobody_who_lies_or_stands_on_their_hands_gives_a_sign() -> None:
    lying = person(moved=UP)[:, ::-1].copy()
    assert not is_up(lying)
    upside_down = person()
    upside_down[:, 1] = 600 - upside_down[:, 1]
    assert not is_up(upside_down)


def test_joints_that_are_not_seen_give_no_sign() -> None:
    assert not is_up(person(moved=UP), score=0.2)
    without_shoulders = person(moved=UP)
    without_shoulders[[5, 6]] = np.nan
    assert not is_up(without_shoulders)
    without_a_face = person(moved=UP)
    without_a_face[:5] = np.nan
    assert not is_up(without_a_face)
    only_the_upper_body = person(moved=UP)
    only_the_upper_body[11:] = np.nan
    assert is_up(only_the_upper_body)


def signs(frames: list[tuple[float, Poses]]) -> list[float]:
    hand = RaisedHand()
    return [t for t, people in frames if hand.update(people, t)]


def at(fps: float, start: float, seconds: float, people: Poses) -> list[tuple[float, Poses]]:
    return [(start + i / fps, people) for i in range(round(seconds * fps))]


@pytest.mark.parametrize("fps", [1.0, 7.0, 30.0])
def test_a_hand_gives_its_sign_once_after_two_seconds(fps: float) -> None:
    up, down = poses(person(moved=UP)), poses(person())
    found = signs([*at(fps, 0, 3, down), *at(fps, 3, 10, up)])
    assert len(found) == 1
    assert found[0] == pytest.approx(3 + HOLD_S, abs=1 / fps)
    again = signs([*at(fps, 0, 3, up), *at(fps, 3, 1, down), *at(fps, 4, 3, up)])
    assert len(again) == 2


def test_a_shorter_one_gives_none() -> None:
    up, down = poses(person(moved=UP)), poses(person())
    assert signs([*at(30, 0, HOLD_S - 0.1, up), *at(30, HOLD_S - 0.1, 2, down)]) == []


def test_a_joint_that_jumps_for_a_moment_changes_nothing_and_a_lowered_hand_does() -> None:
    up, down, nobody = poses(person(moved=UP)), poses(person()), poses()
    for gap in (down, nobody):
        short = [*at(30, 0, 1, up), *at(30, 1, LONGEST_GAP_S - 0.1, gap), *at(30, 1 + LONGEST_GAP_S - 0.1, 1.2, up)]
        assert len(signs(short)) == 1
        long = [*at(30, 0, 1, up), *at(30, 1, LONGEST_GAP_S + 0.2, gap), *at(30, 1 + LONGEST_GAP_S + 0.2, 1.2, up)]
        assert signs(long) == []


def test_two_people_do_not_make_one_sign_together() -> None:
    first = poses(person(moved=UP), person(), ids=(1, 2))
    second = poses(person(), person(moved=UP), ids=(1, 2))
    assert signs([*at(30, 0, 1.5, first), *at(30, 1.5, 1.5, second)]) == []


def test_a_clip_that_begins_again_begins_the_sign_again() -> None:
    up = poses(person(moved=UP))
    assert signs([*at(30, 10, 1.5, up), *at(30, 0, 1.5, up)]) == []


def test_progress_goes_from_nothing_to_all_and_stays_at_nothing_after_the_sign() -> None:
    hand, up = RaisedHand(), poses(person(moved=UP))
    assert hand.progress == 0
    for t in (0.0, 0.5, 1.0):
        assert not hand.update(up, t)
    assert hand.progress == pytest.approx(0.5)
    assert [hand.update(up, t) for t in (1.5, 2.0)] == [False, True]
    assert hand.progress == 0
