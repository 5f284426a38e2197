"""Samples and targets: unlabelled joints stay out of the loss, mirrored people stay whole, the order repeats itself."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn import STANDING, STILL, draw_set, tiny_recipe
from numpy.typing import NDArray

from poseapp.core import heatmap, paf, transform
from poseapp.core.errors import DataError, SourceError
from poseapp.core.heatmap import input_px_per_cell
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18
from poseapp.live.sources.pictures import read_picture
from poseapp.train.data.annotations import Person, convert_joints, read_coco, read_image
from poseapp.train.data.augment import PLAIN, Augment
from poseapp.train.data.crop_dataset import CropDataset
from poseapp.train.data.order import Loading, Order
from poseapp.train.data.targets import Target, joint_weights, target_of
from poseapp.train.losses import masked_mse, summed_weight, supervise
from poseapp.train.recipes import RECIPES

TARGET = Target((64, 64), (16, 16), 1.5, "udp")


def test_an_unlabelled_joint_gets_no_gradient() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 4, requires_grad=True)
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.5]])
    masked_mse(maps, torch.zeros(2, 3, 4, 4), weight).backward()
    assert maps.grad is not None
    silent = maps.grad.abs().sum(dim=(2, 3)) == 0
    assert torch.equal(silent, weight == 0)


def test_the_loss_is_the_weighted_mean_over_labelled_joints() -> None:
    maps = torch.stack([torch.full((2, 2), 2.0), torch.full((2, 2), 5.0)])[None]
    weight = torch.tensor([[1.5, 0.5]])
    expected = (1.5 * 4 + 0.5 * 25) / 2
    assert float(masked_mse(maps, torch.zeros_like(maps), weight)) == pytest.approx(expected)
    assert float(supervise([maps, maps, maps], torch.zeros_like(maps), weight)) == pytest.approx(3 * expected)
    assert float(masked_mse(maps, torch.zeros_like(maps), torch.zeros(1, 2))) == 0
    per_pixel = weight[:, :, None, None].expand(1, 2, 2, 2)
    assert float(masked_mse(maps, torch.zeros_like(maps), per_pixel)) == pytest.approx(expected)


def test_hard_joint_mining_takes_the_worst_of_each_sample() -> None:
    maps = torch.arange(1.0, 5.0).view(1, 4, 1, 1).expand(2, 4, 3, 3)
    weight = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    # Sample 1: joints 4 and 3 (16 + 9); sample 2: joints 2 and 1 (4 + 1), the others are not labelled.
    assert float(masked_mse(maps, torch.zeros_like(maps), weight, hardest=2)) == pytest.approx((16 + 9 + 4 + 1) / 4)
    assert float(summed_weight(weight, hardest=2)) == 4


def test_far_joints_count_more() -> None:
    weights = dict(zip(COCO_17.keypoints, joint_weights(COCO_17).tolist(), strict=True))
    assert {round(weights[n], 6) for n in ("nose", "left_hip", "right_shoulder")} == {1.0}
    assert {round(weights[n], 6) for n in ("left_elbow", "right_knee")} == {1.2}
    assert {round(weights[n], 6) for n in ("left_wrist", "right_ankle")} == {1.5}


def test_targets_decode_to_the_joints() -> None:
    random = np.random.default_rng(0)
    joints = np.column_stack([random.uniform(12, 52, (17, 2)), np.full(17, 2)]).astype(np.float32)
    joints[3, 2], joints[3, :2] = 0, np.nan
    joints[4, :2] = (500, 20)  # labelled, outside: an empty map that counts
    maps, weight = TARGET.encode(joints)
    assert weight.tolist() == [float(k != 3) for k in range(17)]
    assert maps[3].max() == 0
    assert maps[4].max() == 0
    found = heatmap.decode(maps[None], "dark", 1.5)[0]
    xy = found[:, :2] * input_px_per_cell((64, 64), (16, 16), "udp")
    rest = [k for k in range(17) if k not in (3, 4)]
    assert np.abs(xy[rest] - joints[rest, :2]).max() < 0.1


def test_the_background_counts_only_where_every_joint_is_labelled() -> None:
    target = dataclasses.replace(TARGET, background=True)
    joints = np.column_stack([np.full((17, 2), 30), np.full(17, 2)]).astype(np.float32)
    maps, weight = target.encode(joints)
    assert maps.shape == (18, 16, 16)
    assert np.allclose(maps[17], 1 - maps[:17].max(axis=0))
    assert weight[17] == 1
    joints[0, 2] = 0
    assert target.encode(joints)[1][17] == 0


def mirrored(person: Person, folder: Path) -> Person:
    """The person as seen in a mirror, with a picture of its own: what a flip must be the same as."""
    image = read_image(person.path)
    path = folder / f"mirrored-{person.annotation_id}.png"
    cv2.imwrite(str(path), image[:, ::-1])
    joints = person.joints[COCO_17.flip_index].copy()
    joints[:, 0] = image.shape[1] - 1 - joints[:, 0]
    x, y, w, h = person.box
    box = np.array([image.shape[1] - 1 - (x + w), y, w, h], np.float32)
    return dataclasses.replace(person, path=path, joints=joints, box=box)


def test_a_flip_is_the_picture_of_the_mirrored_person(figures: list[Person], tmp_path: Path) -> None:
    always = dataclasses.replace(STILL, flip_p=1.0)
    other = [mirrored(p, tmp_path) for p in figures]
    flipped, plain = CropDataset(figures, COCO_17, TARGET, always), CropDataset(other, COCO_17, TARGET, STILL)
    for i in range(len(figures)):
        (crop, target, weight), (crop_m, target_m, weight_m) = flipped[0, i], plain[0, i]
        assert (crop.int() - crop_m.int()).abs().max() <= 2  # rounding of the interpolation
        assert torch.allclose(target, target_m, atol=1e-3)
        assert torch.equal(weight, weight_m)


def test_joints_move_with_the_pixels(figures: list[Person]) -> None:
    # Without colours' variation the dot of a joint must be where the target says, after any affine.
    vary = dataclasses.replace(PLAIN, half_body_p=0, rotation_p=1)
    data = CropDataset(figures, COCO_17, TARGET, vary)
    compared = 0
    for i, epoch in itertools.product(range(8), range(4)):
        person, random = figures[i], np.random.default_rng((0, epoch, i))
        crop, affine, flip, _ = data.crop(person, read_image(person.path), random)
        for k in (9, 10, 15, 16):  # far from the others
            x, y = np.rint(transform.apply(affine, person.joints[k, :2])).astype(int)
            if 1 <= x < 63 and 1 <= y < 63:
                hue = crop[y : y + 1, x : x + 1]
                seen = int(cv2.cvtColor(hue, cv2.COLOR_BGR2HSV)[0, 0, 0])
                assert min(abs(seen - 10 * k), 180 - abs(seen - 10 * k)) <= 8
                compared += 1
        assert isinstance(flip, bool)
    assert compared > 80


def test_samples_depend_on_seed_epoch_and_person_alone(figures: list[Person]) -> None:
    first, again = (CropDataset(figures, COCO_17, TARGET, Augment(), seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first[2, 5], again[2, 5], strict=True))
    assert not torch.equal(first[2, 5][0], first[3, 5][0])


def test_processes_share_an_epoch_without_overlap() -> None:
    recipe = tiny_recipe(batch=2, accumulate=2)
    seen = [list(Order(40, recipe, Loading(range(5), 5, rank, world=2))) for rank in (0, 1)]
    people = [i for rank in seen for batch in rank for _, i in batch]
    assert len(seen[0]) == len(seen[1]) == 10
    assert sorted(people) == list(range(40))
    # A run that begins at step 3 sees what step 3 would have seen.
    assert list(Order(40, recipe, Loading(range(3, 5), 5, 1, 2))) == seen[1][6:]


def test_skeletons_meet_by_name() -> None:
    joints = np.column_stack([np.arange(14), np.arange(14) * 2, np.full(14, 2)]).astype(np.float32)
    joints[9, 2] = 0  # left shoulder
    coco = convert_joints(joints, LSP_14.keypoints, COCO_17)
    assert coco[COCO_17.index("right_wrist")].tolist() == [6, 12, 2]
    assert (coco[:5, 2] == 0).all()  # LSP has no face
    assert np.isnan(coco[COCO_17.index("left_shoulder"), 0])
    mpii = convert_joints(joints, LSP_14.keypoints, MPII_16)
    assert mpii[MPII_16.index("head_top")].tolist() == [13, 26, 2]
    assert mpii[MPII_16.index("pelvis"), 2] == 0
    face_and_body = np.column_stack([np.arange(17), np.zeros(17), np.full(17, 2)]).astype(np.float32)
    openpose = convert_joints(face_and_body, COCO_17.keypoints, OPENPOSE_18)
    assert openpose[OPENPOSE_18.index("neck")].tolist() == [5.5, 0, 2]
    # The neck that LSP and MPII label is higher: it is neither made up for them, nor taken for OpenPose's.
    assert convert_joints(face_and_body, COCO_17.keypoints, LSP_14)[LSP_14.index("neck"), 2] == 0
    every = np.column_stack([np.arange(14), np.zeros(14), np.full(14, 2)]).astype(np.float32)
    assert convert_joints(every, LSP_14.keypoints, OPENPOSE_18)[OPENPOSE_18.index("neck")].tolist() == [8.5, 0, 2]


def test_a_set_with_fewer_joints_trains_beside_a_full_one(tmp_path: Path) -> None:
    full = read_coco(draw_set(tmp_path / "full", 2), tmp_path / "full" / "images", COCO_17)
    face = read_coco(draw_set(tmp_path / "face", 2, 1, COCO_17.keypoints[:5]), tmp_path / "face" / "images", COCO_17)
    data = CropDataset([*full, *face], COCO_17, TARGET, STILL)
    assert data[0, 0][2].tolist() == [1.0] * 17
    assert data[0, 2][2].tolist() == [1.0] * 5 + [0.0] * 12


def test_smaller_phases_have_smaller_targets() -> None:
    recipe = RECIPES["hourglass-s"]
    small, large = (target_of(recipe, phase.input_hw) for phase in recipe.phases)
    assert (small.heatmap_hw, large.heatmap_hw) == ((32, 24), (48, 36))
    assert (small.sigma_px, large.sigma_px) == (1.0, 1.5)


def two_people() -> tuple[Target, NDArray[np.float32], list[NDArray[np.float64]]]:
    """OpenPose's targets, two people (2, 18, 3) side by side in input px, and the corners of their boxes."""
    target = Target((128, 128), (32, 32), 1.0, "udp", background=True, limbs=OPENPOSE_18.limbs)
    coco = np.column_stack([STANDING, np.full(17, 2)]).astype(np.float32)
    person = convert_joints(coco, COCO_17.keypoints, OPENPOSE_18)
    there = np.array([64, 40, 0], np.float32)
    people = np.stack([person, person + there])
    corners = [np.array([[x, y], [x + 56, y], [x, y + 60], [x + 56, y + 60]]) for x, y in ((2.0, 0.0), (66.0, 40.0))]
    return target, people, corners


