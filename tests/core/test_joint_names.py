"""Joint names in the spellings of annotation tools."""

from __future__ import annotations

import pytest

from poseapp.core.joint_names import joint_name, joint_names
from poseapp.core.skeleton import COCO_17, SKELETONS


@pytest.mark.parametrize(
    "spelling",
    ["left_shoulder", "Left Shoulder", "left-shoulder", "L_Shoulder", "LShoulder", "leftShoulder", "LEFT SHOULDER", "l.shoulder",
     "shoulder_left", "Shoulder L", "LSho", " left  shoulder "],
)  # fmt: skip
def test_spellings_of_one_joint(spelling: str) -> None:
    assert joint_name(spelling) == "left_shoulder"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("Nose", "nose"), ("REar", "right_ear"), ("rear", "right_ear"), ("LEye", "left_eye"), ("Upper Neck", "neck"),
     ("top_of_head", "head_top"), ("Head Top", "head_top"), ("R Ankle", "right_ankle"), ("tail", "tail"),
     ("shoulder", "shoulder"), ("", ""), ("left_", "left_")],
)  # fmt: skip
def test_other_joints(spelling: str, name: str) -> None:
    assert joint_name(spelling) == name


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_our_own_names_stay_as_they_are(skeleton: object) -> None:
    names = SKELETONS[skeleton.name].keypoints  # type: ignore[attr-defined]
    assert joint_names(names) == names
    assert joint_names([name.replace("_", " ").title() for name in names]) == names


def test_numbered_joints_are_in_cocos_order() -> None:
    assert joint_names([str(i) for i in range(1, 18)]) == COCO_17.keypoints
    assert joint_names([f"new-point-{i}" for i in range(17)]) == COCO_17.keypoints
    assert joint_names([str(i) for i in range(17, 0, -1)]) == COCO_17.keypoints[::-1]
    for other in ([str(i) for i in range(1, 17)], [str(i) for i in range(2, 19)], ["1"] * 17, [f"{i}x" for i in range(17)]):
        assert joint_names(other) == tuple(other)
