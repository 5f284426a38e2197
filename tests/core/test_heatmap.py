"""Heatmaps: round trips within half a cell, each rule where it is exact, mappings, mirrored maps."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from poseapp.core import heatmap, transform
from poseapp.core.heatmap import DECODES, MAPPINGS, Decode, Mapping
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray

HW = (64, 48)
INPUT_HW = (256, 192)


def joints_inside(n: int = 400, margin: float = 4.0) -> FloatArray:
    random = np.random.default_rng(3)
    h, w = HW
    return random.uniform(margin, [w - 1 - margin, h - 1 - margin], (n, 2)).astype(np.float32)


@pytest.mark.parametrize(("method", "worst"), [("argmax", 0.5), ("quarter", 0.26), ("dark", 0.02)])
@pytest.mark.parametrize("sigma_px", [1.5, 2.0, 3.0])
def test_round_trip(method: Decode, worst: float, sigma_px: float) -> None:
    xy = joints_inside(margin=4 * sigma_px)  # the blur of DARK must not reach the rim
    decoded = heatmap.decode(heatmap.encode(xy, HW, sigma_px)[None], method, sigma_px)[0]
    assert np.abs(decoded[:, :2] - xy).max() <= worst + 1e-3
    assert decoded[:, 2].min() > 0.8


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_each_mapping_round_trips_within_half_a_cell_of_input_px(mapping: Mapping) -> None:
    """A joint in input px, through the targets and back: what training and inference together do."""
    random = np.random.default_rng(1)
    xy = random.uniform(20, [171, 235], (200, 2))
    affine = heatmap.input_from_cells(INPUT_HW, HW, mapping)
    cells = transform.apply(transform.invert(affine), xy).astype(np.float32)
    for method, worst in (("argmax", 2.05), ("quarter", 1.05), ("dark", 0.1)):
        decoded = heatmap.decode(heatmap.encode(cells, HW, 2.0)[None], method, 2.0)[0, :, :2]  # type: ignore[arg-type]
        assert np.abs(transform.apply(affine, decoded.astype(np.float64)) - xy).max() <= worst


def test_what_the_mappings_are() -> None:
    first, last = np.zeros(2), np.array([HW[1] - 1, HW[0] - 1], float)
    corners = np.stack([first, last])
    mappings: tuple[Mapping, ...] = get_args(Mapping)
    ends = {m: transform.apply(heatmap.input_from_cells(INPUT_HW, HW, m), corners) for m in mappings}
    np.testing.assert_allclose(ends["udp"], [(0, 0), (191, 255)])  # corner on corner
    np.testing.assert_allclose(ends["stride"], [(0, 0), (188, 252)])
    np.testing.assert_allclose(ends["centre"], [(1.5, 1.5), (189.5, 253.5)])  # the middle of 4 × 4 px


def test_dark_stays_at_a_maximum_that_is_no_peak_of_a_gaussian() -> None:
    """A single high pixel beside a wide hill: one Newton step would lead to the hill's middle, three pixels off."""
    maps = heatmap.encode(np.array([[24.0, 32.0], [20.25, 30.0]], np.float32), HW, 2.0)[None]
    maps[0, 0, 32, 27] = 1.2
    decoded = heatmap.decode(maps, "dark", 2.0)[0, :, :2]
    assert decoded[0].tolist() == [27.0, 32.0]
    np.testing.assert_allclose(decoded[1], (20.25, 30.0), atol=0.02)  # steps within a pixel are taken


@pytest.mark.parametrize("xy", [(1.3, 30.2), (20.2, 1.3), (HW[1] - 2.3, 30.2), (20.2, HW[0] - 2.3)])
def test_dark_stays_at_a_maximum_so_near_the_rim_that_the_fit_would_reach_beyond(xy: tuple[float, float]) -> None:
    decoded = heatmap.decode(heatmap.encode(np.array([xy], np.float32), HW, 2.0)[None], "dark", 2.0)[0, 0, :2]
    assert decoded.tolist() == [round(xy[0]), round(xy[1])]


