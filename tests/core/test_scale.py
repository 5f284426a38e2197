"""From px to m: by the height of a person in any posture, by two points, and back from a file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from movers import SHANK_PX, THIGH_PX, TRUNK_PX, squatter, walker

from poseapp.core.scale import Scale, height_px, read_scale, scale_by_height, scale_by_points
from poseapp.core.skeleton import COCO_17

# By Winter's table (Drillis & Contini 1966), shanks, thighs and trunk are 77.9 % of the height.
TALL_PX = (THIGH_PX + SHANK_PX + TRUNK_PX) / 0.779


def test_a_person_of_known_lengths_has_a_known_height() -> None:
    xy, score = squatter(np.zeros(30))
    assert height_px(xy, score, COCO_17, 0.3) == pytest.approx(TALL_PX, rel=1e-6)
    scale = scale_by_height(xy, score, COCO_17, 1.8)
    assert scale.px_per_m == pytest.approx(TALL_PX / 1.8)
    assert (scale.by, scale.metres, scale.points) == ("height", 1.8, None)


def test_posture_does_not_matter_as_long_as_each_part_is_seen_at_its_length() -> None:
    squats, score = squatter(110 * np.sin(np.linspace(0, np.pi, 60)) ** 2)
    assert height_px(squats, score, COCO_17, 0.3) == pytest.approx(TALL_PX, rel=1e-6)
    walks, score = walker(np.arange(120) / 30, 110)
    assert height_px(walks, score, COCO_17, 0.3) == pytest.approx(TALL_PX, rel=1e-6)
    turned = squats.copy()
    turned[:40, :, 0] = 400  # seen from the front for most of the time: bent thighs and shanks look short
    assert height_px(turned, score[:60], COCO_17, 0.3) == pytest.approx(TALL_PX, rel=0.03)


def test_a_wild_frame_and_joints_that_are_not_sure_do_not_count() -> None:
    xy, score = squatter(np.zeros(100))
    xy[7, COCO_17.index("left_ankle")] = (2000, 5000)
    xy[20:60, COCO_17.index("left_knee")] += 300
    score[20:60, COCO_17.index("left_knee")] = 0.1
    assert height_px(xy, score, COCO_17, 0.3) == pytest.approx(TALL_PX, rel=1e-6)


def test_who_is_seen_to_the_knees_only_has_no_height() -> None:
    xy, score = squatter(np.zeros(30))
    score[:, [COCO_17.index("left_ankle"), COCO_17.index("right_ankle")]] = 0.0
    with pytest.raises(ValueError, match="never seen from the shoulders to the ankles"):
        scale_by_height(xy, score, COCO_17, 1.8)


@pytest.mark.parametrize("metres", [0.0, 0.2, 175.0, -1.8, math.nan, math.inf])
def test_what_can_be_no_height_is_refused(metres: float) -> None:
    with pytest.raises(ValueError, match=r"expected a height of 0\.3 to 3 m"):
        scale_by_height(*squatter(np.zeros(3)), COCO_17, metres)


def test_two_points_and_their_distance() -> None:
    scale = scale_by_points((10, 20), (40, 60), 0.5)
    assert scale.px_per_m == pytest.approx(100)
    assert scale.sentence == "1 m is 100 px, by two points at 0.5 m"


@pytest.mark.parametrize(
    ("b", "metres", "complaint"),
    [
        ((12, 20), 1.0, "at least 5 px apart"),
        ((math.nan, 20), 1.0, "at least 5 px apart"),
        ((math.inf, 20), 1.0, "at least 5 px apart"),
        ((100, 20), 0.0, r"0\.01 to 1000 m"),
        ((100, 20), math.nan, r"0\.01 to 1000 m"),
    ],
)
def test_points_and_distances_that_make_no_scale_are_refused(b: tuple[float, float], metres: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        scale_by_points((10, 20), b, metres)


def test_a_scale_is_read_as_it_was_kept() -> None:
    for scale in (scale_by_points((1, 2), (301, 2), 2.5), Scale(px_per_m=321.5, by="height", metres=1.7)):
        assert read_scale({"scale": scale.to_json()}) == scale


@pytest.mark.parametrize(
    "entry",
    [
        *(None, 5, [], {}, {"by": "height"}),
        {"px_per_m": 0, "by": "height", "metres": 1},
        {"px_per_m": 1e999, "by": "height", "metres": 1},
        {"px_per_m": True, "by": "height", "metres": 1},
        {"px_per_m": "1", "by": "height", "metres": 1},
        {"px_per_m": 1, "by": "guess", "metres": 1},
        {"px_per_m": 1, "by": "height", "metres": -1},
    ],
)
def test_what_is_no_scale_in_a_file_is_none(entry: Any) -> None:
    assert read_scale({"scale": entry}) is None


@pytest.mark.parametrize("points", [5, [1], [[1, 2]], [["a", 2], [3, 4]], [[1, 2], [3, 1e999]], "abcd"])
def test_points_that_are_none_are_left_out(points: Any) -> None:
    scale = read_scale({"scale": {"px_per_m": 100, "by": "points", "metres": 1, "points": points}})
    assert scale is not None
    assert scale.points is None
