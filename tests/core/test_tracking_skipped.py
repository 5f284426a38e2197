"""Tracker: people who were not looked for, frames that are far apart, and going on where another tracker was."""

from __future__ import annotations

import numpy as np
from walkers import poses_of, standing_at

from poseapp.core.skeleton import COCO_17, OPENPOSE_18
from poseapp.core.tracking import Tracker


def test_nobody_takes_the_place_of_somebody_who_was_not_looked_for() -> None:
    """At the place of the first somebody is found while the first is skipped: that is another one."""
    tracker = Tracker(COCO_17)
    for frame in range(10):
        tracker.update(poses_of(standing_at(300, 300)), frame / 30)
    found = tracker.update(poses_of(standing_at(310, 300)), 10 / 30, skipped={1})
    assert found.ids.tolist() == [2, 1]
    assert tracker.update(poses_of(standing_at(300, 300), standing_at(310, 300)), 11 / 30).ids.tolist() == [1, 2]


def test_the_skipped_come_last_where_they_are_expected() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(30):
        tracker.update(poses_of(standing_at(100 + 4 * frame, 300), standing_at(600, 300)), frame / 30)
    found = tracker.update(poses_of(standing_at(600, 300)), 30 / 30, skipped={1})
    assert found.ids.tolist() == [2, 1]
    np.testing.assert_allclose(found.xy[1], standing_at(220, 300), atol=3.0)
    assert tracker.lock((220.0, 300.0)) == 1


def test_somebody_seen_once_is_remembered_while_they_are_skipped() -> None:
    tracker = Tracker(COCO_17)
    tracker.update(poses_of(standing_at(300, 300)), 0.0)
    for frame in range(1, 40):
        assert tracker.update(poses_of(), frame / 30, skipped={1}).ids.tolist() == [1]
    assert tracker.update(poses_of(standing_at(305, 300)), 40 / 30).ids.tolist() == [1]


def test_at_two_frames_a_second_people_keep_their_identities() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(5):
        assert tracker.update(poses_of(standing_at(300, 300), standing_at(700, 300)), frame / 2).ids.tolist() == [1, 2]


def test_another_tracker_goes_on_with_the_same_people() -> None:
    first, second, other = Tracker(COCO_17, alone=True), Tracker(COCO_17), Tracker(OPENPOSE_18)
    first.update(poses_of(standing_at(300, 300)), 0.0)
    second.take_over_state(first)
    assert second.update(poses_of(standing_at(700, 300), standing_at(302, 300)), 0.1).ids.tolist() == [2, 1]
    other.take_over_state(second)
    assert other.next_id == 3, "other joints: nobody is known, but no number is given twice"
    assert len(other.predict(0.1)) == 0
