"""Two frames compared: both are there, each in its shape, and a ghost has its hips where the person's are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import FIGURE

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.render import DrawOptions, annotate
from poseapp.render.compare import GAP_PX, Beside, draw_ghost, ghost_of, other_options, side_by_side

HIPS = [COCO_17.index("left_hip"), COCO_17.index("right_hip")]


def shown(hw: tuple[int, int], centre: tuple[float, float], height: float, grey: int, number: int = 1) -> Result:
    """A figure in a grey picture."""
    xy = (np.array(centre) + FIGURE * height)[None].astype(np.float32)
    poses = Poses(
        xy=xy,
        score=np.full((1, 17), 0.9, np.float32),
        person_score=np.full(1, 0.9, np.float32),
        ids=np.array([number], np.int64),
        skeleton=COCO_17,
    )
    return Result(frame=Frame(np.full((*hw, 3), grey, np.uint8), 0, 0.0), poses=poses)


A, B = shown((240, 320), (120, 120), 160, 60), shown((400, 200), (100, 250), 80, 200, number=7)


def test_side_by_side_are_equally_high_in_their_own_shapes() -> None:
    options = DrawOptions()
    image, own = side_by_side(A, B, options, options, (300, 900))
    assert image.shape[0] == 300
    assert own == 400
    assert image.shape[1] == 400 + GAP_PX + 150
    np.testing.assert_array_equal(image[:, :400], annotate(A, options, None, (300, 400)))
    np.testing.assert_array_equal(image[:, 400 + GAP_PX :], annotate(B, options, None, (300, 150)))
    assert not image[:, 400 : 400 + GAP_PX].any()


@pytest.mark.parametrize("room", [(300, 900), (1000, 300), (2, 900), (50, 50)])
def test_side_by_side_takes_no_more_than_the_room(room: tuple[int, int]) -> None:
    image, _ = side_by_side(A, B, DrawOptions(), DrawOptions(), room)
    assert image.shape[0] <= room[0]
    assert image.shape[1] <= room[1] + 2


def test_a_ghost_has_the_hips_and_the_size_of_the_person() -> None:
    moved = ghost_of(A.poses, B.poses, Beside(size_ratio=2.0), 0.3)
    assert moved is not None
    np.testing.assert_allclose(moved, A.poses.xy[0], atol=1e-3)


def test_a_ghost_is_the_person_who_is_compared_and_without_them_there_is_none() -> None:
    assert ghost_of(A.poses, B.poses, Beside(own=1, other=7), 0.3) is not None
    assert ghost_of(A.poses, B.poses, Beside(own=2, other=7), 0.3) is None
    assert ghost_of(A.poses, B.poses, Beside(own=1, other=8), 0.3) is None
    score = B.poses.score.copy()
    score[0, HIPS] = 0.1
    assert ghost_of(A.poses, replace(B.poses, score=score), Beside(), 0.3) is None


@pytest.mark.parametrize("mirror", [False, True])
def test_a_ghost_is_drawn_where_it_belongs_and_nowhere_else(mirror: bool) -> None:
    options = DrawOptions(mirror=mirror, skeleton=False)
    image = annotate(A, options, None, (480, 640))
    draw_ghost(image, A, B, Beside(size_ratio=2.0), options)
    changed = (image != 60).any(axis=2)
    knee = (A.poses.xy[0, COCO_17.index("left_knee")] + 0.5) * 2 - 0.5
    x, y = (639 - knee[0] if mirror else knee[0]), knee[1]
    assert changed[round(float(y)), round(float(x))]
    ys, xs = np.nonzero(changed)
    places = (A.poses.xy[0] + 0.5) * 2 - 0.5
    if mirror:
        places[:, 0] = 639 - places[:, 0]
    assert xs.min() >= places[:, 0].min() - 8
    assert xs.max() <= places[:, 0].max() + 8
    assert ys.max() <= places[:, 1].max() + 8


def test_a_skeleton_on_the_other_picture_is_not_drawn_twice() -> None:
    assert other_options(DrawOptions(), Beside(is_drawn=True)).skeleton is False
    assert other_options(DrawOptions(), Beside()).skeleton is True
    assert other_options(DrawOptions(background="black"), Beside(is_drawn=True)).skeleton is True
