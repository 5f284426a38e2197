"""Faces that are blurred cannot be got back, nothing else is touched, and a plain background shows nothing of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FIGURE

from poseapp.core.skeleton import COCO_17, LSP_14, Skeleton
from poseapp.core.types import Frame, ImageArray, Poses, Result
from poseapp.render import BACKGROUNDS, Background, DrawOptions, annotate

HW = (300, 400)
STANDING = (FIGURE * 240 + (150, 150)).astype(np.float32)  # the standing figure, 240 px high
NOSE = STANDING[0]


def noise() -> ImageArray:
    return np.random.default_rng(1).integers(0, 256, (*HW, 3), np.uint8)


def result(xy: np.ndarray[tuple[int, ...], np.dtype[np.float32]], skeleton: Skeleton = COCO_17, least: float = 0.9) -> Result:
    poses = Poses(
        xy=xy[None].astype(np.float32),
        score=np.full((1, skeleton.k), least, np.float32),
        person_score=np.ones(1, np.float32),
        ids=np.array([1]),
        skeleton=skeleton,
    )
    return Result(frame=Frame(noise(), 0, 0.0), poses=poses)


def changed(one: Result, mirror: bool = False) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where the picture is not as it was."""
    drawn = annotate(one, DrawOptions(skeleton=False, blur_faces=True, mirror=mirror))
    plain = annotate(one, DrawOptions(skeleton=False, mirror=mirror))
    different: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (drawn != plain).any(axis=2)
    return different


def test_the_face_is_coarse_and_the_rest_is_untouched() -> None:
    one = result(STANDING)
    where = changed(one)
    columns = np.nonzero(where)[1]
    x, y = NOSE
    assert abs(columns.mean() - x) < 5
    assert 10 < np.ptp(columns) / 2 < 60
    assert where[int(y), int(x)]
    assert not where[int(STANDING[11, 1]) :].any()  # below the hips
    drawn = annotate(one, DrawOptions(skeleton=False, blur_faces=True))
    assert drawn[where].astype(float).std() < 0.35 * noise()[where].astype(float).std()
    for joint in STANDING[:5]:  # nose, eyes and ears
        assert where[round(joint[1]), round(joint[0])]


def test_every_joint_of_the_face_that_is_there_is_covered_from_the_side() -> None:
    side = STANDING.copy()
    side[:, 0] = 150 + (side[:, 0] - 150) * 0.1
    side[[0, 1, 3]] += (12, 0)
    side[[2, 4]] = np.nan
    where = changed(result(side))
    assert all(where[round(y), round(x)] for x, y in side[[0, 1, 3]])


def test_a_face_of_a_low_score_is_blurred_too() -> None:
    assert changed(result(STANDING, least=0.06)).any()


def test_without_a_joint_of_the_face_the_trunk_says_where_it_is() -> None:
    hidden = STANDING.copy()
    hidden[:5] = np.nan
    where = changed(result(hidden))
    assert where[int(NOSE[1]), int(NOSE[0])]
    hidden[5:] = np.nan
    assert not changed(result(hidden)).any()


def test_a_skeleton_without_a_face_has_a_head() -> None:
    xy = np.full((LSP_14.k, 2), np.nan, np.float32)
    xy[LSP_14.index("head_top")], xy[LSP_14.index("neck")] = (150, 40), (150, 80)
    where = changed(result(xy, LSP_14))
    assert where[60, 150]
    assert not where[200:].any()


def test_a_mirrored_picture_is_blurred_where_the_face_is_shown() -> None:
    as_it_is, mirrored = changed(result(STANDING)), changed(result(STANDING), mirror=True)
    assert as_it_is.any()
    assert (mirrored[:, ::-1] & as_it_is).sum() > 0.98 * as_it_is.sum()  # a few pixels may be the same by chance


def test_a_face_at_the_rim_or_far_outside_breaks_nothing() -> None:
    for offset in ((-150, -40), (1e6, 0), (0, -1e7), (240, 0)):
        changed(result(STANDING + np.array(offset, np.float32)))


@pytest.mark.parametrize(("background", "colour"), [("black", (0, 0, 0)), ("green", (64, 177, 0))])
def test_a_plain_background_shows_nothing_of_the_picture(background: Background, colour: tuple[int, int, int]) -> None:
    assert background in BACKGROUNDS
    options = DrawOptions(skeleton=False, background=background, blur_faces=True)
    for hw in (None, (150, 200)):
        assert (annotate(result(STANDING), options, hw=hw) == colour).all()
    drawn = annotate(result(STANDING), DrawOptions(background=background))
    assert (drawn != colour).any()
