"""Identities: through crossing, occlusion, leaving and coming back, empty scenes and a crowd."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from walkers import poses_of, standing_at

from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.track import TRACK
from poseapp.core.tracking import Tracker
from poseapp.core.types import Poses

FPS = 30.0


def test_nobody_then_somebody_then_nobody() -> None:
    tracker = Tracker(COCO_17)
    assert len(tracker.update(poses_of(), 0.0)) == 0
    assert tracker.lock((0.0, 0.0)) is None
    assert len(tracker.predict(0.1)) == 0
    assert tracker.update(poses_of(standing_at(300, 300)), 0.1).ids.tolist() == [1]
    for frame in range(200):
        assert len(tracker.update(poses_of(), 0.2 + frame / FPS)) == 0
    assert len(tracker.predict(7.0)) == 0  # forgotten
    assert tracker.update(poses_of(standing_at(300, 300)), 7.0).ids.tolist() == [2]


def test_the_poses_are_not_touched_and_keep_their_order() -> None:
    tracker = Tracker(COCO_17)
    a, b = standing_at(200, 300), standing_at(600, 300)
    assert tracker.update(poses_of(a, b), 0.0).ids.tolist() == [1, 2]
    given = poses_of(b + 3, a + 3)
    tracked = tracker.update(given, 1 / FPS)
    assert tracked.ids.tolist() == [2, 1]
    np.testing.assert_array_equal(tracked.xy, given.xy)
    np.testing.assert_array_equal(tracked.score, given.score)
    assert given.ids.tolist() == [0, 0]


@pytest.mark.parametrize("fps", [30.0, 8.0])
def test_two_who_cross_keep_their_identities(fps: float) -> None:
    """Given in an order that says nothing."""
    tracker, random = Tracker(COCO_17), np.random.default_rng(0)
    for frame in range(round(4 * fps)):
        t = frame / fps
        people = [standing_at(200 + 200 * t, 300), standing_at(1000 - 200 * t, 304)]
        order = random.permutation(2)
        ids = tracker.update(poses_of(*(people[i] for i in order)), t).ids
        who = dict(zip(order.tolist(), ids.tolist(), strict=True))
        if frame == 0:
            first = who
        assert who == first


def test_five_who_cross_at_one_place_keep_their_identities() -> None:
    tracker, random = Tracker(COCO_17), np.random.default_rng(1)
    speeds = np.array([-260.0, -140.0, 90.0, 180.0, 300.0])
    first: dict[int, int] = {}
    for frame in range(120):
        t = frame / FPS - 2.0
        order = random.permutation(5).tolist()
        people = [standing_at(640 + speeds[i] * t, 300 + 3 * i, 200 + 8 * i) for i in order]
        who = dict(zip(order, tracker.update(poses_of(*people), t + 2.0).ids.tolist(), strict=True))
        first = first or who
        assert who == first
    assert sorted(first.values()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("speed", [0.0, 120.0, 250.0])
def test_somebody_hidden_for_a_second_is_known_again(speed: float) -> None:
    """Behind another one who stands in the way, and is seen all the time."""
    tracker = Tracker(COCO_17)
    for frame in range(120):
        t = frame / FPS
        walker, other = standing_at(300 + speed * t, 300), standing_at(300 + speed * 2.0, 310, 230)
        hidden = 1.5 < t < 2.5
        ids = tracker.update(poses_of(*([other] if hidden else [other, walker])), t).ids.tolist()
        assert ids == ([1] if hidden else [1, 2])


def test_who_leaves_and_comes_back_soon_is_the_same_and_later_a_new_one() -> None:
    tracker = Tracker(COCO_17)
    stays = standing_at(200, 300)

    def seen(t: float, leaver: float | None) -> list[int]:
        people = [stays] if leaver is None else [stays, standing_at(leaver, 300)]
        return [int(i) for i in tracker.update(poses_of(*people), t).ids]

    for frame in range(60):  # walks out on the right
        assert seen(frame / FPS, 900 + 150 * frame / FPS) == [1, 2]
    for frame in range(60, 90):
        assert seen(frame / FPS, None) == [1]
    assert seen(3.0, 1200) == [1, 2]  # turned round, a second later
    for frame in range(91, 390):
        assert seen(frame / FPS, None) == [1]
    assert seen(13.0, 1200) == [1, 3]


def test_a_passer_by_does_not_take_the_identity_of_who_was_lost_beside_them() -> None:
    """The lost one is searched for far and wide; still the seen one keeps the own number."""
    tracker = Tracker(COCO_17)
    for frame in range(90):
        t = frame / FPS
        walker, other = standing_at(300 + 100 * t, 300), standing_at(420, 303)
        gone = t > 1.0
        ids = tracker.update(poses_of(*([walker] if gone else [walker, other])), t).ids.tolist()
        assert ids[0] == 1


def test_thirty_people_with_noise_keep_their_identities_in_a_moment() -> None:
    tracker, random = Tracker(COCO_17), np.random.default_rng(3)
    places = np.array([(60 + 120 * (i % 10), 120 + 220 * (i // 10)) for i in range(30)], float)
    times = []
    for frame in range(60):
        t = frame / FPS
        middles = places + 25 * np.stack([np.sin(2 * t + np.arange(30)), np.cos(1.5 * t + np.arange(30))], axis=1)
        people = [standing_at(x, y) + random.normal(0, 2, (17, 2)) for x, y in middles.tolist()]
        start = time.process_time()
        ids = tracker.update(poses_of(*people), t).ids.tolist()
        times.append(time.process_time() - start)
        assert ids == list(range(1, 31))
    assert np.median(times) < 0.01  # a loop over the joints of all pairs of people takes far longer


def test_a_false_person_of_a_few_frames_is_not_remembered() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(3):
        assert tracker.update(poses_of(standing_at(300, 300)), frame / FPS).ids.tolist() == [1]
    tracker.update(poses_of(), 0.15)
    for frame in range(3, 11):
        tracker.update(poses_of(), frame / FPS)
    assert len(tracker.predict(10 / FPS)) == 0
    assert tracker.update(poses_of(standing_at(300, 300)), 0.4).ids.tolist() == [2]


def test_half_a_body_is_still_the_same_person_and_memory_fills_the_rest_in() -> None:
    tracker = Tracker(COCO_17)
    whole = standing_at(300, 300)
    for frame in range(30):
        tracker.update(poses_of(whole), frame / FPS)
    half = whole.copy()
    half[11:] = np.nan  # hips and legs behind a table
    for frame in range(30, 60):
        assert tracker.update(poses_of(half), frame / FPS).ids.tolist() == [1]
    expected = tracker.predict(2.0)
    assert np.abs(expected.xy[0] - whole).max() < 1.0


def test_unsure_joints_do_not_pull_somebody_away() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(30):
        tracker.update(poses_of(standing_at(300, 300), standing_at(700, 300)), frame / FPS)
    poses = poses_of(standing_at(302, 300), standing_at(698, 300))
    poses.xy[0, 5:], poses.score[0, 5:] = poses.xy[1, 5:].copy(), 0.1  # the face alone is sure
    assert tracker.update(poses, 1.0).ids.tolist() == [1, 2]


def test_the_prediction_goes_on_with_the_speed() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(60):
        t = frame / FPS
        tracker.update(poses_of(standing_at(300 + 150 * t, 300 - 60 * t)), t)
    expected = tracker.predict(59 / FPS + 0.5)
    assert expected.ids.tolist() == [1]
    assert np.abs(expected.xy[0] - standing_at(300 + 150 * (59 / FPS + 0.5), 300 - 60 * (59 / FPS + 0.5))).max() < 3.0
    assert len(tracker.predict(59 / FPS + 0.5, unseen_s=0.4)) == 0


def test_capture_times_count_and_not_frames() -> None:
    """Frames at random times, some dropped: the speed comes out all the same."""
    tracker, random = Tracker(COCO_17), np.random.default_rng(5)
    t = 0.0
    for _ in range(60):
        t += random.uniform(0.01, 0.15)
        tracker.update(poses_of(standing_at(200 + 100 * t, 300)), t)
    assert np.abs(tracker.predict(t + 0.3).xy[0] - standing_at(200 + 100 * (t + 0.3), 300)).max() < 2.0


def test_a_clip_that_begins_again_resets_the_tracker_and_repeats_no_number() -> None:
    tracker = Tracker(COCO_17)
    tracker.update(poses_of(standing_at(300, 300)), 5.0)
    assert tracker.update(poses_of(standing_at(300, 300)), 0.0).ids.tolist() == [2]
    tracker.reset()
    assert tracker.lock((300.0, 300.0)) is None
    assert tracker.update(poses_of(standing_at(300, 300)), 1.0).ids.tolist() == [3]


def test_those_who_are_known_get_the_first_numbers_when_people_are_counted_anew() -> None:
    tracker = Tracker(COCO_17)
    a, b, c = (standing_at(x, 300) for x in (200, 500, 800))
    for t in (0.0, 10.0, 20.0):  # each time long enough apart for new numbers
        tracker.update(poses_of(a, b), t)
    tracker.update(poses_of(b, a), 20.1)
    assert tracker.seen_last.ids.tolist() == [6, 5]
    assert tracker.renumber() == {5: 1, 6: 2}
    assert tracker.seen_last.ids.tolist() == [2, 1]
    assert tracker.update(poses_of(c, a, b), 20.2).ids.tolist() == [3, 1, 2]
    tracker.reset()
    assert tracker.renumber() == {}
    assert tracker.update(poses_of(a), 30.0).ids.tolist() == [1]


def test_who_is_there_comes_before_who_is_only_remembered() -> None:
    tracker = Tracker(COCO_17)
    a, b = standing_at(200, 300), standing_at(600, 300)
    for frame in range(30):
        tracker.update(poses_of(a, b), frame / FPS)
    tracker.update(poses_of(b), 1.0)
    assert tracker.renumber() == {2: 1, 1: 2}
    assert tracker.update(poses_of(a, b), 1.1).ids.tolist() == [2, 1]


def test_a_clip_in_a_further_round_has_the_same_people() -> None:
    """A and B are there at the beginning, C comes later; at the end A stands where B began. The detector's order changes."""
    tracker = Tracker(COCO_17)
    a, b, c = (standing_at(x, 300) for x in (200, 500, 800))
    t = 0.0
    for turn in range(3):
        if turn:
            tracker.rewind()
        first = tracker.update(poses_of(a + 2 * turn, b) if turn != 1 else poses_of(b, a + 2), t).ids.tolist()
        assert first == ([1, 2] if turn != 1 else [2, 1])
        assert tracker.update(poses_of(a, b, c), t + 0.1).ids.tolist() == [1, 2, 3]
        for step in range(1, 11):
            t += 0.1
            tracker.update(poses_of(a + np.array([30.0 * step, 0], np.float32), c), t + 0.1)
        t += 0.2


