"""Frame to input and back: exact to a thousandth of a pixel, and pictures go where points go."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from poseapp.core.transform import Affine, apply, compose, crop, crop_affine, fit_aspect, invert, whole_box
from poseapp.core.types import FloatArray, ImageArray

INPUT_HW = (192, 144)
RNG = np.random.default_rng(5)


def blob(hw: tuple[int, int], xy: NDArray[np.floating], sigma_px: float) -> ImageArray:
    ys, xs = np.mgrid[: hw[0], : hw[1]]
    light = 255 * np.exp(-((xs - xy[0]) ** 2 + (ys - xy[1]) ** 2) / (2 * sigma_px**2))
    picture: ImageArray = np.repeat(np.rint(light).astype(np.uint8)[..., None], 3, axis=2)
    return picture


def centroid(image: ImageArray) -> NDArray[np.float64]:
    light = image[..., 0].astype(np.float64)
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = light / light.sum()
    return np.array([(xs * weights).sum(), (ys * weights).sum()])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotation_deg", [0.0, 30.0, -75.0, 180.0])
def test_there_and_back_is_exact(rotation_deg: float, flip: bool) -> None:
    for box in ((-0.5, -0.5, 1280, 720), (300, 100, 80, 400), (-200, -50, 90.5, 33.3), (1000, 600, 2000, 3000)):
        affine = crop_affine(box, INPUT_HW, rotation_deg, flip)
        points = RNG.uniform(-500, 2000, (50, 17, 2)).astype(np.float32)
        back = apply(invert(affine), apply(affine, points))
        assert back.dtype == np.float32
        assert np.abs(back - points).max() < 1e-3
        double = RNG.uniform(-500, 2000, (50, 2))
        assert np.abs(apply(invert(affine), apply(affine, double)) - double).max() < 1e-9


def test_missing_points_stay_missing() -> None:
    affine = crop_affine((0, 0, 10, 10), INPUT_HW)
    assert np.isnan(apply(affine, np.full((3, 2), np.nan, np.float32))).all()


def test_the_outer_edges_of_the_box_meet_those_of_the_input() -> None:
    """An integer is the centre of a pixel, so a picture's edge lies half a pixel outside the outermost centres."""
    box = whole_box((720, 540))
    affine = crop_affine(box, INPUT_HW)
    corners = apply(affine, np.array([[-0.5, -0.5], [539.5, 719.5]]))
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [143.5, 191.5]], atol=1e-9)


