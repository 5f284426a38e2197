"""The joint conventions: order, mirror pairs, limbs and sigmas as published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, SKELETONS, Skeleton, joints_in

# https://cocodataset.org/#keypoints-eval gives the constants k_i = 2 sigma of these joints.
COCO_K = {"nose": 0.052, "eye": 0.05, "ear": 0.07, "shoulder": 0.158, "elbow": 0.144, "wrist": 0.124, "hip": 0.214}
COCO_K |= {"knee": 0.174, "ankle": 0.178}


@pytest.mark.parametrize(("skeleton", "k"), [(COCO_17, 17), (MPII_16, 16), (LSP_14, 14), (OPENPOSE_18, 18)])
def test_number_of_joints(skeleton: Skeleton, k: int) -> None:
    assert skeleton.k == k
    assert SKELETONS[skeleton.name] is skeleton


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_mirroring_swaps_left_and_right_and_nothing_else(skeleton: Skeleton) -> None:
    for k, other in enumerate(skeleton.flip):
        name, mirrored = skeleton.keypoints[k], skeleton.keypoints[other]
        swapped = {"left": "right", "right": "left", "middle": "middle"}
        assert skeleton.side(other) == swapped[skeleton.side(k)]
        assert name.removeprefix("left_").removeprefix("right_") == mirrored.removeprefix("left_").removeprefix("right_")
    joints = np.arange(skeleton.k)
    np.testing.assert_array_equal(joints[skeleton.flip_index][skeleton.flip_index], joints)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_limbs_connect_every_joint(skeleton: Skeleton) -> None:
    assert len(set(skeleton.limbs)) == len(skeleton.limbs)
    assert {k for limb in skeleton.limbs for k in limb} == set(range(skeleton.k))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_limbs_are_mirror_symmetric(skeleton: Skeleton) -> None:
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset(skeleton.flip[k] for k in limb) for limb in limbs} == limbs


def test_coco_sigmas_are_half_the_published_constants() -> None:
    for name, sigma in zip(COCO_17.keypoints, COCO_17.sigmas, strict=True):
        assert 2 * sigma == pytest.approx(COCO_K[name.rpartition("_")[2]], abs=1e-12)


def test_openpose_takes_the_sigmas_of_coco_and_none_for_its_neck() -> None:
    for name, sigma in zip(OPENPOSE_18.keypoints, OPENPOSE_18.sigmas, strict=True):
        assert sigma == (0.0 if name == "neck" else COCO_17.sigmas[COCO_17.index(name)])


def test_a_joint_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(KeyError, match=r"coco-17 has no joint 'tail'.*left_ankle"):
        COCO_17.index("tail")


@pytest.mark.parametrize(
    "change",
    [
        {"flip": tuple(range(16))},
        {"flip": (1, 2, 0, *range(3, 17))},
        {"limbs": ((0, 17),)},
        {"sigmas": (0.1,)},
        {"keypoints": ("nose",) * 17},
    ],
    ids=["short flip", "three in a ring", "limb to nowhere", "short sigmas", "repeated names"],
)
def test_a_wrong_skeleton_is_refused(change: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="skeleton coco-17"):
        replace(COCO_17, **change)  # type: ignore[arg-type]


def test_joints_have_their_place_in_another_skeleton() -> None:
    places = joints_in(COCO_17.keypoints, MPII_16.keypoints)
    assert places[:5] == (None,) * 5  # no face in MPII
    assert [MPII_16.keypoints[p] for p in places[5:] if p is not None] == list(COCO_17.keypoints[5:])
    assert None not in joints_in(LSP_14.keypoints, MPII_16.keypoints)
    # OpenPose's neck lies between the shoulders, LSP's under the head.
    assert joints_in(LSP_14.keypoints, OPENPOSE_18.keypoints)[LSP_14.index("neck")] is None
    assert None not in joints_in(COCO_17.keypoints, OPENPOSE_18.keypoints)