def test_a_clip_that_begins_empty_has_the_same_people_again() -> None:
    tracker = Tracker(COCO_17)
    for turn in range(2):
        if turn:
            tracker.rewind()
        for frame in range(30):
            there = poses_of(standing_at(300, 300)) if frame >= 10 else poses_of()
            ids = tracker.update(there, turn + frame / FPS).ids.tolist()
        assert ids == [1]


def test_a_new_scene_forgets_the_beginning_of_the_one_before() -> None:
    tracker = Tracker(COCO_17)
    tracker.update(poses_of(standing_at(300, 300)), 0.0)
    tracker.reset()
    tracker.update(poses_of(), 1.0)
    tracker.rewind()
    assert len(tracker.predict(1.1)) == 0
    assert tracker.update(poses_of(standing_at(300, 300)), 1.1).ids.tolist() == [1]


def test_lock_takes_the_person_under_the_point() -> None:
    tracker = Tracker(COCO_17)
    tracker.update(poses_of(standing_at(300, 300), standing_at(400, 300)), 0.0)
    assert tracker.lock((300.0, 250.0)) == 1
    assert tracker.lock((345.0, 300.0)) == 1  # nearer to the one's wrist than to the other's
    assert tracker.lock((355.0, 300.0)) == 2
    assert tracker.lock((408.0, 380.0)) == 2  # between knee and ankle
    assert tracker.lock((600.0, 300.0)) is None
    assert tracker.lock((460.0, 300.0), margin=0.01) is None


