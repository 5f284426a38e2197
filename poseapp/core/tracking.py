"""Who is who: identities that last from frame to frame, by object keypoint similarity with a motion gate.

``core/track.py`` predicts each known person to the time of the new frame. The people found are then assigned to the
predictions all at once (Hungarian method; Kuhn 1955).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from poseapp.core.geometry import SMALLEST_BODY_PX, array, body_size_px, distance_from_segment, plain
from poseapp.core.skeleton import Skeleton
from poseapp.core.track import TRACK, Body, Found, Track, TrackRule, possible_pairs
from poseapp.core.types import Poses

IntArray = NDArray[np.intp]
AGAIN_S = 0.3  # how far a clip's first frame with people may be from the first one of a further round: live, some are skipped
Assign = Callable[[NDArray[np.float64]], tuple[IntArray, IntArray]]


class Tracker:
    """Gives the people of each frame identities: numbers from 1, never given twice.

    With *alone* there is at most one person in a frame, and scipy, which takes a while to load, is not needed. Made and used
    on one thread. Times are capture times in s; a time before the last one means that the clip began again, and the
    tracker is reset.
    """

    def __init__(self, skeleton: Skeleton, rule: TrackRule = TRACK, alone: bool = False) -> None:
        self._skeleton, self._rule = skeleton, rule
        self.next_id = 1
        self._body = Body.of(skeleton)
        self._assign = None if alone else _hungarian()  # here and not in the first frame: it takes a while to load
        self._last = Poses.none(skeleton)
        self._tracks: list[Track] = []
        self._t = -math.inf
        self._first = self._last  # the people of the first frame with any, since the clip began
        self._again = False  # the next frame with people is the first one of a further round

    def update(self, poses: Poses, t: float, skipped: Collection[int] = ()) -> Poses:
        """The same people, in the same order, with their identities; *t* is the frame's capture time in s.

        The identities *skipped* were not looked for in this frame. Nobody takes their place, and they are appended after the
        others, where they are predicted to be.
        """
        if t < self._t:
            self.reset()
        if self._again and len(poses):
            self._begin_again(t)
        before, self._t = self._t, t
        for track in self._tracks:
            if track.identity in skipped:
                track.noted = t
        self._tracks = [track for track in self._tracks if self._remembered(track, t, before)]
        people = self._people(poses)
        free = [track for track in self._tracks if track.identity not in skipped]
        ids: list[int] = []
        for person, known in zip(people, self._match(people, free, t), strict=True):
            if known is None:
                self._tracks.append(Track.begin(self.next_id, person, t, self._body, self._rule))
                self.next_id += 1
            else:
                known.follow(person, t, self._body, self._rule)
            ids.append(self._tracks[-1].identity if known is None else known.identity)
        self._last = Poses(
            xy=poses.xy, score=poses.score, person_score=poses.person_score, ids=np.array(ids, np.int64), skeleton=poses.skeleton
        )
        if skipped:
            expected = self.predict(t)
            self._last = self._last.plus(expected.pick(np.isin(expected.ids, list(skipped))))
        if len(self._first) == 0:
            self._first = self._last
        return self._last

    def predict(self, t: float, unseen_s: float = math.inf) -> Poses:
        """Where everybody still known is expected at *t*, with the scores of the last time that they were seen.

        People who have not been seen for more than *unseen_s* are left out. A joint that was never seen is NaN.
        """
        tracks = [track for track in self._tracks if t - track.seen <= unseen_s]
        n, k = len(tracks), self._skeleton.k
        z = [track.joints_at(min(max(t - track.seen, 0.0), self._rule.coast_s)) for track in tracks]
        return Poses(
            xy=array(z, k),
            score=np.array([track.score for track in tracks], np.float32).reshape(n, k),
            person_score=np.array([track.person_score for track in tracks], np.float32),
            ids=np.array([track.identity for track in tracks], np.int64),
            skeleton=self._skeleton,
        )

    def reset(self) -> None:
        """Know nobody any more. The numbers go on: a new person never gets an old number."""
        self._tracks = []
        self._last = self._first = Poses.none(self._skeleton)
        self._t, self._again = -math.inf, False

    def rewind(self) -> None:
        """The same clip begins again: the people of its beginning are there again, and the next new one is the second round's.

        So everybody gets the number of the round before, as far as people come in the same order.
        """
        self._tracks, self._again = [], True
        self.next_id = max(self._first.ids.tolist(), default=0) + 1

    def _begin_again(self, t: float) -> None:
        """Know the people of the clip's first frame with any, as if it were that of *t*."""
        self._again = False
        for identity, person in zip(self._first.ids.tolist(), self._people(self._first), strict=True):
            track = Track.begin(identity, person, t - AGAIN_S, self._body, self._rule)
            track.noted = t
            self._tracks.append(track)

    def renumber(self) -> dict[int, int]:
        """Number the known people from 1 on, as if nobody had been there before; returns old number → new.

        For the start of a recording, in which no earlier number can be. The next new person gets the next number.
        """
        here = set(self._last.ids.tolist())  # they come before those who are only remembered
        people = sorted((track.identity not in here, track.identity) for track in self._tracks)
        given = {identity: n for n, (_, identity) in enumerate(people, 1)}
        for track in self._tracks:
            track.identity = given[track.identity]
        self._last, self._first = _renumbered(self._last, given), _renumbered(self._first, given)
        self.next_id = len(given) + 1
        return given

    @property
    def seen_last(self) -> Poses:
        """The people of the last frame."""
        return self._last

    def take_over_state(self, other: Tracker) -> None:
        """Go on with the people of *other* if its skeleton is the same, and with its numbers in any case."""
        self.next_id = max(self.next_id, other.next_id)
        if other._skeleton is self._skeleton:
            self._tracks, self._last, self._t = other._tracks, other._last, other._t
            self._first, self._again = other._first, other._again

    def lock(self, xy: tuple[float, float], margin: float = 0.25) -> int | None:
        """The identity of the person of the last frame under the point *xy* (frame px); None where nobody is.

        It is the person whose limbs are nearest, in sizes of that person, and no farther than *margin*.
        """
        if len(self._last) == 0:
            return None
        nearest = []
        for person in self._people(self._last):
            counted = set(person.joints)
            joints = [(k, k) for k in person.joints]  # a joint is a limb without a length
            limbs = [(a, b) for a, b in self._skeleton.limbs if a in counted and b in counted]
            far = [distance_from_segment(complex(*xy), person.z[a], person.z[b]) for a, b in [*limbs, *joints]]
            nearest.append(min(far, default=math.inf) / person.size)
        best = nearest.index(min(nearest))
        return int(self._last.ids[best]) if nearest[best] <= margin else None

    def _remembered(self, track: Track, t: float, before: float) -> bool:
        """Whether *track* is still known at *t*; *before* is the time of the frame before."""
        rule = self._rule
        if track.noted >= before and t - before <= rule.memory_s:  # few frames a second: the last one always counts
            return True
        return t - track.noted <= min(max(track.seen - track.born, rule.brief_s), rule.memory_s)

    def _people(self, poses: Poses) -> list[Found]:
        """The people of *poses* in plain numbers. The trusted joints count, or all joints where hardly any is trusted."""
        people = []
        for z, score, person_score in zip(plain(poses.xy), poses.score.tolist(), poses.person_score.tolist(), strict=True):
            there = [k for k, place in enumerate(z) if cmath.isfinite(place)]
            trusted = [k for k in there if score[k] >= self._rule.trusted]
            joints = trusted if len(trusted) >= 3 else there
            size = max(body_size_px([z[k] for k in joints]), SMALLEST_BODY_PX)
            people.append(Found(z, joints, score, person_score, size))
        return people

    def _match(self, people: Sequence[Found], tracks: Sequence[Track], t: float) -> list[Track | None]:
        """The track of each of *people*, if any."""
        if not people or not tracks:
            return [None] * len(people)
        expected = [track.expect(t, self._rule) for track in tracks]
        value = [[0.0] * len(people) for _ in tracks]
        for row, column in possible_pairs(expected, people, self._rule):
            value[row][column] = expected[row].value(people[column], self._body, self._rule)
        if len(people) == 1:
            rows, columns = [max(range(len(tracks)), key=lambda row: value[row][0])], [0]
        else:
            assert self._assign is not None, "there is one person a frame"
            rows, columns = (found.tolist() for found in self._assign(-np.array(value)))
        out: list[Track | None] = [None] * len(people)
        for row, column in zip(rows, columns, strict=True):
            if value[row][column] > 0:
                out[column] = tracks[row]
        return out


def _renumbered(poses: Poses, given: Mapping[int, int]) -> Poses:
    """The people of *poses* who are still known, with the numbers *given*: old number → new."""
    known = poses.pick(np.isin(poses.ids, list(given)))
    return replace(known, ids=np.array([given[identity] for identity in known.ids.tolist()], np.int64))


def _hungarian() -> Assign:
    """Gives the rows and columns of the cheapest assignment. Loading it takes a third of a second, so the app does not."""
    from scipy.optimize import linear_sum_assignment

    assign: Assign = linear_sum_assignment
    return assign
