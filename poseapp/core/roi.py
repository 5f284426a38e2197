"""The region of the next frame to give to the network: around the last pose, or a search over the frame."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.geometry import bounds, plain
from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import fit_aspect, fitted_height, whole_box
from poseapp.core.types import FloatArray

Box = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RoiRule:
    """When a pose is a person, and how large the next region is.

    The mean of the best ``joints`` scores must be at least ``find`` for a new person, and at least ``keep`` for a known one.
    The values are for calibrated scores, as the bundled models have: half of the joints with a score of 0.5 are right.
    """

    joints: int = 6
    find: float = 0.77  # at 0.72 a fold of a curtain passes for a person
    keep: float = 0.5
    trusted: float = 0.3  # joints below this score do not shape the next box
    margin: float = 1.35  # around the trusted joints, which lie inside the body's outline
    shrink: float = 0.9  # the least size of a box relative to the one before: a calm crop is a calm pose
    misses: int = 3  # frames in a row below ``keep`` before the person is given up


ROI = RoiRule()
GRID_STEPS = 128  # heights of regions from one to its double: coarser ones shake the joints, finer ones agree later

# Rough lengths between joints in torso lengths (middle of the shoulders to middle of the hips), by eye from an
# anatomical drawing: good enough to tell how far the unseen part of a body reaches.
_TORSO_LENGTHS = {
    ("left_eye", "right_eye"): 0.14,
    ("left_ear", "right_ear"): 0.33,
    ("left_shoulder", "right_shoulder"): 0.75,
    ("left_hip", "right_hip"): 0.5,
    ("left_shoulder", "left_hip"): 1.0,
    ("right_shoulder", "right_hip"): 1.0,
    ("left_shoulder", "left_elbow"): 0.65,
    ("right_shoulder", "right_elbow"): 0.65,
    ("left_hip", "left_knee"): 0.9,
    ("right_hip", "right_knee"): 0.9,
}
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head_top", "neck")


class RoiTracker:
    """The region of one person, frame after frame.

    For each frame the caller asks ``box`` for the region, runs the network on it, and gives the pose to ``update``. While
    nobody is followed the regions walk over the frame: the whole frame, then upright parts of full height, because a
    person is small in an upright crop of a whole wide frame. With *on_a_grid* the regions of a followed person are those of
    ``on_grid``.
    """

    def __init__(self, skeleton: Skeleton, input_hw: tuple[int, int], rule: RoiRule = ROI, on_a_grid: bool = False) -> None:
        self._skeleton, self._input_hw, self._rule, self._on_a_grid = skeleton, input_hw, rule, on_a_grid
        self._followed: Box | None = None
        self._misses = 0
        self._tries = 0

    @property
    def following(self) -> bool:
        """Whether a person is being followed."""
        return self._followed is not None

    def box(self, frame_hw: tuple[int, int], detected: Sequence[Box] = ()) -> Box:
        """The region (4,) to give to the network, x, y, width, height in frame px.

        *detected* are the regions of a detector, the surest first. They take turns with the search, which finds the people
        that the detector misses.
        """
        if self._followed is not None:
            return self._followed
        search = search_boxes(frame_hw, self._input_hw)
        if not detected:
            return search[self._tries % len(search)]
        turn, searching = divmod(self._tries, 2)
        return search[turn % len(search)] if searching else detected[turn % len(detected)]

    def update(self, xy: FloatArray, score: FloatArray, frame_hw: tuple[int, int]) -> bool:
        """Take the pose *xy* (K, 2), *score* (K,) that was found in ``box``; True when it is a person."""
        rule = self._rule
        if not is_person(score, self.following, rule):
            self._misses += 1
            self._tries += 1
            if self._misses >= rule.misses:
                self._followed = None
            return False
        self._misses = 0
        region = next_region(self._skeleton, xy, score, frame_hw, self._input_hw, self._followed, rule)
        self._followed = on_grid(region) if self._on_a_grid else region
        return True

    def reset(self) -> None:
        """Search again: the next frame shows something else."""
        self._followed, self._misses, self._tries = None, 0, 0

    def take_over_state(self, other: RoiTracker) -> None:
        """Go on where *other* was, after a change of model."""
        self._followed = other._followed


def is_person(score: FloatArray, known: bool, rule: RoiRule = ROI) -> bool:
    """Whether the joints with *score* (K,) are a person; a *known* person may have lower scores than a new one."""
    scores = sorted(score.tolist())
    best = scores[-rule.joints :]
    if not sum(best) / len(best) >= (rule.keep if known else rule.find):  # also where it is NaN
        return False
    return sum(one >= rule.trusted for one in scores) >= 3 and all(one == one for one in scores)


def next_region(
    skeleton: Skeleton,
    xy: FloatArray,
    score: FloatArray,
    frame_hw: tuple[int, int],
    input_hw: tuple[int, int],
    before: Box | None = None,
    rule: RoiRule = ROI,
) -> Box:
    """The next region (4,) of the person at *xy* (K, 2) with *score* (K,); *before* is the last region."""
    left, top, right, bottom = bounds(body_extent(skeleton, xy, score >= rule.trusted, frame_hw))
    # All boxes have the input's aspect, so their heights tell their sizes.
    height = rule.margin * fitted_height(max(right - left, 8.0), max(bottom - top, 8.0), input_hw)
    if before is not None:
        height = max(height, rule.shrink * fitted_height(float(before[2]), float(before[3]), input_hw))
    # Never larger than what shows the whole frame; growing at once keeps an outstretched arm.
    height = min(height, fitted_height(frame_hw[1], frame_hw[0], input_hw))
    width = height * input_hw[1] / input_hw[0]
    x, y = left + (max(right - left, 8.0) - width) / 2, top + (max(bottom - top, 8.0) - height) / 2
    return np.array([x, y, width, height], np.float32)


def on_grid(region: Box) -> Box:
    """*region* (4,), made larger and moved by less than 1 %, so that all regions that are nearly the same are the same.

    A region comes from the pose in the region before, and so from all frames before. Two analyses that begin in different frames
    would never quite agree, because a shift of the region shifts what a network with a coarse heatmap finds. On a grid they
    give the network the same region after some frames, and the same ones from then on. So the pieces of a clip can be analysed
    apart.
    """
    x, y, width, height = region.tolist()
    tall = 2.0 ** (math.ceil(math.log2(height) * GRID_STEPS - 1e-3) / GRID_STEPS)  # what is on the grid stays there
    wide, step = round(width / height, 5) * tall, tall / GRID_STEPS / 2  # rounded: a float's last digit must not tell them apart
    centre_x, centre_y = round((x + width / 2) / step) * step, round((y + height / 2) / step) * step
    return np.array([centre_x - wide / 2, centre_y - tall / 2, wide, tall], np.float32)


def detected_region(box: Box, input_hw: tuple[int, int], margin: float = 1.25) -> Box:
    """The region (4,) of the person that a detector found in *box*; networks are trained with the *margin* 1.25."""
    return fit_aspect(box, input_hw, margin).astype(np.float32)


def scale_box(box: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """*box* made larger or smaller about its centre."""
    x, y, w, h = box
    return np.array([x + w * (1 - factor) / 2, y + h * (1 - factor) / 2, w * factor, h * factor])


def body_extent(skeleton: Skeleton, xy: FloatArray, trusted: NDArray[np.bool_], frame_hw: tuple[int, int]) -> list[complex]:
    """Points x + iy that the next region must hold: the trusted joints, and where the others would be inside the frame.

    Without the others the region would shrink to a head that is seen alone, or to a torso without legs, and the network
    would never see the rest of the body again.
    """
    anatomy = _anatomy(skeleton)
    where = {k: z for k, (z, counts) in enumerate(zip(plain(xy[None])[0], trusted.tolist(), strict=True)) if counts}
    if any(k in where for k in anatomy.hips) and any(k in where for k in anatomy.ankles):
        return list(where.values())  # nothing of a body reaches beyond
    lengths = sorted(abs(where[a] - where[b]) / r for a, b, r in anatomy.lengths if a in where and b in where)
    # One of the longer ones: what points toward the camera only looks shorter, and a single joint may be quite wrong.
    guesses = _guesses(anatomy, where, lengths[round(0.75 * (len(lengths) - 1))]) if lengths else []
    h, w = frame_hw
    inside = [complex(min(max(at.real, 0.0), w - 1.0), min(max(at.imag, 0.0), h - 1.0)) for at in guesses]
    return [*where.values(), *inside]


def _guesses(anatomy: _Anatomy, where: dict[int, complex], torso: float) -> list[complex]:
    """Where the unseen parts of a body may be; its *torso* is so many px long."""
    head, shoulders, hips = _middle(where, anatomy.head), _middle(where, anatomy.shoulders), _middle(where, anatomy.hips)
    knees, ankles = _middle(where, anatomy.knees), _middle(where, anatomy.ankles)
    down, guesses = 1j * torso, []
    if shoulders is None and head is not None:
        shoulders = head + 0.5 * down
    if hips is None and shoulders is not None:
        hips = shoulders + down
        guesses += [hips - 0.6 * torso, hips + 0.6 * torso]  # room for the forearms
    elif hips is not None and shoulders is not None and abs(hips - shoulders) > 0.5 * torso:
        down = hips - shoulders  # the way this body points: it may lie
    if hips is not None and knees is None and ankles is None:
        guesses.append(hips + 1.7 * down)
    elif knees is not None and ankles is None:
        guesses.append(knees + 0.85 * down)
    return guesses


@dataclass(frozen=True, kw_only=True)
class _Anatomy:
    """The joints of a skeleton by the part of the body, and ``lengths``: two joints and how far apart, in torso lengths."""

    head: list[int]
    shoulders: list[int]
    hips: list[int]
    knees: list[int]
    ankles: list[int]
    lengths: list[tuple[int, int, float]]


@functools.cache
def _anatomy(skeleton: Skeleton) -> _Anatomy:
    index = {name: k for k, name in enumerate(skeleton.keypoints)}

    def joints(*names: str) -> list[int]:
        return [index[name] for name in names if name in index]

    shoulders, hips, knees, ankles = (joints(f"left_{part}", f"right_{part}") for part in ("shoulder", "hip", "knee", "ankle"))
    lengths = [(index[a], index[b], r) for (a, b), r in _TORSO_LENGTHS.items() if a in index and b in index]
    return _Anatomy(head=joints(*_HEAD), shoulders=shoulders, hips=hips, knees=knees, ankles=ankles, lengths=lengths)


def _middle(where: dict[int, complex], joints: list[int]) -> complex | None:
    """The middle of the present ones of *joints*."""
    places = [where[k] for k in joints if k in where]
    return sum(places) / len(places) if places else None


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