@pytest.mark.parametrize("skeleton", [COCO_17, MPII_16, LSP_14, OPENPOSE_18], ids=lambda s: s.name)
def test_every_skeleton_can_be_tracked(skeleton: Skeleton) -> None:
    """MPII and LSP have no published sigmas."""
    random = np.random.default_rng(7)
    body = random.uniform(-80, 80, (2, skeleton.k, 2))
    tracker = Tracker(skeleton)
    for frame in range(20):
        middles = np.array([[[300 + 3 * frame, 300]], [[420 - 3 * frame, 300]]])
        xy = (body + middles)[:: -1 if frame % 2 else 1]
        n = np.full(2, 0.8, np.float32)
        poses = Poses(
            xy=xy.astype(np.float32),
            score=np.full((2, skeleton.k), 0.8, np.float32),
            person_score=n,
            ids=np.zeros(2, np.int64),
            skeleton=skeleton,
        )
        ids = tracker.update(poses, frame / FPS).ids.tolist()
        assert ids == ([1, 2] if frame % 2 == 0 else [2, 1])


def test_a_shorter_memory_drops_people_sooner() -> None:
    for memory_s, identity in ((2.0, 1), (0.5, 2)):
        tracker = Tracker(COCO_17, replace(TRACK, memory_s=memory_s))
        for frame in range(60):
            tracker.update(poses_of(standing_at(300, 300)), frame / FPS)
        assert tracker.update(poses_of(), 2.6).ids.tolist() == []
        assert tracker.update(poses_of(standing_at(300, 300)), 2.7).ids.tolist() == [identity]


