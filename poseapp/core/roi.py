"""Where to look next: follow the last pose, search the frame when there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.transform import fit_aspect, whole_box
from poseapp.core.types import FloatArray

Box = NDArray[np.float32]


@dataclass(frozen=True)
class FollowRule:
    """When a pose counts as found (*find*), and as still there (*keep*): the mean of its best *joints* scores."""

    joints: int = 6
    find: float = 0.35
    keep: float = 0.22
    trusted: float = 0.2  # joints below this score do not shape the next box
    margin: float = 1.35  # around the trusted joints, which lie inside the body's outline
    misses: int = 3  # frames in a row below *keep* before the person is given up


class Follower:
    """The region of one person, frame after frame.

    ``box`` says where to look in the next frame; ``update`` takes what was found there. While nobody is followed
    the boxes walk over the frame: the whole of it, then upright parts of full height, because in a wide
    picture an upright crop of the whole leaves a person small.
    """

    def __init__(self, input_hw: tuple[int, int], rule: FollowRule = FollowRule()) -> None:
        self._input_hw, self._rule = input_hw, rule
        self._followed: Box | None = None
        self._misses = 0
        self._tries = 0
        self.identity = 0  # of the person followed now or last; a new number each time one is found

    @property
    def following(self) -> bool:
        """Whether a person is being followed."""
        return self._followed is not None

    def box(self, frame_hw: tuple[int, int]) -> Box:
        """The region (4,) to give to the network, x, y, width, height in frame px."""
        if self._followed is not None:
            return self._followed
        candidates = search_boxes(frame_hw, self._input_hw)
        return candidates[self._tries % len(candidates)]

    def update(self, xy: FloatArray, score: FloatArray, frame_hw: tuple[int, int]) -> bool:
        """Take the pose (K, 2), (K,) found in ``box``; True when it is a person."""
        rule = self._rule
        strength = float(np.sort(score)[-rule.joints :].mean())
        if strength < (rule.keep if self.following else rule.find):
            self._miss()
            return False
        trusted = score >= rule.trusted
        if np.count_nonzero(trusted) < 3:
            self._miss()
            return False
        if not self.following:
            self.identity += 1
        self._misses = 0
        self._followed = self._around(xy[trusted], frame_hw)
        return True

    def forget(self) -> None:
        """Start searching again: the picture is another one."""
        self._followed, self._misses, self._tries = None, 0, 0

    def inherit(self, other: Follower) -> None:
        """Go on where *other* was, after a change of model."""
        self._followed, self.identity = other._followed, other.identity

    def _miss(self) -> None:
        self._misses += 1
        self._tries += 1
        if self._misses >= self._rule.misses:
            self._followed = None

    def _around(self, xy: FloatArray, frame_hw: tuple[int, int]) -> Box:
        low, high = xy.min(axis=0), xy.max(axis=0)
        box = fit_aspect((*low, *np.maximum(high - low, 8.0)), self._input_hw, self._rule.margin)
        if self._followed is not None:
            # Growing at once keeps an outstretched arm; shrinking slowly keeps the crop, and so the pose, calm.
            old = fit_aspect(self._followed, self._input_hw)
            size = max(box[3], 0.9 * old[3])
            box = fit_aspect((box[0] + box[2] / 2 - 0.5, box[1] + box[3] / 2 - size / 2, 1.0, size), self._input_hw)
        # Never larger than what shows the whole frame.
        limit = fit_aspect(whole_box(frame_hw), self._input_hw)
        return (limit if box[3] > limit[3] else box).astype(np.float32)


def search_boxes(frame_hw: tuple[int, int], input_hw: tuple[int, int]) -> list[Box]:
    """Regions to try in turn: the whole frame, and in a wide one upright parts: middle, left, right."""
    h, w = frame_hw
    whole = whole_box(frame_hw)
    part = h * input_hw[1] / input_hw[0]
    if w < 1.2 * part:
        return [whole]

    def upright(centre: float) -> Box:
        return np.array([centre - part / 2, -0.5, part, h], np.float32)

    sides = [upright(part / 2 - 0.5), upright(w - part / 2 - 0.5)]
    quarters = [upright(w * 0.35), upright(w * 0.65)] if w > 1.8 * part else []
    return [upright(w / 2 - 0.5), whole, *quarters, *sides]