def test_fields_and_maps_of_two_people_decode_to_them() -> None:
    target, people, corners = two_people()
    maps, weight = target.encode_all(list(people), corners)
    limbs = len(OPENPOSE_18.limbs)
    assert maps.shape == weight.shape == (18 + 1 + 2 * limbs, 32, 32)
    assert (weight == 1).all()
    found, _ = paf.decode(maps[:18], maps[19:], OPENPOSE_18)
    assert len(found) == 2
    xy = found[..., :2] * input_px_per_cell((128, 128), (32, 32), "udp")
    order = np.argsort(xy[:, 1, 0])
    assert np.nanmax(np.abs(xy[order] - people[..., :2])) <= 0.5 * 127 / 31


def test_a_missing_label_masks_its_maps_and_limbs_in_that_box_alone() -> None:
    target, people, corners = two_people()
    wrist, elbow = OPENPOSE_18.index("left_wrist"), OPENPOSE_18.index("left_elbow")
    people[1, wrist] = (np.nan, np.nan, 0)
    maps, weight = target.encode_all(list(people), corners)
    limb = 19 + 2 * OPENPOSE_18.limbs.index((elbow, wrist))
    for channel in (wrist, 18, limb, limb + 1):
        assert weight[channel, 2, 2] == 1
        assert weight[channel, 20, 25] == 0  # within the second person's box
        assert 0.1 < (weight[channel] == 0).mean() < 0.35
    rest = [c for c in range(len(weight)) if c not in (wrist, 18, limb, limb + 1)]
    assert (weight[rest] == 1).all()
    assert maps[wrist].max() > 0.8  # the first person's wrist is still taught