def test_the_last_frame_counts_however_few_there_are_but_not_for_ever() -> None:
    for pause_s, identity in ((1.9, 1), (2.1, 2)):
        tracker = Tracker(COCO_17)
        tracker.update(poses_of(standing_at(300, 300)), 0.0)
        assert tracker.update(poses_of(standing_at(300, 300)), pause_s).ids.tolist() == [identity]


def test_who_is_seen_from_the_side_is_not_thin() -> None:
    """All joints lie in line, and still there is a body around them; so there is where somebody is far off."""
    side = standing_at(300, 300)
    side[:, 0] = 300 + 0.01 * (side[:, 0] - 300)
    tracker = Tracker(COCO_17)
    tracker.update(poses_of(side), 0.0)
    length = float(np.ptp(side[:, 1]))
    assert tracker.lock((300 + 0.12 * length, 300.0)) == 1  # a fourth of the size, which is half of the length
    assert tracker.lock((300 + 0.13 * length, 300.0)) is None
    tracker.reset()
    tracker.update(poses_of(300 + 0.01 * (standing_at(300, 300) - 300)), 1.0)
    assert tracker.lock((302.0, 300.0)) == 2, "nobody is smaller than 8 px"
    assert tracker.lock((302.5, 300.0)) is None


def test_who_is_half_hidden_is_not_small_at_once() -> None:
    """The face alone, which turns: in sizes of the body the joints hardly move, in those of the face they fly apart."""
    tracker = Tracker(COCO_17)
    whole = standing_at(300, 300)
    for frame in range(30):
        tracker.update(poses_of(whole), frame / FPS)
    for frame in range(30, 40):
        face = whole.copy()
        face[5:] = np.nan
        swing = 2 * (-1) ** frame
        face[:5] += [(swing, 0), (-swing, 0), (0, swing), (-swing, 0), (swing, 0)]
        assert tracker.update(poses_of(face), frame / FPS).ids.tolist() == [1]


def test_arms_that_swing_do_not_move_the_body() -> None:
    """Its middle is told by the trunk, so that somebody who waves is expected where they stand."""
    tracker = Tracker(COCO_17)
    arms = [k for k, name in enumerate(COCO_17.keypoints) if name.endswith(("elbow", "wrist"))]
    hips = [k for k, name in enumerate(COCO_17.keypoints) if name.endswith("hip")]
    for frame in range(37):
        body = standing_at(300, 300)
        body[arms, 0] += 10 * max(0, frame - 30)
        tracker.update(poses_of(body), frame / FPS)
    moved = tracker.predict(36 / FPS + 0.5).xy[0, hips, 0] - body[hips, 0]
    assert np.abs(moved).max() < 25.0


