"""Samples made on a device are those that loading processes make: the same geometry, looks and targets."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from drawn import STILL, Small, draw_set, tiny_recipe

from poseapp.core import transform
from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.core.transform import crop_affine, crop_affines, fit_aspect
from poseapp.train import checkpoint
from poseapp.train.data import resident, resident_appearance
from poseapp.train.data.annotations import BOX_PADDING, Person, read_coco, read_image
from poseapp.train.data.augment import PLAIN, Appearance, Augment
from poseapp.train.data.crop_dataset import CropDataset
from poseapp.train.data.resident import Resident
from poseapp.train.data.resident_appearance import jpeg
from poseapp.train.data.targets import target_of
from poseapp.train.loop import Options, train
from poseapp.train.recipes import Phase, Recipe

HW = (64, 64)


def small_recipe(**changes: Any) -> Recipe:
    return tiny_recipe(**{"net": Small, "batch": 2, "epochs": 3, **changes})


def picture(hw: tuple[int, int], seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Soft colours, so that a wrong position shows as a wrong grey level, but not the rounding of a sampling position."""
    noise = np.random.default_rng(seed).integers(0, 256, (14, 11, 3), np.uint8)
    return cv2.resize(noise, hw[::-1], interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


@pytest.fixture
def two_sizes(tmp_path: Path) -> list[Person]:
    """One person in a picture of the input's size, one in a picture that is larger than what is stored."""
    people = []
    for i, (h, w) in enumerate([(120, 90), (700, 900)]):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture((h, w), i))
        joints = np.random.default_rng(i).uniform((0.3 * w, 0.1 * h), (0.7 * w, 0.9 * h), (17, 2))
        box = np.array([0.3 * w, 0.1 * h, 0.4 * w, 0.8 * h], np.float32)
        labels = np.column_stack([joints, np.full(17, 2)]).astype(np.float32)
        people.append(Person(i, i, tmp_path / f"{i}.png", box, labels, 1e4))
    return people


@pytest.mark.parametrize("input_hw", [(96, 72), (128, 96), (256, 192)])
def test_crops_are_those_that_are_cut_from_the_picture(two_sizes: list[Person], input_hw: tuple[int, int]) -> None:
    recipe = small_recipe(phases=(Phase((96, 72), 0.5), Phase((256, 192), 0.5)), augment=dataclasses.replace(PLAIN))
    held = Resident(two_sizes, recipe, "cpu")
    random = np.random.default_rng(0)
    for i, person in enumerate(two_sizes):
        image = read_image(person.path)
        box = fit_aspect(person.box, input_hw, BOX_PADDING)
        for _ in range(6):
            affine, _ = recipe.augment.geometry(box, person.joints, COCO_17, input_hw, random)
            found = held.crops(np.array([i]), affine[None], input_hw)[0].permute(1, 2, 0).numpy()
            expected = transform.crop(image, affine, input_hw).astype(np.float32)
            assert np.abs(found - expected).mean() < (1.0 if i == 0 else 2.0)
            assert np.percentile(np.abs(found - expected), 99) <= 12  # black borders may begin half a pixel beside


def test_joints_move_with_the_pixels(tmp_path: Path) -> None:
    # A bright dot at each of a few joints, anywhere on a dark picture larger than what is stored; whatever the affine, its
    # centre of light lies where the target's does.
    random = np.random.default_rng(1)
    people = []
    for i in range(12):
        h, w = (900, 800) if i % 2 else (220, 200)
        image = np.zeros((h, w, 3), np.uint8)
        joints = np.zeros((17, 3), np.float32)
        k = int(random.integers(5, 17))
        x, y = random.uniform(0.3, 0.7, 2) * (w, h)
        sigma = h / 60
        ys, xs = np.mgrid[:h, :w]
        image[:] = np.rint(255 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)))[..., None]
        joints[k] = x, y, 2
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
        people.append(
            Person(i, i, tmp_path / f"{i}.png", np.array([0.1 * w, 0.1 * h, 0.8 * w, 0.8 * h], np.float32), joints, 1.0)
        )
    recipe = small_recipe(phases=(Phase((256, 192), 1.0),), augment=dataclasses.replace(PLAIN, rotation_p=1))
    target = target_of(recipe, (256, 192))
    held = Resident(people, recipe, "cpu")
    seen = 0
    for epoch in range(6):
        crops, maps, weights = held.batch(np.arange(12), target, np.random.default_rng(epoch))
        for crop, maps_of_one, weight in zip(crops.numpy(), maps.numpy(), weights.numpy(), strict=True):
            light = crop[..., 0].astype(np.float64)
            edge = max(light[0].max(), light[-1].max(), light[:, 0].max(), light[:, -1].max())
            if light.max() < 100 or edge > 3:
                continue  # outside, or cut by the edge
            (joint,) = np.flatnonzero(weight)
            heat = maps_of_one[joint].astype(np.float64)
            if max(heat[0].max(), heat[-1].max(), heat[:, 0].max(), heat[:, -1].max()) > 0:
                continue
            ys, xs = np.mgrid[: light.shape[0], : light.shape[1]]
            at = np.array([(light * xs).sum(), (light * ys).sum()]) / light.sum()
            ys, xs = np.mgrid[: heat.shape[0], : heat.shape[1]]
            cell = np.array([(heat * xs).sum(), (heat * ys).sum()]) / heat.sum()
            expected = cell * (np.array([191, 255]) / np.array([47, 63]))
            assert np.abs(at - expected).max() < 0.25
            seen += 1
    assert seen > 40


