"""Drawing several people: colours by identity, numbers, the locked one, predicted people, and affinity fields."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Heatmaps, ImageArray, Poses, Result
from poseapp.live.sources import SyntheticSource
from poseapp.render import IDENTITIES, LEFT, DrawOptions, annotate, draw_fields, identity_colour

HW = (720, 1280)
TRUTH = SyntheticSource(HW).truth(0.4)
WRIST = 9
OFFSET = np.array([240, 0])


def two(**changes: object) -> Result:
    """Two people side by side on black, with the identities 4 and 7."""
    xy = np.stack([TRUTH - OFFSET, TRUTH + OFFSET]).astype(np.float32)
    poses = Poses(
        xy=xy,
        score=np.full((2, 17), 0.9, np.float32),
        person_score=np.full(2, 0.9, np.float32),
        ids=np.array([4, 7]),
        skeleton=COCO_17,
    )
    return replace(Result(frame=Frame(np.zeros((*HW, 3), np.uint8), 0, 0.0), poses=poses, mode="top-down"), **changes)  # type: ignore[arg-type]


def drawn(result: Result, **options: bool) -> ImageArray:
    return annotate(result, DrawOptions(**options))  # type: ignore[arg-type]  # they are switches


def colour_at(image: ImageArray, xy: np.ndarray[tuple[int], np.dtype[np.float32]]) -> tuple[int, ...]:
    x, y = np.rint(xy).astype(int)
    return tuple(int(c) for c in image[y, x])


def test_people_have_the_colours_of_their_identities_and_one_person_those_of_the_sides() -> None:
    image = drawn(two())
    for n, identity in enumerate((4, 7)):
        assert colour_at(image, two().poses.xy[n, WRIST]) == identity_colour(identity)
    assert colour_at(drawn(two(mode="one")), two().poses.xy[0, WRIST]) == LEFT


def test_the_colours_stay_apart_for_the_common_kinds_of_colour_blindness() -> None:
    """Viénot, Brettel & Mollon 1999: what protanopes and deuteranopes see of linear RGB."""
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    protan = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
    deutan = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    linear = (np.array(IDENTITIES)[:, ::-1] / 255) ** 2.2
    for blindness in (np.eye(3), protan, deutan):
        seen = np.clip(linear @ (np.linalg.inv(to_lms) @ blindness @ to_lms).T, 0, 1) ** (1 / 2.2)
        lab = cv2.cvtColor(seen.astype(np.float32)[None], cv2.COLOR_RGB2LAB)[0]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > 10


def test_colours_repeat_after_all_have_been_used() -> None:
    assert identity_colour(1) == identity_colour(1 + len(IDENTITIES))
    assert len({identity_colour(i) for i in range(1, 1 + len(IDENTITIES))}) == len(IDENTITIES)


def test_the_number_is_over_the_head() -> None:
    plain, numbered = drawn(two(mode="one")), drawn(two())
    top = TRUTH[:, 1].min()
    above = np.s_[: int(top) - 20]
    assert not plain[above].any()
    assert (numbered[above] == identity_colour(4)).all(axis=2).sum() > 20


def test_the_number_stays_over_the_head_when_an_arm_goes_up() -> None:
    arm_up = two()
    arm_up.poses.xy[0, WRIST] = TRUTH[0] - OFFSET - (100, 120)
    nose_x = int(TRUTH[0, 0] - OFFSET[0])
    disc = (drawn(arm_up) == identity_colour(4)).all(axis=2)[: int(TRUTH[0, 1]) - 25]
    assert disc[:, nose_x - 20 : nose_x + 20].sum() > 100


def test_the_locked_one_gets_corners_and_only_that_one() -> None:
    difference = (drawn(two(locked=7)) != drawn(two())).any(axis=2)
    assert difference.sum() > 50
    columns = np.flatnonzero(difference.any(axis=0))
    right = two().poses.xy[1]
    assert right[:, 0].min() - 120 < columns.min() < right[:, 0].min()
    assert right[:, 0].max() < columns.max() < right[:, 0].max() + 120
    np.testing.assert_array_equal(drawn(two(locked=9)), drawn(two()))


def test_predicted_people_are_thin_lines() -> None:
    whole, thin = drawn(two()), drawn(two(predicted=frozenset({4})))
    left = np.s_[:, : HW[1] // 2]
    assert 0 < thin[left].any(axis=2).sum() < 0.6 * whole[left].any(axis=2).sum()
    np.testing.assert_array_equal(thin[:, HW[1] // 2 :], whole[:, HW[1] // 2 :])


def test_smoothed_joints_are_drawn_where_there_are_some() -> None:
    poses = two().poses
    moved = Poses(
        xy=poses.xy + np.float32(5), score=poses.score, person_score=poses.person_score, ids=poses.ids, skeleton=poses.skeleton
    )
    np.testing.assert_array_equal(drawn(two(smoothed=moved)), drawn(two(poses=moved)))


def fields_to(x: float, y: float) -> Heatmaps:
    """One limb's field, of length 1 in the direction (x, y), in the middle of the picture."""
    fields = np.zeros((2, 24, 32), np.float32)
    fields[0, 8:16, 12:20], fields[1, 8:16, 12:20] = x, y
    return Heatmaps(np.zeros((17, 24, 32), np.float32), np.array([[40.0, 0, 19.5], [0, 30.0, 14.5]]), fields)


@pytest.mark.parametrize(("x", "y", "hue"), [(1, 0, 0), (0, 1, 45), (-1, 0, 90), (0, -1, 135)])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_hue_of_a_field_is_its_direction_on_the_screen(x: float, y: float, hue: int, mirror: bool) -> None:
    image = draw_fields(np.zeros((*HW, 3), np.uint8), fields_to(x, y), mirror)
    seen = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)[360, 640]
    want = (90 - hue) % 180 if mirror else hue
    assert min(abs(int(seen[0]) - want), 180 - abs(int(seen[0]) - want)) <= 2
    assert not image[:200].any()
    assert not image[:, :400].any()


def test_fields_are_shown_with_a_wheel_and_only_where_there_are_some() -> None:
    with_fields = two(heatmaps=(fields_to(1, 0),))
    without = two(heatmaps=(replace(fields_to(1, 0), fields=None),))
    np.testing.assert_array_equal(drawn(without, fields=True), drawn(without))
    corner = drawn(with_fields, fields=True, skeleton=False)[-110:, -110:]
    assert len(np.unique(corner.reshape(-1, 3), axis=0)) > 30
    assert not drawn(with_fields, skeleton=False).any()