def test_who_is_searched_for_far_and_wide_does_not_take_what_is_near_anothers_place() -> None:
    """One of two is lost for a second, and then one alone is seen, between both places and nearer to the other's."""
    tracker = Tracker(COCO_17)
    stays, lost = standing_at(300, 300), standing_at(330, 300)
    for frame in range(60):
        tracker.update(poses_of(stays, lost), frame / FPS)
    for frame in range(60, 90):
        assert tracker.update(poses_of(stays), frame / FPS).ids.tolist() == [1]
    assert tracker.update(poses_of(standing_at(314, 300)), 3.0).ids.tolist() == [1]


def test_what_is_expected_trembles_less_than_what_was_measured() -> None:
    tracker, random = Tracker(COCO_17), np.random.default_rng(0)
    measured, expected = [], []
    for frame in range(200):
        body = standing_at(300, 300) + random.normal(0, 3, 2)  # as a whole
        tracker.update(poses_of(body), frame / FPS)
        measured.append(body[0, 0])
        expected.append(float(tracker.predict(frame / FPS).xy[0, 0, 0]))
    assert np.std(expected[30:]) < 0.75 * np.std(measured[30:])


def test_who_is_out_of_sight_goes_on_for_a_while_and_stands_there_then() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(90):
        tracker.update(poses_of(standing_at(300 + 100 * frame / FPS, 300)), frame / FPS)
    soon, later = (tracker.predict(89 / FPS + s).xy for s in (TRACK.coast_s, 1.9))
    np.testing.assert_array_equal(soon, later)
    assert soon[0, 0, 0] == pytest.approx(300 + 100 * (89 / FPS + TRACK.coast_s), abs=2.0)


def test_where_hardly_a_joint_is_trusted_all_count() -> None:
    tracker = Tracker(COCO_17)
    for frame in range(10):
        people = poses_of(standing_at(300 + 2 * frame, 300), standing_at(500, 300), score=0.1)
        assert tracker.update(people, frame / FPS).ids.tolist() == [1, 2]
    assert tracker.lock((318.0, 250.0)) == 1


def test_nobody_is_known_again_beyond_reach() -> None:
    """However far the gate would be by then."""
    size = float(np.sqrt(np.ptp(standing_at(0, 0), axis=0).prod()))
    for sizes, identity in ((3.9, 1), (4.1, 2)):
        tracker = Tracker(COCO_17, replace(TRACK, gate=1e3, newcomer=1e3))
        for frame in range(75):
            tracker.update(poses_of(standing_at(300, 300)), frame / FPS)
        assert tracker.update(poses_of(standing_at(300 + sizes * size, 300)), 4.0).ids.tolist() == [identity]


def test_joints_may_have_swung_while_nobody_looked() -> None:
    """Somebody who comes back bent over is the same one; from one frame to the next it would be another."""
    whole = standing_at(300, 300)
    middle, angle = whole.mean(axis=0), np.deg2rad(72)
    bent = middle + (whole - middle) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for pause_s, identity in ((1.0, 1), (1 / FPS, 2)):
        tracker = Tracker(COCO_17)
        for frame in range(60):
            tracker.update(poses_of(whole), frame / FPS)
        assert tracker.update(poses_of(bent), 59 / FPS + pause_s).ids.tolist() == [identity]


def test_joints_out_of_sight_keep_the_score_of_when_they_were_seen() -> None:
    tracker = Tracker(COCO_17)
    half = poses_of(standing_at(300, 300))
    tracker.update(half, 0.0)
    half.xy[0, 11:], half.score[0, 11:], half.score[0, :11] = np.nan, 0.0, 0.6
    tracker.update(half, 1 / FPS)
    np.testing.assert_allclose(tracker.predict(2 / FPS).score[0], [0.6] * 11 + [0.8] * 6)


def test_a_click_counts_in_sizes_of_the_person_and_on_joints_without_a_limb() -> None:
    tracker = Tracker(COCO_17)
    large, small = standing_at(300, 300, 400), standing_at(372 + 44, 300, 100)
    tracker.update(poses_of(large, small), 0.0)
    wrist = 300 + 0.18 * 400
    assert tracker.lock((wrist + 19, 300.0)) == 1  # 16 px from the small one's wrist, and that is far for them
    assert tracker.lock((wrist + 28, 300.0)) == 2
    lone = standing_at(800, 300)
    lone[7], lone[9] = np.nan, (900, 300)  # no elbow, and the wrist far out
    tracker.update(poses_of(lone), 1.0)
    assert tracker.lock((903.0, 300.0)) is not None