def test_targets_and_weights_are_those_of_the_loader(figures: list[Person]) -> None:
    figures[1].joints[3:6, 2] = 0
    figures[2] = dataclasses.replace(figures[2], weight=0.5, trust=np.linspace(0, 1, 17).astype(np.float32))
    for background in (False, True):
        recipe = small_recipe(augment=STILL, far_joint_weights=True, background=background)
        target = target_of(recipe, HW)
        crops, maps, weights = Resident(figures, recipe, "cpu").batch(np.arange(8), target, np.random.default_rng(0))
        data = CropDataset(figures, COCO_17, target, STILL)
        for i in range(8):
            crop, expected, weight = data[0, i]
            assert (crops[i].int() - crop.int()).abs().max() <= 3
            assert torch.allclose(maps[i], expected, atol=1e-5)
            assert torch.allclose(weights[i], weight)


def test_mirroring_swaps_joints_and_how_much_they_count(figures: list[Person]) -> None:
    trust = np.arange(17, dtype=np.float32)
    people = [dataclasses.replace(figures[0], trust=trust)]
    for loaded in (False, True):
        recipe = small_recipe(augment=dataclasses.replace(STILL, flip_p=1))
        target = target_of(recipe, HW)
        if loaded:
            _, maps, weights = (x[None] for x in CropDataset(people, COCO_17, target, recipe.augment)[0, 0])
        else:
            _, maps, weights = Resident(people, recipe, "cpu").batch(np.arange(1), target, np.random.default_rng(0))
        assert weights[0].tolist() == trust[COCO_17.flip_index].tolist()
        plain = target_of(recipe, HW).encode(_in_crop(people[0]))[0]
        assert np.allclose(maps[0].numpy(), plain[COCO_17.flip_index][..., ::-1], atol=1e-4)


def _in_crop(person: Person) -> Any:
    affine = crop_affine(fit_aspect(person.box, HW, BOX_PADDING), HW)
    return np.column_stack([transform.apply(affine, person.joints[:, :2]), person.joints[:, 2]]).astype(np.float32)


def test_a_joint_beyond_the_end_of_the_frame_is_taught_as_absent(figures: list[Person]) -> None:
    recipe = small_recipe(augment=dataclasses.replace(STILL, cut_p=1))
    target = target_of(recipe, HW)
    held = Resident(figures, recipe, "cpu")
    data = CropDataset(figures, COCO_17, target, recipe.augment)
    cut = 0
    for i, epoch in itertools.product(range(8), range(3)):
        samples = held.batch(np.array([i]), target, np.random.default_rng((epoch, i))), data[epoch, i]
        for crop, maps, weights in ((s[0].reshape(64, 64, 3), s[1].reshape(17, 16, 16), s[2].reshape(17)) for s in samples):
            assert (weights == 1).all()  # labelled, wherever it is
            for k, point in enumerate(_in_crop(figures[i])[:, :2]):
                x, y = np.rint(point).astype(int)
                black = not crop[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].any()
                if black:
                    assert maps[k].max() == 0
                    cut += 1
                elif crop[y - 2 : y + 3, x - 2 : x + 3].all(dim=2).all():
                    assert maps[k].max() > 0.5
    assert cut > 30


def test_affines_of_many_boxes_are_those_of_each() -> None:
    random = np.random.default_rng(0)
    boxes = np.column_stack([random.uniform(-50, 400, (20, 2)), random.uniform(5, 300, (20, 2))])
    angle, flip = random.uniform(-90, 90, 20), random.random(20) < 0.5
    found = crop_affines(boxes, (256, 192), angle, flip)
    for affine, box, degrees, mirrored in zip(found, boxes, angle, flip, strict=True):
        assert np.allclose(affine, crop_affine(box, (256, 192), degrees, bool(mirrored)), atol=1e-9)


