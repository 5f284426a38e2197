"""Arcs and degrees on the body: where they are, what they say, and that nothing is drawn where they are off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poseapp.core.angles import ANGLES, JointAngle, angles_of, in_plain_numbers, joints_of, measure
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18
from poseapp.core.types import Frame, ImageArray, Poses, Result
from poseapp.render import DrawOptions, annotate
from poseapp.render.angles import draw_angles
from poseapp.render.colours import LEFT, RIGHT

HW = (480, 640)
HIP, KNEE, ANKLE = 300 + 120j, 300 + 240j, 420 + 240j  # a knee at a right angle, the foot to the right


def leg(side: str = "left", score: float = 0.9) -> Result:
    xy = np.full((1, 17, 2), np.nan, np.float32)
    for name, z in (("hip", HIP), ("knee", KNEE), ("ankle", ANKLE)):
        xy[0, COCO_17.index(f"{side}_{name}")] = z.real, z.imag
    scores = np.full((1, 17), score, np.float32)
    poses = Poses(xy=xy, score=scores, person_score=np.ones(1, np.float32), ids=np.array([1]), skeleton=COCO_17)
    return Result(frame=Frame(np.zeros((*HW, 3), np.uint8), 0, 0.0), poses=poses)


def added(result: Result, **options: object) -> ImageArray:
    """What the angles add to the picture, as differences."""
    on = replace(DrawOptions(angles=True), **options)  # type: ignore[arg-type]
    return np.abs(annotate(result, on).astype(int) - annotate(result, replace(on, angles=False))).astype(np.uint8)


def middle(changed: ImageArray) -> tuple[float, float]:
    """The mean x and y of what is changed."""
    y, x = np.nonzero(changed.max(axis=2) > 60)
    return float(x.mean()), float(y.mean())


def test_an_arc_lies_between_the_straight_leg_and_the_bent_one() -> None:
    x, y = middle(added(leg()))
    assert KNEE.real + 8 < x < ANKLE.real
    assert KNEE.imag + 8 < y < KNEE.imag + 90  # below the knee: where the shank would be if it were straight
    mirrored = middle(added(leg(), mirror=True))
    assert mirrored[0] == pytest.approx(HW[1] - 1 - x, abs=4)
    assert mirrored[1] == pytest.approx(y, abs=4)


@pytest.mark.parametrize(("side", "colour"), [("left", LEFT), ("right", RIGHT)])
def test_arcs_have_the_colours_of_their_sides(side: str, colour: tuple[int, int, int]) -> None:
    picture = annotate(leg(side), DrawOptions(angles=True))
    part = picture[245:330, 305:400].reshape(-1, 3).astype(int)
    assert (np.abs(part - np.array(colour)).max(axis=1) < 60).sum() > 20


def test_nothing_is_drawn_that_is_off_not_chosen_or_not_seen() -> None:
    assert added(leg()).any()
    assert not added(leg(), angle_names=("left_elbow", "right_knee")).any()
    assert not added(leg(), angle_names=()).any()
    assert not added(leg(score=0.2)).any()
    assert added(leg(score=0.2), threshold=0.1).any()
    assert not added(replace(leg(), predicted=frozenset([1]))).any(), "who is only predicted is not measured"
    assert not added(leg(), skeleton=False).any()


def test_coincident_joints_draw_nothing() -> None:
    picture = np.zeros((*HW, 3), np.uint8)
    joints: list[complex | None] = [None] * 17
    for name in ("hip", "knee", "ankle"):
        joints[COCO_17.index(f"left_{name}")] = KNEE
    draw_angles(picture, COCO_17, joints, names=("left_knee",), unit=2.0)
    assert not picture.any()


def test_every_angle_of_every_skeleton_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    for skeleton in (COCO_17, OPENPOSE_18, MPII_16, LSP_14):
        for angle in angles_of(skeleton):
            picture = np.zeros((*HW, 3), np.uint8)
            joints = [complex(*place) for place in rng.uniform(150, 350, (skeleton.k, 2)).tolist()]
            draw_angles(picture, skeleton, joints, names=(angle.name,), unit=2.0)
            assert picture.any(), angle.name


def test_plain_numbers_are_the_same_as_arrays() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        xy = rng.uniform(0, 500, (17, 2))
        for angle, value in zip(angles_of(COCO_17), measure(xy, np.ones(17), COCO_17, 0.5), strict=True):
            places = [complex(*xy[list(joints)].mean(axis=0)) for joints, _ in joints_of(COCO_17, angle)]
            assert in_plain_numbers(angle, places) == pytest.approx(value, abs=1e-9)
    assert {type(angle) is JointAngle for angle in ANGLES} == {True, False}


def test_the_number_is_that_of_the_data_in_a_mirrored_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr("poseapp.render.angles.write", lambda _image, text, *_args, **_more: written.append(text))
    xy = np.full((1, 17, 2), np.nan, np.float32)
    for side, x in (("left", 10), ("right", -10)):
        xy[0, COCO_17.index(f"{side}_hip")] = 300 + x, 300
        xy[0, COCO_17.index(f"{side}_shoulder")] = 400 + x, 200  # leans 45° to the right
    result = leg()
    result = replace(result, poses=replace(result.poses, xy=xy))
    for mirror in (False, True):
        annotate(result, DrawOptions(angles=True, angle_names=("trunk",), mirror=mirror))
    assert written == ["45°", "45°"]
