"""People who stand, wave, walk and cross, with joints known at any time: what tracking and smoothing are measured on.

A person is COCO's 17 joints on a body of sticks, seen from the side; lengths are parts of the height, from the table of
segment lengths in Winter, Biomechanics and Motor Control of Human Movement (Drillis & Contini 1966).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Poses

Array = NDArray[np.float64]

_THIGH, _SHIN, _UPPER_ARM, _FOREARM, _TRUNK, _HEAD = 0.245, 0.246, 0.186, 0.146, 0.288, 0.12
_STEP_HZ = 0.9  # of one leg, walking
_STRIDE = 0.8  # heights covered in that time; 1.75 m tall: 1.26 m/s


@dataclass(frozen=True)
class Walker:
    """A person of *height* px who is at ``place`` (s → x of the middle of the hips, y of the feet, px).

    ``phase`` 0..1 sets them out of step with the others; ``waving_hz`` waves the arms instead of swinging them, 0: no.
    ``depth`` orders who hides whom: the smaller is in front.
    """

    place: Callable[[Array], tuple[Array, float]]
    height: float = 300.0
    phase: float = 0.0
    waving_hz: float = 0.0
    depth: float = 0.0

    def joints(self, t: ArrayLike) -> Array:
        """The joints (…, 17, 2) at *t* (…) s, frame px."""
        t = np.asarray(t, np.float64)
        x, y = self.place(t)
        before, after = self.place(t - 1e-3)[0], self.place(t + 1e-3)[0]
        speed = (after - before) / 2e-3 / self.height  # heights/s, positive to the right
        facing = np.clip(speed / 0.5, -1.0, 1.0)  # 0: toward the camera, ±1: seen from the side; turning takes a while
        stride = np.minimum(1.0, np.abs(speed) / (_STRIDE * _STEP_HZ))  # of a full one; 0: stands still
        # The legs go with the way covered, so that the feet do not slide.
        turn = 2 * np.pi * (self.phase + x / self.height / _STRIDE)
        hip = _point(0 * x, _THIGH + _SHIN - 0.01 * stride * np.cos(2 * turn))
        neck = hip + _point(0.02 * facing * stride, _TRUNK)
        places = {"nose": neck + _point(0.06 * facing, 0.1)}
        for side, sign in (("left", 1.0), ("right", -1.0)):
            across = sign * (0.015 * facing + 0.05 * (1.0 - np.abs(facing)))
            leg = turn if sign > 0 else turn + np.pi
            thigh = 0.45 * stride * np.sin(leg)
            knee = 0.6 * stride * np.maximum(0.0, np.cos(leg)) + 0.05
            places[f"{side}_hip"] = hip + _point(across, 0.0)
            places[f"{side}_knee"] = places[f"{side}_hip"] + _along(_THIGH, thigh * facing)
            places[f"{side}_ankle"] = places[f"{side}_knee"] + _along(_SHIN, (thigh - knee) * facing)
            upper, bend = -0.5 * stride * np.sin(leg) * facing, 0.3 * facing
            if self.waving_hz:
                upper = sign * (2.0 + 0.5 * np.sin(2 * np.pi * self.waving_hz * t))
                bend = sign * (0.5 + 0.4 * np.cos(2 * np.pi * self.waving_hz * t))
            places[f"{side}_shoulder"] = neck + _point(2 * across, 0.0)
            places[f"{side}_elbow"] = places[f"{side}_shoulder"] + _along(_UPPER_ARM, upper)
            places[f"{side}_wrist"] = places[f"{side}_elbow"] + _along(_FOREARM, upper + bend)
            places[f"{side}_eye"] = neck + _point(0.045 * facing + across / 2, 0.115)
            places[f"{side}_ear"] = neck + _point(across, 0.105)
        body = np.stack([places[name] for name in COCO_17.keypoints], axis=-2)
        joints: Array = _point(x, y)[..., None, :] + self.height * body * np.array([1.0, -1.0])
        return joints


def _point(x: Array, y: Array | float) -> Array:
    """Points (…, 2)."""
    return np.stack([x, np.broadcast_to(y, np.shape(x))], axis=-1)


def _along(length: float, angle: Array) -> Array:
    """A limb that hangs down, swung by *angle* radians to the right."""
    return _point(length * np.sin(angle), -length * np.cos(angle))


@dataclass(frozen=True)
class Disturbance:
    """What an estimator gets wrong: *noise* is the standard deviation of each coordinate as a part of the height.

    ``misses`` is the share of people not found in a frame, by chance; ``hidden`` leaves out people of whom more than half
    of the joints lie behind the body of somebody in front; ``false`` is the mean number of people a frame who are not there.
    """

    noise: float = 0.0
    misses: float = 0.0
    hidden: bool = False
    false: float = 0.0


def observe(walkers: list[Walker], t: float, how: Disturbance, random: np.random.Generator) -> tuple[Poses, NDArray[np.intp]]:
    """What is found at *t* s, in random order, and which walker each pose (N,) is: −1 for nobody."""
    truth = np.stack([w.joints(t) for w in walkers])
    found = random.random(len(walkers)) >= how.misses
    if how.hidden:
        found &= ~_hidden(truth, walkers)
    who = random.permutation(np.nonzero(found)[0])
    heights = np.array([w.height for w in walkers])
    xy = truth[who] + random.normal(0.0, 1.0, (len(who), COCO_17.k, 2)) * (how.noise * heights[who])[:, None, None]
    for _ in range(random.poisson(how.false)):
        like = random.integers(len(walkers))
        away = random.uniform(-1.0, 1.0, 2) * (3 * heights[like], 0.5 * heights[like])
        xy = np.concatenate([xy, (truth[like] + away + random.normal(0, 0.05 * heights[like], truth[like].shape))[None]])
        who = np.append(who, -1)
    n = len(who)
    score = random.uniform(0.5, 0.95, (n, COCO_17.k)).astype(np.float32)
    poses = Poses(
        xy=xy.astype(np.float32), score=score, person_score=score.mean(axis=1), ids=np.zeros(n, np.int64), skeleton=COCO_17
    )
    return poses, who.astype(np.intp)


def _hidden(truth: Array, walkers: list[Walker]) -> NDArray[np.bool_]:
    """Of whom more than half of the joints (N, 17) lie inside the trunk-wide body of somebody in front."""
    out = np.zeros(len(walkers), bool)
    for i, walker in enumerate(walkers):
        behind = np.zeros(COCO_17.k, bool)
        for j, other in enumerate(walkers):
            if other.depth < walker.depth:
                middle, reach = truth[j].mean(axis=0), np.array([0.1, 0.55]) * other.height
                behind |= (np.abs(truth[i] - middle) < reach).all(axis=1)
        out[i] = behind.mean() > 0.5
    return out


def crossing(people: int = 5, width: float = 1280.0, ground: float = 600.0) -> list[Walker]:
    """People who walk to and fro across the picture, each at a steady speed of their own: they meet and overtake."""

    def path(i: int) -> Callable[[Array], tuple[Array, float]]:
        period = 6.5 * 1.17**i  # s, there and back
        start, reach = i / people, width * 0.42

        def place(t: Array) -> tuple[Array, float]:
            # A zigzag with rounded corners: nobody turns in no time.
            zigzag = np.arcsin(0.97 * np.sin(2 * np.pi * (t / period + start))) / np.arcsin(0.97)
            return width / 2 + reach * zigzag, ground + 8.0 * (i - people // 2)

        return place

    # Who is nearer is larger and stands lower in the picture.
    return [Walker(path(i), 300.0 + 12.0 * i, 0.37 * i, depth=float(people - i)) for i in range(people)]


def standing() -> Walker:
    """One who stands still."""
    return Walker(lambda t: (640.0 + 0 * t, 600.0))


def walking() -> Walker:
    """One who walks across the picture, a height in 1.4 s: 1.26 m/s."""
    return Walker(lambda t: (100.0 + 300.0 * _STRIDE * _STEP_HZ * t, 600.0))


def waving(hz: float = 0.8) -> Walker:
    """One who stands and waves both arms."""
    return Walker(lambda t: (640.0 + 0 * t, 600.0), waving_hz=hz)