def only(**changes: Any) -> Augment:
    return dataclasses.replace(PLAIN, **changes)


@pytest.mark.parametrize(
    ("augment", "mean", "share"),
    [
        (only(colour_p=1), 0.6, 0.999),
        (only(occlude_p=1), 0.5, 0.985),  # the outlines differ by a pixel
        (only(blur_p=1), 0.6, 0.999),
        (only(coarse_p=1), 1.0, 0.99),
        (only(jpeg_p=1), 1.5, 0.97),
        (only(erase_p=1), 0.01, 1.0),
        (only(cut_p=1), 0.01, 1.0),
    ],
    ids=["colour", "occlude", "blur", "coarse", "jpeg", "erase", "cut"],
)
def test_looks_are_the_same_on_the_device(augment: Augment, mean: float, share: float) -> None:
    hw, n = (96, 72), 24
    crops = np.stack([picture(hw, seed) for seed in range(n)])
    appearance = augment.appearances(n, hw, np.random.default_rng(0))
    expected = np.stack([appearance.apply(crop, i) for i, crop in enumerate(crops)]).astype(np.float32)
    found = resident_appearance.apply(appearance, torch.from_numpy(crops).permute(0, 3, 1, 2).float()).permute(0, 2, 3, 1).numpy()
    assert np.abs(expected - crops).mean() > 0.5  # something was done
    difference = np.abs(found - expected)
    assert difference.mean() < mean
    assert (difference <= 8).mean() >= share