def test_a_crop_of_the_inputs_own_size_is_the_picture_itself() -> None:
    picture = RNG.integers(0, 256, (*INPUT_HW, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop(picture, crop_affine(whole_box(INPUT_HW), INPUT_HW), INPUT_HW), picture)


def test_aspect_is_kept_and_nothing_of_the_box_is_lost() -> None:
    for box in ((10, 20, 300, 50), (10, 20, 50, 300)):
        x, y, w, h = fit_aspect(box, INPUT_HW, 1.25)
        assert w / h == pytest.approx(144 / 192)
        assert x <= box[0]
        assert y <= box[1]
        assert x + w >= box[0] + box[2]
        assert y + h >= box[1] + box[3]
        assert (x + w / 2, y + h / 2) == pytest.approx((box[0] + box[2] / 2, box[1] + box[3] / 2))
        affine = crop_affine(box, INPUT_HW)
        assert affine[0, 0] == pytest.approx(affine[1, 1])


def test_composition_applies_the_inner_one_first() -> None:
    inner, outer = crop_affine((3, 4, 50, 60), INPUT_HW, 20), crop_affine((30, 10, 90, 60), INPUT_HW, -40, flip=True)
    points = RNG.uniform(0, 100, (9, 2))
    np.testing.assert_allclose(apply(compose(outer, inner), points), apply(outer, apply(inner, points)), atol=1e-9)


def test_turning_is_clockwise_on_the_screen_and_mirroring_comes_after() -> None:
    right_of_centre = np.array([[60.0, 50.0]])
    turned = apply(crop_affine((0, 0, 101, 101), (101, 101), 90.0), right_of_centre + 0.5)
    np.testing.assert_allclose(turned, [[50.0, 60.0]], atol=1e-9)  # now below the centre: y points down
    mirrored = apply(crop_affine((0, 0, 101, 101), (101, 101), 90.0, flip=True), right_of_centre + 0.5)
    np.testing.assert_allclose(mirrored, [[50.0, 60.0]], atol=1e-9)
    plain = apply(crop_affine((0, 0, 101, 101), (101, 101), flip=True), right_of_centre + 0.5)
    np.testing.assert_allclose(plain, [[40.0, 50.0]], atol=1e-9)


@pytest.mark.parametrize("box", [(5, 5, 0, 0), (0, 0, -4, -4)])
def test_a_box_without_area_is_refused(box: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a box with an area"):
        crop_affine(box, INPUT_HW)


@pytest.mark.parametrize("reduction", [0.4, 1.0, 1.9, 2.0, 2.7, 3.0, 4.0, 5.5, 8.0])
def test_pictures_go_where_points_go(reduction: float) -> None:
    """A blurred dot is found where its centre is mapped to, however strong the reduction: no sub-pixel shift."""
    height = 192 * reduction
    hw = (int(height) + 41, int(height) + 67)
    box = (13.3, 8.7, height * 0.75, height)
    affine = crop_affine(box, INPUT_HW)
    for share in ((0.5, 0.5), (0.31, 0.42), (0.77, 0.23)):
        centre = np.array([box[0] + share[0] * box[2], box[1] + share[1] * box[3]])
        found = centroid(crop(blob(hw, centre, max(2.0, 3.0 * reduction)), affine, INPUT_HW))
        np.testing.assert_allclose(found, apply(affine, centre), atol=0.02)


def test_a_strong_reduction_averages_and_does_not_sample() -> None:
    """Single bright pixels would flicker in a sampled crop; averaged, every pixel counts the same."""
    noise = np.repeat(RNG.integers(0, 2, (768, 576, 1), dtype=np.uint8) * 255, 3, axis=2)
    small = crop(noise, crop_affine(whole_box((768, 576)), INPUT_HW), INPUT_HW).astype(float)
    # Of 16 independent pixels each, so a quarter of the deviation of one.
    assert small.std() == pytest.approx(127.5 / 4, rel=0.1)


def plain_crop(image: ImageArray, affine: Affine, input_hw: tuple[int, int]) -> ImageArray:
    """As plainly as can be: the three channels of the whole picture, halved by averaging from a corner outside the crop."""
    h, w = input_hw
    halvings = max(0, int(math.log2(abs(np.linalg.det(affine[:, :2])) ** -0.5) + 0.2))
    factor = 2**halvings
    if halvings:
        corners = apply(invert(affine), np.array([(x, y) for x in (-1.0, w) for y in (-1.0, h)]))
        x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - factor, 0).tolist()
        image = image[y0:, x0:]
        for _ in range(halvings):
            image = image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2]
            half = (image.shape[1] // 2, len(image) // 2)
            image = cv2.resize(image, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        affine = compose(affine, np.array([[factor, 0.0, x0 + (factor - 1) / 2], [0.0, factor, y0 + (factor - 1) / 2]]))
    return cv2.warpAffine(image, affine, (w, h), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def test_a_crop_of_the_part_that_is_seen_is_one_of_the_whole_picture() -> None:
    """To one step of 255, wherever it lies, however it is turned and reduced, and on noise, which shows the most."""
    random = np.random.default_rng(2)
    noise = random.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    for i in range(150):
        box = random.uniform((-300, -300, 40, 40), (1000, 600, 900, 1400))
        affine = crop_affine(box, INPUT_HW, *(() if i % 2 else (random.uniform(-180, 180), i % 4 == 0)))
        difference = np.abs(crop(noise, affine, INPUT_HW).astype(int) - plain_crop(noise, affine, INPUT_HW))
        # Where the picture ends, halving leaves out up to a pixel, by where it begins: not compared.
        inside = cv2.erode(plain_crop(np.full_like(noise, 255), affine, INPUT_HW), np.ones((9, 9), np.uint8)) == 255
        assert (difference[inside] <= 1).all()
        assert not inside.any() or (difference[inside] > 0).mean() < 0.01


@pytest.mark.parametrize("box", [(5000, 5000, 80, 80), (-5000, -5000, 600, 900), (-900, 100, 600, 900)])
def test_a_box_outside_the_picture_gives_black(box: tuple[int, ...]) -> None:
    white = np.full((300, 300, 3), 255, np.uint8)
    out: FloatArray | ImageArray = crop(white, crop_affine(box, INPUT_HW), INPUT_HW)
    assert out.shape == (*INPUT_HW, 3)
    assert out.dtype == np.uint8
    if box[0] in (5000, -5000):
        assert not out.any()


def test_outside_the_picture_is_black_up_to_its_edge() -> None:
    white = np.full((400, 300, 3), 255, np.uint8)
    out = crop(white, crop_affine((-300.5, -0.5, 600, 400), (200, 300)), (200, 300))  # half of it is outside
    assert not out[:, :147].any()
    assert (out[:, 153:] == 255).all()


@pytest.mark.parametrize("border", [114, 255])
def test_outside_the_picture_is_the_grey_that_is_given(border: int) -> None:
    black = np.zeros((400, 300, 3), np.uint8)
    half = crop(black, crop_affine((-300.5, -0.5, 600, 400), (200, 300)), (200, 300), border)
    assert (half[:, :147] == border).all()
    assert not half[:, 153:].any()
    for size in (80, 4000):
        assert (crop(black, crop_affine((9000, 9000, size, size), INPUT_HW), INPUT_HW, border) == border).all()


def test_a_single_pixel_can_be_cropped() -> None:
    out = crop(np.full((1, 1, 3), 200, np.uint8), crop_affine(whole_box((1, 1)), INPUT_HW), INPUT_HW)
    assert out.max() == pytest.approx(200, abs=1)
    assert out[96, 72].min() == out.max()