def test_quarter_moves_toward_the_higher_neighbour_and_not_at_the_rim() -> None:
    maps = np.zeros((1, 3, 8, 8), np.float32)
    maps[0, 0, 4, 3], maps[0, 0, 4, 4], maps[0, 0, 3, 3] = 1.0, 0.6, 0.2
    maps[0, 1, 0, 0], maps[0, 1, 0, 1] = 1.0, 0.9
    maps[0, 2, 4, 4] = 1.0
    decoded = heatmap.decode(maps, "quarter")[0]
    np.testing.assert_allclose(decoded[:, :2], [(3.25, 3.75), (0, 0), (4, 4)])


def test_dark_is_exact_under_noise_and_stays_put_where_there_is_no_peak() -> None:
    random = np.random.default_rng(0)
    xy = joints_inside(200)
    noisy = heatmap.encode(xy, HW, 2.0) + random.normal(0, 0.01, (200, *HW)).astype(np.float32)
    found = {m: np.linalg.norm(heatmap.decode(noisy[None], m, 2.0)[0, :, :2] - xy, axis=1).mean() for m in DECODES}  # type: ignore[arg-type]
    assert found["dark"] < 0.6 * found["quarter"] < 0.6 * found["argmax"]
    flat = np.full((1, 2, 16, 16), 0.3, np.float32)
    np.testing.assert_allclose(heatmap.decode(flat, "dark")[0], [(0, 0, 0.3)] * 2, atol=1e-6)


def test_an_absent_joint_and_one_outside_give_empty_maps() -> None:
    xy = np.array([(np.nan, np.nan), (-20, 10), (10, 500), (10.5, 20.25)], np.float32)
    maps = heatmap.encode(xy, HW, 2.0)
    assert not maps[:3].any()
    assert maps[3].max() == pytest.approx(np.exp(-(0.5**2 + 0.25**2) / 8), abs=1e-6)
    assert heatmap.decode(maps[None], "dark")[0, :3, 2].tolist() == [0, 0, 0]


def test_scores_are_clipped() -> None:
    maps = np.stack([np.full((4, 4), 1.7), np.full((4, 4), -0.2)])[None].astype(np.float32)
    assert heatmap.decode(maps, "argmax")[0, :, 2].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("mapping", "worst_px"), [("udp", 0.05), ("centre", 0.05), ("stride", 1.1)])
def test_the_flip_test_meets_itself(mapping: Mapping, worst_px: float) -> None:
    """A perfect network on a crop and on its mirror image: the mean peaks where each of them does."""
    xy = joints_inside(17, margin=6)
    affine = heatmap.input_from_cells(INPUT_HW, HW, mapping)
    truth = transform.apply(affine, xy.astype(np.float64))
    mirrored_truth = truth * (-1, 1) + (INPUT_HW[1] - 1, 0)
    mirrored = transform.apply(transform.invert(affine), mirrored_truth)[COCO_17.flip_index]
    maps = heatmap.encode(xy, HW, 2.0)[None]
    mean = heatmap.with_mirrored(maps, heatmap.encode(mirrored.astype(np.float32), HW, 2.0)[None], COCO_17.flip_index, mapping)
    decoded = transform.apply(affine, heatmap.decode(mean, "dark", 2.0)[0, :, :2].astype(np.float64))
    assert np.abs(decoded - truth).max() < worst_px


@pytest.mark.parametrize("odds", [1 / 9, 1.0, 2.6, 9.0])
def test_odds_are_multiplied_and_scores_stay_between_0_and_1(odds: float) -> None:
    height = np.array([-0.1, 0.0, 0.2, 0.5, 0.8, 1.0, 1.3], np.float32)
    score = heatmap.times_odds(height, odds)
    assert score[[0, 1, 5, 6]].tolist() == [0, 0, 1, 1]
    inside = slice(2, 5)
    assert score[inside] / (1 - score[inside]) == pytest.approx(odds * height[inside] / (1 - height[inside]), rel=1e-4)
