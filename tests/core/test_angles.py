"""Angles of constructed poses: every quadrant, mirrored, scaled, at the ends of the range, and where joints are missing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from poseapp.core.angles import (
    ANGLES,
    angles_of,
    measure,
    side_differences,
    summarise,
    three_joints,
    turned_on,
    velocities,
)
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton

THRESHOLD = 0.3
QUADRANTS = [-180 + 15 * i for i in range(1, 25)]


def pose(places: dict[str, complex], skeleton: Skeleton = COCO_17) -> tuple[np.ndarray, np.ndarray]:
    """Joints (K, 2), NaN but for *places*, and scores of 1."""
    xy = np.full((skeleton.k, 2), np.nan, np.float32)
    for name, z in places.items():
        xy[skeleton.index(name)] = z.real, z.imag
    return xy, np.ones(skeleton.k, np.float32)


def angle(name: str, places: dict[str, complex], skeleton: Skeleton = COCO_17) -> float:
    """The angle *name* of *places*."""
    xy, score = pose(places, skeleton)
    chosen = [one for one in angles_of(skeleton) if one.name == name]
    return float(measure(xy, score, skeleton, THRESHOLD, chosen)[0])


def turned(degrees: float, length: float = 100.0) -> complex:
    """A vector of *length* px that points *degrees* clockwise from upwards."""
    return length * complex(math.sin(math.radians(degrees)), -math.cos(math.radians(degrees)))


# Somebody who stands upright with hanging arms, seen from the front; the joints of every skeleton, and toes.
UPRIGHT = {
    f"{side}_{part}": complex(500 + (x if side == "left" else -x), y)
    for side in ("left", "right")
    for part, x, y in (
        ("ear", 20, 100), ("shoulder", 50, 200), ("elbow", 50, 300), ("wrist", 50, 400), ("hip", 50, 420), ("knee", 50, 600),
        ("ankle", 50, 780),
    )
} | {"head_top": 500 + 60j}  # fmt: skip


@pytest.mark.parametrize("skeleton", [COCO_17, OPENPOSE_18, MPII_16, LSP_14], ids=lambda s: s.name)
def test_everything_is_zero_in_the_neutral_position(skeleton: Skeleton) -> None:
    xy, score = pose({name: z for name, z in UPRIGHT.items() if name in skeleton.keypoints}, skeleton)
    values = measure(xy, score, skeleton, THRESHOLD)
    assert values.shape == (len(angles_of(skeleton)),)
    np.testing.assert_allclose(values, 0, atol=1e-5)


def test_each_skeleton_has_the_angles_whose_joints_it_has() -> None:
    no_feet = {one.name for one in ANGLES} - {"left_ankle", "right_ankle"}
    for skeleton in (COCO_17, OPENPOSE_18, MPII_16, LSP_14):
        assert {one.name for one in angles_of(skeleton)} == no_feet, skeleton.name
    toes = (*COCO_17.keypoints, "left_big_toe", "right_big_toe")
    feet = replace(COCO_17, name="feet", keypoints=toes, flip=(*COCO_17.flip, 18, 17), sigmas=(*COCO_17.sigmas, 0.0, 0.0))
    assert {one.name for one in angles_of(feet)} == {one.name for one in ANGLES}
    assert angles_of(replace(COCO_17, name="face", keypoints=("nose",), flip=(0,), sigmas=(0.0,), limbs=())) == ()


def test_names_of_angles_differ() -> None:
    assert len({one.name for one in ANGLES}) == len(ANGLES)


@pytest.mark.parametrize("thigh", QUADRANTS)
@pytest.mark.parametrize("bend", [0.0, 1.0, 45.0, 90.0, 135.0, 179.0, 180.0])
@pytest.mark.parametrize("way", [1, -1])
def test_flexion_in_every_quadrant(thigh: float, bend: float, way: int) -> None:
    knee = 300 + 400j
    places = {"left_hip": knee + turned(thigh), "left_knee": knee, "left_ankle": knee + turned(thigh + 180 + way * bend, 70)}
    assert angle("left_knee", places) == pytest.approx(bend, abs=1e-4)


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_size_and_mirror_do_not_change_an_angle_at_a_joint(scale: float) -> None:
    places = {"left_hip": 10 + 0j, "left_knee": 40 + 40j, "left_ankle": 20 + 90j}
    mirrored = {name: complex(-z.real, z.imag) * scale for name, z in places.items()}
    assert angle("left_knee", mirrored) == pytest.approx(angle("left_knee", places), abs=1e-4)
    assert angle("left_knee", places) == pytest.approx(180 - math.degrees(math.acos(-1400 / (50 * 2900**0.5))), abs=1e-4)


def test_shoulder_opens_from_the_trunk() -> None:
    shoulder, hip = 300 + 200j, 300 + 400j
    for raised in (0, 30, 90, 170, 180):
        places = {"right_hip": hip, "right_shoulder": shoulder, "right_elbow": shoulder + turned(180 - raised)}
        assert angle("right_shoulder", places) == pytest.approx(raised, abs=1e-4)


def test_ankle_is_zero_at_a_right_angle_and_signed() -> None:
    names = ("left_hip", "left_knee", "left_ankle", "left_big_toe")
    foot = Skeleton(name="foot", keypoints=names, limbs=((2, 3),), flip=(0, 1, 2, 3), sigmas=(0.0,) * 4)
    for up in (-40, 0, 20):
        places = {"left_knee": 100 + 0j, "left_ankle": 100 + 100j, "left_big_toe": 100 + 100j + turned(90 - up, 30)}
        assert angle("left_ankle", places, foot) == pytest.approx(up, abs=1e-4)


@pytest.mark.parametrize("lean", QUADRANTS)
def test_segments_lean_to_the_right_above_zero(lean: float) -> None:
    hips, up = 300 + 400j, turned(lean)
    places = {"left_hip": hips - 30, "right_hip": hips + 30, "left_shoulder": hips + up - 40, "right_shoulder": hips + up + 40}
    assert angle("trunk", places) == pytest.approx(lean, abs=1e-4) or (abs(lean) == 180 and abs(angle("trunk", places)) == 180)
    mirrored = {name: complex(600 - z.real, z.imag) for name, z in places.items()}
    if abs(lean) != 180:
        assert angle("trunk", mirrored) == pytest.approx(-lean, abs=1e-4)
        limb = {"left_knee": 5 + 5j, "left_hip": 5 + 5j + up}
        assert angle("left_thigh", limb) == pytest.approx(lean, abs=1e-4)


def test_neck_bends_against_the_trunk() -> None:
    hips, lean = 300 + 400j, 30
    shoulders = hips + turned(lean)
    places = {"left_hip": hips, "right_hip": hips, "left_shoulder": shoulders, "right_shoulder": shoulders}
    ears = {"left_ear": shoulders + turned(lean + 25, 60), "right_ear": shoulders + turned(lean + 25, 60)}
    assert angle("neck", places | ears) == pytest.approx(25, abs=1e-4)
    del ears["left_ear"]  # as in a view from the side
    assert angle("neck", places | ears) == pytest.approx(25, abs=1e-4)
    assert math.isnan(angle("neck", places))
    del places["left_shoulder"]  # the middle would jump to the other one
    assert math.isnan(angle("neck", places | ears))


def test_missing_weak_and_coincident_joints_are_nan_and_nothing_else_is() -> None:
    xy, score = pose(UPRIGHT_COCO)
    names = [one.name for one in angles_of(COCO_17)]
    weak = score.copy()
    weak[COCO_17.index("left_knee")] = THRESHOLD - 0.01
    missing, endless, same = xy.copy(), xy.copy(), xy.copy()
    missing[COCO_17.index("left_knee")] = np.nan
    endless[COCO_17.index("left_knee"), 0] = np.inf
    same[COCO_17.index("left_knee")] = same[COCO_17.index("left_hip")]
    of_the_knee = {"left_knee", "left_hip", "left_thigh", "left_shank"}
    for joints, sure in ((xy, weak), (missing, score), (endless, score)):
        values = measure(joints, sure, COCO_17, THRESHOLD)
        assert {name for name, value in zip(names, values, strict=True) if np.isnan(value)} == of_the_knee
    values = measure(same, score, COCO_17, THRESHOLD)
    assert {n for n, v in zip(names, values, strict=True) if np.isnan(v)} == {"left_knee", "left_hip", "left_thigh"}
    score[COCO_17.index("left_knee")] = THRESHOLD  # at the threshold it counts
    assert not np.isnan(measure(xy, score, COCO_17, THRESHOLD)).any()


UPRIGHT_COCO = {name: z for name, z in UPRIGHT.items() if name in COCO_17.keypoints}


def test_frames_and_people_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 500, (5, 3, 17, 2)).astype(np.float32)
    score = rng.uniform(0, 1, (5, 3, 17)).astype(np.float32)
    together = measure(xy, score, COCO_17, THRESHOLD)
    assert together.shape == (5, 3, len(angles_of(COCO_17)))
    assert 0.2 < np.isnan(together).mean() < 0.9
    for frame in range(5):
        for person in range(3):
            alone = measure(xy[frame, person], score[frame, person], COCO_17, THRESHOLD)
            np.testing.assert_array_equal(together[frame, person], alone)
    assert measure(xy[:, :0], score[:, :0], COCO_17, THRESHOLD).shape == (5, 0, len(angles_of(COCO_17)))
    assert measure(xy, score, COCO_17, THRESHOLD, []).shape == (5, 3, 0)


def test_any_three_joints() -> None:
    one = three_joints("nose", "left_wrist", "right_ankle")
    xy, score = pose({"nose": 0j, "left_wrist": 10 + 0j, "right_ankle": 10 + 10j})
    assert measure(xy, score, COCO_17, THRESHOLD, [one])[0] == pytest.approx(90)
    with pytest.raises(KeyError, match="skeleton lsp-14 has no joint 'nose'"):
        measure(xy[:14], score[:14], LSP_14, THRESHOLD, [one])


def test_difference_of_the_sides() -> None:
    angles = angles_of(COCO_17)
    names = [one.name for one in angles]
    values = np.zeros((2, len(angles)))
    values[:, names.index("left_knee")] = 50, np.nan
    values[:, names.index("right_knee")] = 20
    values[:, names.index("left_thigh")], values[:, names.index("right_thigh")] = 179, -179
    found = side_differences(values, angles)
    np.testing.assert_allclose(found["knee"], [30, np.nan])
    np.testing.assert_allclose(found["thigh"], [-2, -2])  # the short way round
    assert set(found) == {"knee", "hip", "elbow", "shoulder", "thigh", "shank", "upper_arm", "forearm"}


def test_a_segment_that_turns_over_does_not_jump() -> None:
    forearm, knee = next(a for a in ANGLES if a.name == "left_forearm"), next(a for a in ANGLES if a.name == "left_knee")
    values = np.array([170.0, 179.0, np.nan, -172.0, -160.0])
    np.testing.assert_allclose(turned_on(values, forearm), [170, 179, np.nan, 188, 200])
    assert turned_on(values, knee) is values
    assert values[3] == -172


def test_velocity_and_summary() -> None:
    t = np.array([0.0, 0.1, 0.2, 0.4, 0.5, 0.6])
    values = np.array([0.0, 5.0, 10.0, 20.0, np.nan, 40.0])
    np.testing.assert_allclose(velocities(t, values)[:3], 50)
    assert np.isnan(velocities(t, values)[3:]).all()  # beside a gap
    assert np.isnan(velocities(t[:1], values[:1])).all()
    found = summarise(t, values)
    assert (found.least, found.most, found.range, found.mean) == (0, 40, 40, 15)
    assert found.fastest == pytest.approx(50)
    assert found.seen == pytest.approx(5 / 6)
    assert math.isnan(summarise(t, np.full(6, np.nan)).mean)
