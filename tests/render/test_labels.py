"""Names of joints: they lead away from the body, overlap nothing, and those of the face appear when there is room."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, ImageArray, Poses
from poseapp.live.sources import SyntheticSource
from poseapp.render import DrawOptions, draw_poses
from poseapp.render.labels import Box, Labelled, draw_labels

GOLDEN = Path(__file__).parents[1] / "golden" / "labels.png"
HW = (720, 1280)
STANDING = SyntheticSource(HW).truth(0.4)
FACE = slice(0, 5)


def person(xy: FloatArray = STANDING, visible: range | list[int] = range(17), unit: float = 1.4) -> Labelled:
    mask = np.zeros(17, np.bool_)
    mask[list(visible)] = True
    return Labelled(skeleton=COCO_17, xy=xy.astype(np.float32), score=np.full(17, 0.97, np.float32), visible=mask, unit=unit)


def labels(*people: Labelled, taken: tuple[Box, ...] = (), hw: tuple[int, int] = HW) -> tuple[ImageArray, list[Box]]:
    image = np.full((*hw, 3), 90, np.uint8)
    return image, draw_labels(image, people, taken)


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def grown(xy: FloatArray, times: float) -> FloatArray:
    middle = xy.mean(axis=0)
    larger: FloatArray = middle + (xy - middle) * times
    return larger


def lying(xy: FloatArray) -> FloatArray:
    turned: FloatArray = (xy - xy.mean(axis=0))[:, ::-1] + np.array([HW[1] / 2, HW[0] / 2], np.float32)
    return turned


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("scale", [0.3, 0.6, 1.0])
def test_no_label_covers_another_one_or_a_joint_or_leaves_the_picture(turn: int, scale: float) -> None:
    xy = grown(lying(STANDING) if turn else STANDING, scale)
    crowd = [person(xy + np.array([dx, dy], np.float32)) for dx, dy in ((-160, 0), (0, 20), (130, -15))]
    _, boxes = labels(*crowd)
    assert len(boxes) > 5
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))
    for x, y in np.concatenate([one.xy for one in crowd]):
        assert not any(left < x < right and top < y < bottom for left, top, right, bottom in boxes)
    assert all(left >= 0 and top >= 0 and right <= HW[1] and bottom <= HW[0] for left, top, right, bottom in boxes)


def test_labels_lead_outwards() -> None:
    middle = STANDING[[5, 6, 11, 12]].mean(axis=0)
    for k in range(5, 17):
        left, _, right, _ = _box_of(k)
        assert right < STANDING[k, 0] if STANDING[k, 0] < middle[0] else left > STANDING[k, 0]


def _box_of(k: int) -> Box:
    """Where the name of joint *k* is, when all joints are there: the box nearest to it beside it."""
    _, boxes = labels(person())
    x, y = STANDING[k].tolist()
    return min(boxes, key=lambda b: max(b[0] - x, x - b[2], 0) + abs((b[1] + b[3]) / 2 - y))


def test_labels_of_somebody_who_lies_lead_up_and_down() -> None:
    xy = lying(STANDING)
    _, boxes = labels(person(xy, [5, 6, 11, 12, 15, 16]))
    assert len(boxes) == 6
    middle = xy[[5, 6, 11, 12], 1].mean()
    assert sum(bottom < middle for _, _, _, bottom in boxes) == 3
    assert sum(top > middle for _, top, _, _ in boxes) == 3


def test_the_face_is_named_when_it_is_large() -> None:
    body = len(labels(person(visible=range(5, 17)))[1])
    assert body == 12
    assert len(labels(person())[1]) == body, "five names do not fit on a small face"
    near = grown(STANDING, 7.0)
    near = near + (np.array([640, 360]) - near[FACE].mean(axis=0))
    assert len(labels(person(near, range(5)))[1]) >= 4


def test_what_is_taken_stays_free() -> None:
    wrist = _box_of(9)
    _, boxes = labels(person(), taken=(wrist,))
    assert not any(overlap(box, wrist) for box in boxes)


def test_labels_look_as_they_always_did() -> None:
    hw = (360, 480)
    xy = SyntheticSource(hw).truth(0.4)
    image, boxes = labels(person(xy, unit=0.8), person(xy + np.array([110, 10], np.float32), [0, 5, 6, 9, 10], 0.8), hw=hw)
    assert len(boxes) == 15
    golden = cv2.imread(str(GOLDEN))
    assert golden is not None
    difference = np.abs(image.astype(int) - golden)
    assert difference.mean() < 1.0
    assert (difference.max(axis=2) > 40).mean() < 0.002


def test_labels_are_drawn_after_all_people() -> None:
    """The limbs of the second person must not go through the names of the first."""
    xy = np.stack([STANDING, STANDING + np.array([90, 0])]).astype(np.float32)
    poses = Poses(
        xy=xy,
        score=np.full((2, 17), 0.9, np.float32),
        person_score=np.ones(2, np.float32),
        ids=np.array([1, 2]),
        skeleton=COCO_17,
    )
    image = np.zeros((*HW, 3), np.uint8)
    draw_poses(image, poses, DrawOptions(labels=True), identities=True)
    swapped = np.zeros((*HW, 3), np.uint8)
    draw_poses(swapped, poses, DrawOptions(), identities=True)
    white = (image == 255).all(axis=2) & (swapped != 255).any(axis=2)
    assert white.sum() > 1500, "letters are whole: nothing is drawn over them"
