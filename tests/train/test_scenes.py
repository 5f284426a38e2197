"""Whole pictures, scenes made of them, and what is masked in them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from crowd import HW, add, draw_crowd

from poseapp.core import paf, transform
from poseapp.core.skeleton import COCO_17, OPENPOSE_18
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Picture, Scenes, read_pictures
from poseapp.train.data.loader import loaded
from poseapp.train.data.scene_dataset import CropPoses, SceneDataset, cuts, moved_box, visible
from poseapp.train.data.targets import Target
from poseapp.train.tasks.bottom_up import SceneEncoder
from poseapp.train.tasks.detection import BoxEncoder

WHOLE = Scenes(grids=((1, 1, 1.0),), group_p=0, fitted_p=0)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    path = draw_crowd(tmp_path)
    add(path, 1, (150, 10, 20, 30))
    add(path, 2, (0, 0, 30, 40), iscrowd=1)
    return read_pictures(LabelledSet(path, tmp_path / "images", "train"), COCO_17)


def pose_encoder(hw: tuple[int, int] = HW) -> SceneEncoder:
    cells = hw[0] // 4, hw[1] // 4
    target = Target(hw, cells, 1.5, "centre", background=True, limbs=OPENPOSE_18.limbs, limb_width_px=1.5)
    return SceneEncoder(target, 4, OPENPOSE_18.k)


def test_everybody_is_read_crowds_apart(pictures: list[Picture]) -> None:
    assert [len(p.people) for p in pictures] == [3, 2, 2, 2]
    assert [len(p.crowds) for p in pictures] == [0, 1, 0, 0]
    assert pictures[0].people[2].joints[:, 2].sum() == 0
    assert pictures[1].crowds[0] == pytest.approx([-0.5, -0.5, 30, 40])


def test_a_picture_of_a_crowd_alone_is_read(tmp_path: Path) -> None:
    path = draw_crowd(tmp_path, pictures=2, people=1)
    content = path.read_text(encoding="utf-8").replace('"iscrowd": 0', '"iscrowd": 1', 1)
    path.write_text(content, encoding="utf-8")
    read = read_pictures(LabelledSet(path, tmp_path / "images", "train"), COCO_17)
    assert sorted((len(p.people), len(p.crowds)) for p in read) == [(0, 1), (1, 0)]


def test_placed_people_have_the_wanted_height(pictures: list[Picture]) -> None:
    random = np.random.default_rng(0)
    heights, inside = [], 0
    for _ in range(400):
        affine, _ = dataclasses.replace(WHOLE, rotation_deg=0, heights=(0.1, 0.6), enlarge=9).placed(
            pictures[2], HW, (48, 48), 160, random
        )
        boxes = [moved_box(p.box, affine) for p in pictures[2].people]
        heights.append(boxes[0][3])
        centres = [box[:2] + box[2:] / 2 for box in boxes]
        inside += any((c > -1).all() and (c < 48).all() for c in centres)
    assert inside == 400  # the chosen one is in the picture
    assert max(heights) < 1.3 * 48 * 1.5  # the other figure may be larger
    assert np.percentile(heights, 90) > 1.6 * np.percentile(heights, 10)


def test_a_tile_is_covered_where_it_can_be(pictures: list[Picture]) -> None:
    random = np.random.default_rng(1)
    corners = np.array([[-0.5, -0.5], [HW[1] - 0.5, HW[0] - 0.5]])
    for _ in range(200):
        affine, _ = WHOLE.placed(pictures[2], HW, (160, 160), 160, random)
        a, b = transform.apply(affine, corners)
        low, high = np.minimum(a, b), np.maximum(a, b)
        covered = np.minimum(high, 159.5) - np.maximum(low, -0.5)
        assert (covered >= np.minimum(high - low, 160) - 0.01).all()
        assert (covered >= 0.84 * 160).any()


def test_the_same_number_gives_the_same_scene_in_any_order(pictures: list[Picture]) -> None:
    data = SceneDataset(pictures, COCO_17, BoxEncoder(), (160, 160), 160, Scenes(), None, seed=4)
    first = [data[2, i] for i in (0, 1, 2)]
    again = [data[2, i] for i in (2, 1, 0)][::-1]
    for a, b in zip(first, again, strict=True):
        assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert not (first[0][0] == data[3, 0][0]).all()


def test_tiles_meet_at_multiples_of_the_stride(pictures: list[Picture]) -> None:
    random = np.random.default_rng(2)
    for _ in range(50):
        places = cuts(160, 3, 8, random)
        assert places[0] == 0
        assert places[-1] == 160
        assert (places % 8 == 0).all()
        assert (np.diff(places) >= 8).all()
    scenes = Scenes(grids=((2, 2, 1.0),))
    crop, target, weight = SceneDataset(pictures, COCO_17, BoxEncoder(), (160, 160), 160, scenes, None)[0, 0]
    assert crop.shape == (160, 160, 3)
    assert target.shape == (5, 20, 20)
    assert weight.shape == (2, 20, 20)


def test_a_picture_that_cannot_be_read_teaches_nothing(pictures: list[Picture]) -> None:
    pictures[0].path.write_bytes(b"no picture")
    data = SceneDataset(pictures[:2], COCO_17, BoxEncoder(), (64, 64), 64, WHOLE, None)
    ((crops, _, weights), readable) = next(loaded(data, 0, batch_sampler=[[(0, 0), (0, 1)]]))
    assert readable.tolist() == [False, True]
    assert int(crops[0].max()) == 0
    assert float(weights[0].max()) == 0
    assert float(weights[1].max()) > 0


def test_mirrored_people_swap_left_and_right(pictures: list[Picture]) -> None:
    mirror = dataclasses.replace(WHOLE, flip_p=1.0)
    data = SceneDataset(pictures[2:3], COCO_17, BoxEncoder(), HW, HW[0], mirror, None)
    affine = np.array([[-1.0, 0, HW[1] - 1], [0, 1, 0]])
    seen = data._seen(pictures[2].people[0], affine, True)
    left, right = (pictures[2].people[0].joints[COCO_17.index(f"{side}_wrist")] for side in ("left", "right"))
    assert seen.joints[COCO_17.index("right_wrist"), 0] == pytest.approx(HW[1] - 1 - left[0])
    assert seen.joints[COCO_17.index("left_wrist"), 0] == pytest.approx(HW[1] - 1 - right[0])


def test_maps_of_two_people_come_apart_again(tmp_path: Path) -> None:
    path = draw_crowd(tmp_path, pictures=1)
    (picture,) = read_pictures(LabelledSet(path, tmp_path / "images", "train"), OPENPOSE_18)
    people = [CropPoses(p.joints, p.box) for p in picture.people]
    maps, weight = pose_encoder().encode(people, (), HW)
    assert weight.min() == 1  # all labelled, nothing to mask
    joints, _ = paf.decode(maps[:18], maps[19:], OPENPOSE_18)
    assert len(joints) == 2
    joints[..., :2] = joints[..., :2] * 4 + 1.5
    joints = joints[np.argsort(joints[:, 1, 0])]
    for found, person in zip(joints, picture.people, strict=True):
        assert np.linalg.norm(found[:, :2] - person.joints[:, :2], axis=1).max() < 2.0


def test_what_nobody_knows_is_masked(tmp_path: Path) -> None:
    path = draw_crowd(tmp_path, pictures=1)
    (picture,) = read_pictures(LabelledSet(path, tmp_path / "images", "train"), OPENPOSE_18)
    full, half = (CropPoses(p.joints.copy(), p.box) for p in picture.people)
    knee = OPENPOSE_18.index("left_knee")
    half.joints[knee] = (np.nan, np.nan, 0)
    crowd = np.array([0, 0, 20, 24], np.float32)
    speck = CropPoses(np.zeros((18, 3), np.float32), np.array([180, 100, 8, 12], np.float32))
    maps, weight = pose_encoder().encode([full, half, speck], [crowd], HW)
    assert weight.shape == maps.shape == (57, 32, 48)
    assert weight[:, :6, :5].max() == 0  # the crowd
    assert weight[:, 26, 46].max() == 0  # the one who is too small
    x, y = ((half.box[:2] + half.box[2:] / 2) / 4).astype(int)
    touching = [i for i, limb in enumerate(OPENPOSE_18.limbs) if knee in limb]
    assert weight[knee, y, x] == 0
    assert weight[18, y, x] == 0  # nor is it known to be background
    assert all(weight[19 + 2 * i : 21 + 2 * i, y, x].max() == 0 for i in touching)
    assert weight[OPENPOSE_18.index("nose"), y, x] == 1
    x, y = ((full.box[:2] + full.box[2:] / 2) / 4).astype(int)
    assert weight[:, y, x].min() == 1


def test_nobody_is_a_picture_of_background() -> None:
    maps, weight = pose_encoder().encode((), (), HW)
    assert weight.min() == 1
    assert maps[18].min() == 1
    assert np.delete(maps, 18, axis=0).max() == 0


def test_the_part_that_can_be_seen() -> None:
    box = np.array([-10, 20, 30, 50], np.float32)
    assert visible(box, (40, 60)) == pytest.approx([-0.5, 20, 20.5, 19.5])
    assert visible(np.array([90, 0, 5, 5], np.float32), (40, 60))[2:].min() == 0