def test_crops_for_fields_show_everybody_in_the_picture(tmp_path: Path) -> None:
    (person, *_) = read_coco(draw_set(tmp_path, 1), tmp_path / "images", OPENPOSE_18)
    right = np.array([20, 0, 0, 0], np.float32)
    beside = dataclasses.replace(person, joints=person.joints + right[:3], box=person.box + right)
    recipe = tiny_recipe("openpose")
    alone = CropDataset([person], OPENPOSE_18, target_of(recipe, (96, 96)), STILL)[0, 0]
    both = CropDataset([person, beside], OPENPOSE_18, target_of(recipe, (96, 96)), STILL)[0, 0]
    assert torch.equal(alone[0], both[0])
    assert float((both[1][:18] > 0.5).sum()) > 1.3 * float((alone[1][:18] > 0.5).sum())


def test_half_bodies_fill_the_crop() -> None:
    joints = np.column_stack([STANDING * 4, np.full(17, 2)]).astype(np.float32)
    half = dataclasses.replace(STILL, half_body_p=1.0)
    upper, lower = STANDING[:11] * 4, STANDING[11:] * 4
    seen = set()
    for seed in range(20):
        random = np.random.default_rng(seed)
        affine, _ = half.geometry(np.array([0.0, 0, 240, 240]), joints, COCO_17, (64, 64), random)
        low, high = transform.apply(transform.invert(affine), np.array([[-0.5, -0.5], [63.5, 63.5]]))
        for name, points in (("upper", upper), ("lower", lower)):
            extent = np.ptp(points, axis=0).max()
            if (points >= low).all() and (points <= high).all() and np.isclose((high - low).max(), 1.5 * extent, rtol=1e-3):
                seen.add(name)
    assert seen == {"upper", "lower"}
    joints[5:, 2] = 0  # too few labels: the whole box
    affine, _ = half.geometry(np.array([0.0, 0, 240, 240]), joints, COCO_17, (64, 64), np.random.default_rng(0))
    assert np.allclose(affine, transform.crop_affine((0, 0, 240, 240), (64, 64)))


def test_training_reads_the_pictures_that_the_live_side_reads(tmp_path: Path) -> None:
    """A motion photo has a video behind it; a picture that is cut off is none, for either."""
    image = np.full((48, 64, 3), (30, 60, 200), np.uint8)
    content = cv2.imencode(".jpg", image)[1].tobytes()
    (tmp_path / "motion.jpg").write_bytes(content + bytes(range(256)) * 100)
    (tmp_path / "cut.jpg").write_bytes(content[:-20])
    assert (read_image(tmp_path / "motion.jpg") == read_picture(tmp_path / "motion.jpg")).all()
    with pytest.raises(DataError, match="cut off"):
        read_image(tmp_path / "cut.jpg")
    with pytest.raises(SourceError, match="cut off"):
        read_picture(tmp_path / "cut.jpg")
