"""Drawing: poses where they are, threshold and mirror on the picture alone."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from poseapp.core.anatomy import implausible
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, Frame, Heatmaps, ImageArray, Poses, Result
from poseapp.live.sources import SyntheticSource
from poseapp.render import LEFT, MIDDLE, RIGHT, DrawOptions, annotate, draw_heatmaps, draw_poses, joint_colour
from poseapp.render import poses as drawing

HW = (240, 320)
TRUTH = SyntheticSource(HW).truth(0.4)


def result(score: float = 0.9, hw: tuple[int, int] = HW, xy: FloatArray | None = None) -> Result:
    frame = Frame(np.random.default_rng(0).integers(0, 200, (*hw, 3), dtype=np.uint8), 0, 0.0)
    joints = (TRUTH if xy is None else xy).astype(np.float32)[None]
    scores = np.full((1, 17), score, np.float32)
    return Result(
        frame=frame,
        poses=Poses(xy=joints, score=scores, person_score=np.array([score], np.float32), ids=np.array([1]), skeleton=COCO_17),
    )


def changed(a: ImageArray, b: ImageArray) -> int:
    """How many pixels differ."""
    return int(np.count_nonzero((a != b).any(axis=2)))


def test_each_joint_is_drawn_at_its_place_in_the_colour_of_its_side() -> None:
    image = annotate(result(), DrawOptions())
    for k in (9, 10, 15, 16):  # wrists and ankles: nothing is drawn over them
        x, y = np.rint(TRUTH[k]).astype(int)
        assert tuple(image[y, x]) == joint_colour(COCO_17, k)
    assert joint_colour(COCO_17, 9) == LEFT
    assert joint_colour(COCO_17, 10) == RIGHT
    assert joint_colour(COCO_17, 0) == MIDDLE


def test_markers_lie_on_the_joint_to_a_fraction_of_a_pixel() -> None:
    for at in ((100.0, 80.0), (100.5, 80.25), (99.75, 80.5)):
        blank = np.zeros((*HW, 3), np.uint8)
        xy = np.full((1, 17, 2), np.nan, np.float32)
        xy[0, 9] = at
        poses = Poses(
            xy=xy, score=np.ones((1, 17), np.float32), person_score=np.ones(1, np.float32), ids=np.array([1]), skeleton=COCO_17
        )
        draw_poses(blank, poses, DrawOptions())
        weight = blank[..., 0].astype(float)
        ys, xs = np.mgrid[: HW[0], : HW[1]]
        assert (xs * weight).sum() / weight.sum() == pytest.approx(at[0], abs=0.15)
        assert (ys * weight).sum() / weight.sum() == pytest.approx(at[1], abs=0.15)


def test_drawing_leaves_frame_and_poses_alone() -> None:
    given = result()
    picture, xy, score = given.frame.image.copy(), given.poses.xy.copy(), given.poses.score.copy()
    annotate(given, DrawOptions(threshold=0.95, mirror=True, labels=True))
    np.testing.assert_array_equal(given.frame.image, picture)
    np.testing.assert_array_equal(given.poses.xy, xy)
    np.testing.assert_array_equal(given.poses.score, score)


def test_the_threshold_hides_joints_and_their_limbs() -> None:
    given = result(score=0.5)
    np.testing.assert_array_equal(annotate(given, DrawOptions(threshold=0.51)), given.frame.image)
    assert changed(annotate(given, DrawOptions(threshold=0.5)), given.frame.image) > 500


def test_markers_grow_with_the_score() -> None:
    def area(score: float) -> int:
        xy = np.full((17, 2), np.nan, np.float32)
        xy[9] = (640, 360)
        given = result(score, (720, 1280), xy)
        return changed(annotate(given, DrawOptions()), given.frame.image)

    assert area(0.95) > 1.5 * area(0.6) > 2 * area(0.31)


def test_small_markers_are_round() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    xy = np.full((1, 17, 2), np.nan, np.float32)
    xy[0, 9] = 100.0  # the left wrist alone
    score = np.full((1, 17), 0.7, np.float32)
    draw_poses(picture, Poses(xy=xy, score=score, person_score=score[:, 0], ids=np.array([1]), skeleton=COCO_17), DrawOptions())
    inside = np.clip(picture[..., 0].astype(float) - 24, 0, None) / (255 - 24)  # of the dark rim
    assert inside[100, 102] > 0.9
    assert min(inside[100 + y, 100 + x] for x in (-2, 2) for y in (-2, 2)) > 0.15, "a diamond does not reach there"


def test_mirroring_turns_the_whole_picture_but_not_the_letters() -> None:
    plain, mirrored = annotate(result(), DrawOptions()), annotate(result(), DrawOptions(mirror=True))
    difference = np.abs(cv2.flip(plain, 1).astype(int) - mirrored)
    # Anti-aliased edges may round differently by a hair.
    assert (difference.max(axis=2) > 40).mean() < 0.01
    labelled = annotate(result(), DrawOptions(mirror=True, labels=True))
    flipped = cv2.flip(annotate(result(), DrawOptions(labels=True)), 1)
    assert (np.abs(labelled.astype(int) - flipped).max(axis=2) > 40).mean() > 0.01


def test_missing_joints_and_those_far_outside_do_no_harm() -> None:
    xy = TRUTH.copy()
    xy[3], xy[9], xy[10], xy[15] = np.nan, (1e9, 5), (-1e9, np.inf), (-40, 1000)
    image = annotate(result(xy=xy), DrawOptions(labels=True))
    assert image.shape == (*HW, 3)
    # Nothing is drawn from a joint that is not there: compare with those joints hidden.
    hidden = result(xy=xy)
    hidden.poses.score[0, [3, 9, 10]] = 0.0
    np.testing.assert_array_equal(image, annotate(hidden, DrawOptions(labels=True)))


def test_the_skeleton_can_be_left_out() -> None:
    np.testing.assert_array_equal(annotate(result(), DrawOptions(skeleton=False)), result().frame.image)


@pytest.mark.parametrize("mirror", [False, True])
def test_heatmaps_light_up_where_they_are_high(mirror: bool) -> None:
    picture = np.zeros((*HW, 3), np.uint8)
    values = np.zeros((17, 12, 16), np.float32)
    values[5, 3, 4] = 1.0
    to_frame = np.array([[20.0, 0, 9.5], [0, 20.0, 9.5]])
    out = draw_heatmaps(picture, Heatmaps(values, to_frame), mirror)
    light = out.astype(float).sum(axis=2)
    rows, columns = np.nonzero(light)
    want_x = 20 * 4 + 9.5
    assert columns.mean() == pytest.approx(HW[1] - 1 - want_x if mirror else want_x, abs=1.0)
    assert rows.mean() == pytest.approx(20 * 3 + 9.5, abs=1.0)
    assert len(rows) > 400
    assert light[200, 300] == 0


def test_heatmaps_leave_the_frame_alone() -> None:
    maps = Heatmaps(np.ones((17, 12, 16), np.float32), np.array([[20.0, 0, 9.5], [0, 20.0, 9.5]]))
    given = replace(result(), heatmaps=(maps,))
    picture = given.frame.image.copy()
    assert changed(annotate(given, DrawOptions(heatmaps=True, skeleton=False)), picture) > 0.9 * picture[..., 0].size
    np.testing.assert_array_equal(given.frame.image, picture)


def test_several_people_are_all_drawn() -> None:
    one = result()
    both = np.stack([TRUTH, TRUTH + np.array([100, 0], np.float32)])
    poses = Poses(
        xy=both, score=np.full((2, 17), 0.9, np.float32), person_score=np.ones(2, np.float32), ids=np.arange(2), skeleton=COCO_17
    )
    alone = changed(annotate(one, DrawOptions()), one.frame.image)
    assert changed(annotate(Result(frame=one.frame, poses=poses), DrawOptions()), one.frame.image) > 1.4 * alone


@pytest.mark.slow
def test_drawing_at_720p_is_cheap() -> None:
    given = result(hw=(720, 1280), xy=SyntheticSource((720, 1280)).truth(0.4))
    times = []
    for _ in range(100):
        begun = time.thread_time()  # what else the machine does does not count
        annotate(given, DrawOptions())
        times.append(time.thread_time() - begun)
    assert np.median(times) < 3e-3


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("hw", [(180, 240), (480, 640), (720, 960)])
def test_a_scaled_picture_has_its_joints_where_the_scaled_frame_has_them(hw: tuple[int, int], mirror: bool) -> None:
    whole, out = result(), np.empty((*hw, 3), np.uint8)
    options = DrawOptions(mirror=mirror)
    picture = annotate(whole, options, out, hw)
    assert picture is out
    plain = annotate(whole, replace(options, skeleton=False), None, hw)
    size = (hw[1], hw[0])
    expected = cv2.resize(annotate(whole, replace(options, skeleton=False)), size, interpolation=cv2.INTER_LINEAR)
    assert np.abs(plain.astype(int) - expected).mean() < 0.5
    scale = hw[0] / HW[0]
    ankle = (whole.poses.xy[0, 16].astype(float) + 0.5) * scale - 0.5
    x, y = round(hw[1] - 1 - ankle[0] if mirror else ankle[0]), round(ankle[1])
    np.testing.assert_array_equal(picture[y, x], RIGHT)
    assert changed(picture, plain) > 500


@pytest.mark.parametrize("hw", [(90, 120), (45, 60), (240, 320), (111, 148)])
def test_a_picture_made_much_smaller_is_not_shifted(hw: tuple[int, int]) -> None:
    ramp = np.broadcast_to((np.arange(320) * 0.75).astype(np.uint8)[None, :, None], (240, 320, 3))
    seen = replace(result(), frame=Frame(np.ascontiguousarray(ramp), 0, 0.0))
    row = annotate(seen, DrawOptions(skeleton=False), None, hw)[hw[0] // 2, 1:-1, 0]
    places = (np.arange(1, hw[1] - 1) + 0.5) * 320 / hw[1] - 0.5
    assert np.abs(row - (places * 0.75 - 0.5)).max() <= 1.2  # rounded down, and once more at each halving


def test_heatmaps_are_scaled_with_the_picture() -> None:
    values = np.zeros((17, 24, 24), np.float32)
    values[3, 10, 12] = 1.0
    to_frame = np.array([[8.0, 0.0, 40.0], [0.0, 8.0, 60.0]])  # the lit cell lies at 136, 140
    seen = replace(result(), heatmaps=(Heatmaps(values, to_frame),))
    hw = (HW[0] // 2, HW[1] // 2)
    lit = annotate(seen, DrawOptions(heatmaps=True, skeleton=False), None, hw).astype(int)
    difference = np.abs(lit - annotate(seen, DrawOptions(skeleton=False), None, hw)).sum(axis=2)
    y, x = np.unravel_index(difference.argmax(), difference.shape)
    assert abs(x - 67.75) <= 2
    assert abs(y - 69.75) <= 2


def drawn_by_arrays(picture: ImageArray, poses: Poses, options: DrawOptions) -> None:
    """Limbs and joints of people without identities, with places, visibility and pen from arrays."""
    h, w = picture.shape[:2]
    for xy, score in zip(poses.xy, poses.score, strict=True):
        if options.mirror:
            xy = np.column_stack([w - 1 - xy[:, 0], xy[:, 1]])
        visible = (score >= options.threshold) & (np.abs(xy) < 8 * max(h, w)).all(axis=1)
        visible &= ~implausible(poses.skeleton, xy, visible, (h, w))
        seen, unit = xy[visible], max(h, w) / 640
        if len(seen) >= 3:
            unit *= float(np.clip(1.8 * np.max(seen.max(axis=0) - seen.min(axis=0)) / max(h, w), 0.55, 1.0))
        places = np.rint(np.where(visible[:, None], xy, 0.0) * 16).astype(int).tolist()
        weights = np.where(visible, score, -1.0).tolist()
        drawing._draw_limbs(picture, poses.skeleton, places, weights, unit, None)
        drawing._draw_joints(picture, poses.skeleton, places, weights, unit, None)


@pytest.mark.parametrize("mirror", [False, True])
def test_people_are_drawn_as_by_arrays(mirror: bool) -> None:
    """To the pixel, with joints missing, unsure and far outside."""
    random = np.random.default_rng(0)
    for n in range(1, 40):
        people = n % 3 + 1
        middle, spread = random.uniform(0, 640, (people, 1, 2)), random.uniform(2, 200)
        xy = (middle + random.normal(0, spread, (people, 17, 2))).astype(np.float32)
        xy[random.random((people, 17)) < 0.1] = np.nan
        xy[random.random((people, 17)) < 0.02] = 1e6
        score = random.random((people, 17)).astype(np.float32)
        poses = Poses(xy=xy, score=score, person_score=score.mean(axis=1), ids=np.arange(people), skeleton=COCO_17)
        got, expected = np.full((360, 640, 3), 90, np.uint8), np.full((360, 640, 3), 90, np.uint8)
        draw_poses(got, poses, DrawOptions(mirror=mirror))
        drawn_by_arrays(expected, poses, DrawOptions(mirror=mirror))
        np.testing.assert_array_equal(got, expected)
