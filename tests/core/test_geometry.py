"""Measures of bodies and boxes."""

from __future__ import annotations

import numpy as np
import pytest

from poseapp.core.geometry import array, body_size_px, bounds, box_around, box_iou, box_ious, distance_from_segment, plain
from poseapp.core.types import FloatArray


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_the_box_around_points() -> None:
    points = np.array([[1, 5], [4, 2], [2, 3]], np.float32)
    assert box_around(points).tolist() == [1, 2, 3, 3]
    assert box_around(points, margin=0.1).tolist() == pytest.approx([0.7, 1.7, 3.6, 3.6])


def test_box_iou_is_intersection_over_union() -> None:
    def box(*values: float) -> FloatArray:
        return np.array(values, np.float32)

    assert box_iou(box(0, 0, 10, 10), box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box_iou(box(0, 0, 10, 10), box(10, 0, 5, 5)) == 0.0
    assert box_iou(box(1, 2, 3, 4), box(1, 2, 3, 4)) == pytest.approx(1.0)


def test_box_ious_are_those_of_each_pair() -> None:
    random = np.random.default_rng(0)
    a, b = (random.uniform(0, 20, (n, 4)).astype(np.float32) for n in (5, 3))
    expected = [[box_iou(one, other) for other in b] for one in a]
    np.testing.assert_allclose(box_ious(a, b), expected, atol=1e-6)


def test_box_ious_by_hand() -> None:
    found = box_ious(boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), (5, 0, 10, 10), (20, 20, 5, 5), (0, 0, 5, 10)))
    assert found[0] == pytest.approx([1, 1 / 3, 0, 0.5])
    assert box_ious(boxes((0, 0, 10, 10)), boxes((0, 0, 100, 5)), crowd=True)[0, 0] == pytest.approx(0.5)
    assert box_ious(boxes((0, 0, 0, 0)), boxes((0, 0, 0, 0)))[0, 0] == 0


def test_joints_as_plain_numbers_and_back() -> None:
    xy = np.array([[[1, 2], [3, 4]]], np.float32)
    assert plain(xy) == [[1 + 2j, 3 + 4j]]
    np.testing.assert_array_equal(array(plain(xy), 2), xy)
    assert array([], 2).shape == (0, 2, 2)


def test_the_size_of_a_body() -> None:
    assert bounds([1 + 5j, 4 + 2j]) == (1, 2, 4, 5)
    assert body_size_px([]) == 0.0
    assert body_size_px([0j, 20 + 5j]) == pytest.approx(10)
    assert body_size_px([0j, 20 + 0j]) == pytest.approx(10)  # counted as a fourth as wide as long


def test_the_distance_from_a_segment() -> None:
    assert distance_from_segment(5 + 3j, 0j, 10 + 0j) == pytest.approx(3)
    assert distance_from_segment(-4 + 3j, 0j, 10 + 0j) == pytest.approx(5)
    assert distance_from_segment(3 + 4j, 0j, 0j) == pytest.approx(5)