def test_noise_has_the_same_strength_and_low_light_comes_with_it() -> None:
    hw, n = (96, 80), 40
    crops = np.full((n, *hw, 3), 128, np.uint8)
    appearance = only(noise_p=0.5, dark_p=0.5).appearances(n, hw, np.random.default_rng(0))
    expected = np.stack([appearance.apply(crop, i) for i, crop in enumerate(crops)]).astype(np.float32)
    found = resident_appearance.apply(appearance, torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()
    for i in range(n):
        assert found[i].mean() == pytest.approx(expected[i].mean(), abs=0.5)
        assert found[i].std() == pytest.approx(expected[i].std(), rel=0.05, abs=0.01)
        assert found[i].std() == pytest.approx(appearance.noise[i], rel=0.1, abs=0.01)
    dark = appearance.light < 1
    assert 8 < dark.sum() < 32
    assert (appearance.noise[dark] >= 4).all()


def test_jpeg_is_that_of_a_file() -> None:
    image = picture((93, 70))  # not in whole blocks
    for quality in (10, 40, 70):
        content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        expected = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert expected is not None
        x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        found = jpeg(x, torch.tensor([quality]))[0].permute(1, 2, 0).numpy()
        lost = np.abs(expected.astype(np.float32) - image).mean()
        assert np.abs(found - expected).mean() < 0.35 * lost


def test_how_often_and_how_much() -> None:
    # What is drawn for many at once is distributed as what is drawn one by one.
    augment, n = Augment(), 3000
    random = np.random.default_rng(0)
    box, joints = (
        np.array([100.0, 50, 90, 180]),
        np.column_stack([random.uniform((100, 50), (190, 230), (17, 2)), np.full(17, 2)]),
    )
    joints = joints.astype(np.float32)
    many, flips = augment.geometries(np.tile(box, (n, 1)), np.tile(joints, (n, 1, 1)), COCO_17, (256, 192), random)
    singles = [augment.geometry(box, joints, COCO_17, (256, 192), random) for _ in range(n)]
    one = np.stack([affine for affine, _ in singles])
    assert flips.mean() == pytest.approx(0.5, abs=0.03)
    assert np.mean([flip for _, flip in singles]) == pytest.approx(0.5, abs=0.03)
    for name, value in (("scale", np.linalg.det), ("angle", lambda a: np.abs(np.arctan2(a[:, 1, 0], a[:, 1, 1])))):
        a, b = (np.percentile(np.abs(value(x[..., :2])), [10, 25, 50, 75, 90]) for x in (many, one))
        assert np.allclose(a, b, rtol=0.12, atol=0.02), name
    appearance = augment.appearances(n, (256, 192), random)
    for chosen, p in (
        (appearance.coloured, 0.8),
        (appearance.occluded, 0.2),
        (appearance.quality > 0, 0.15),
        (appearance.coarse > 1, 0.08),
    ):
        assert chosen.mean() == pytest.approx(p, abs=0.035)


def run(recipe: Recipe, data: Any, folder: Path, steps: int | None = None, **more: Any) -> list[float]:
    training = train(recipe, data, folder, Options(workers=0, **more))
    losses = [p.loss for p in itertools.islice(training, steps)]
    training.close()
    return losses


def test_a_resumed_run_has_the_numbers_of_an_uninterrupted_one(figures: list[Person], tmp_path: Path) -> None:
    phases = (Phase((32, 32), 0.5), Phase((64, 64), 0.5))
    recipe = small_recipe(augment=Augment(), phases=phases, batch=1, accumulate=2)
    whole = run(recipe, Resident(figures, recipe, "cpu"), tmp_path / "whole")
    begun = run(recipe, Resident(figures, recipe, "cpu"), tmp_path / "parts", steps=5)
    ended = run(recipe, Resident(figures, recipe, "cpu"), tmp_path / "parts", resume=True)
    assert len(whole) == 12
    assert begun + ended == whole
    one, other = (checkpoint.read(tmp_path / name / "last.pt").ema for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(set(whole)) == 12


def test_the_seed_decides(figures: list[Person]) -> None:
    recipe = small_recipe(augment=Augment())
    held, target = Resident(figures, recipe, "cpu"), target_of(recipe, HW)
    order = [[(0, 0), (0, 1)], [(0, 2), (0, 3)]]
    first, again, later = (list(held.batches(order, target, step)) for step in (0, 0, 1))
    assert all(torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not torch.equal(first[0][0], later[0][0])
    other = Resident(figures, dataclasses.replace(recipe, seed=1), "cpu")
    assert not torch.equal(first[0][0], next(iter(other.batches(order, target, 0)))[0])


def test_what_cannot_be_held(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    figures = read_coco(draw_set(tmp_path), tmp_path / "images", COCO_17)
    figures[2].path.write_bytes(b"")
    recipe = small_recipe(augment=STILL)
    with caplog.at_level(logging.WARNING):
        held = Resident(figures, recipe, "cpu")
    assert "not a readable picture" in caplog.text
    crops, _, weights = held.batch(np.array([1, 2]), target_of(recipe, HW), np.random.default_rng(0))
    assert weights.sum(dim=1).tolist() == [17, 0]
    assert not crops[1].any()
    assert held.bytes > 7 * 60 * 60 * 3
    with pytest.raises(DataError, match="its targets show everybody in a crop"):
        Resident(figures, tiny_recipe("openpose"), "cpu")


def test_a_set_of_which_no_picture_can_be_read_is_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = read_coco(draw_set(tmp_path), tmp_path / "images", COCO_17)
    contents = [figure.path.read_bytes() for figure in figures]
    for figure in figures:
        figure.path.write_bytes(b"")
    with pytest.raises(DataError, match=r"in a row cannot be read, the last: .*empty"):
        Resident(figures, small_recipe(), "cpu")
    monkeypatch.setattr(resident, "GONE", 2)
    figures[0].path.write_bytes(contents[0])
    with pytest.raises(DataError, match="2 pictures in a row cannot be read"):
        Resident(figures, small_recipe(), "cpu")
    for figure, content in zip(figures[1:], contents[1:], strict=True):
        figure.path.write_bytes(content)
    figures[0].path.write_bytes(b"")
    assert len(Resident(figures, small_recipe(), "cpu")) == len(figures)  # one is left out


def test_looks_hold_one_row_for_each_crop() -> None:
    appearance = Augment().appearances(5, HW, np.random.default_rng(0))
    assert {len(getattr(appearance, f.name)) for f in dataclasses.fields(Appearance)} == {5}


def test_people_who_are_seen_more_often_are_stored_once(two_sizes: list[Person]) -> None:
    once, often = (Resident(people, small_recipe(), "cpu") for people in (two_sizes, [*two_sizes, *two_sizes[::-1]]))
    assert len(often) == 4
    assert often.bytes == once.bytes
    affines = crop_affines(fit_aspect(once.boxes, HW, BOX_PADDING), HW, np.zeros(2), np.zeros(2, bool))
    crops = once.crops(np.arange(2), affines, HW)
    assert torch.equal(often.crops(np.arange(2), affines, HW), crops)
    assert torch.equal(often.crops(np.array([3, 2]), affines, HW), crops)


def test_what_goes_to_a_gpu_goes_from_pinned_memory_and_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[object] = []
    pinned = torch.zeros(1)

    def to(tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        requested.append((tensor is pinned, device.type, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda _: pinned)
    monkeypatch.setattr(torch.Tensor, "to", to)
    for device in ("cuda", "cpu"):
        resident_appearance.upload(np.zeros(3, np.float32), torch.device(device))
    assert requested == [(True, "cuda", True), (False, "cpu", False)]
