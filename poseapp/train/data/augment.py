"""Random variation of a sample: geometry as one affine, appearance as a webcam makes it.

What is done to a sample is drawn first, for any number of samples at once, and applied afterwards: here with OpenCV, one
sample at a time, or on a device for a whole batch (train/data/resident.py). Both do the same things equally often.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine, crop_affines, fit_aspect
from poseapp.core.types import FloatArray, ImageArray

_LOWER_BODY = ("hip", "knee", "ankle")
HALF_BODY_PADDING = 1.5

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Augment:
    """Ranges and probabilities. Geometry after Newell et al. 2016, Sec. 4.1, and Sun et al. 2019, Sec. 4.1.

    ``coarse_p`` sends the crop through a smaller size, ``occlude_p`` puts a patch of other texture before the person,
    ``erase_p`` one of a plain colour, and ``cut_p`` lets the frame end inside the crop: joints beyond are taught as absent.
    """

    rotation_deg: float = 45.0
    rotation_p: float = 0.6
    scale: tuple[float, float] = (0.65, 1.35)
    shift: float = 0.1  # of the box, each way
    flip_p: float = 0.5
    half_body_p: float = 0.3
    half_body_min_joints: int = 8
    colour_p: float = 0.8
    blur_p: float = 0.15
    noise_p: float = 0.15
    jpeg_p: float = 0.15
    erase_p: float = 0.3
    dark_p: float = 0.08
    coarse_p: float = 0.08
    occlude_p: float = 0.2
    cut_p: float = 0.1

    def geometry(
        self,
        box: NDArray[np.floating],
        joints: FloatArray,
        skeleton: Skeleton,
        input_hw: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[Affine, bool]:
        """A random affine from frame px to input px around *box*, and whether it mirrors."""
        affines, flips = self.geometries(np.asarray(box)[None], joints[None], skeleton, input_hw, random)
        return affines[0], bool(flips[0])

    def geometries(
        self,
        boxes: NDArray[np.floating],
        joints: FloatArray,
        skeleton: Skeleton,
        input_hw: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[Floats, Bools]:
        """``geometry`` for *boxes* (N, 4) and *joints* (N, K, 3) at once: affines (N, 2, 3), and which of them mirror (N,)."""
        n = len(boxes)
        halved = (random.random(n) < self.half_body_p) & ((joints[..., 2] > 0).sum(axis=1) > self.half_body_min_joints)
        lower = random.random(n) < 0.3
        if halved.any():
            halves = half_bodies(joints, skeleton, input_hw)  # (2, N, 4)
            half = np.where(lower[:, None], halves[0], halves[1])
            boxes = np.where((halved & np.isfinite(half).all(axis=1))[:, None], half, boxes)
        scale = np.clip(1 + 0.25 * random.standard_normal(n), *self.scale)[:, None]
        shift = np.clip(random.standard_normal((n, 2)) * self.shift / 2, -self.shift, self.shift)
        rotated = random.random(n) < self.rotation_p
        rotation = np.clip(random.standard_normal(n) * self.rotation_deg / 2, -self.rotation_deg, self.rotation_deg)
        flips = random.random(n) < self.flip_p
        centre = boxes[:, :2] + (0.5 + shift) * boxes[:, 2:]
        size = boxes[:, 2:] * scale
        around = np.concatenate([centre - size / 2, size], axis=1)
        return crop_affines(around, input_hw, rotation * rotated, flips), flips

    def appearances(self, n: int, input_hw: tuple[int, int], random: np.random.Generator) -> Appearance:
        """Random appearances for *n* crops of the size *input_hw*."""
        h, w = input_hw
        uniform = random.uniform
        chosen = {
            name: random.random(n) < p
            for name, p in (
                ("colour", self.colour_p), ("occlude", self.occlude_p), ("blur", self.blur_p), ("dark", self.dark_p),
                ("noise", self.noise_p), ("coarse", self.coarse_p), ("jpeg", self.jpeg_p), ("erase", self.erase_p),
                ("cut", self.cut_p),
            )
        }  # fmt: skip
        moving = chosen["blur"] & (random.random(n) < 0.5)
        noise = np.maximum(uniform(2, 12, n) * chosen["noise"], uniform(4, 14, n) * chosen["dark"])  # low light is noisy
        eh, ew = np.floor(h * uniform(0.08, 0.3, n)), np.floor(w * uniform(0.08, 0.4, n))
        top, left = np.floor(uniform(0, h - eh)), np.floor(uniform(0, w - ew))
        return Appearance(
            coloured=chosen["colour"],
            gamma=np.exp(uniform(-0.4, 0.4, n)),
            contrast=uniform(0.7, 1.3, n),
            brightness=uniform(-0.15, 0.15, n),
            gains=uniform(0.85, 1.15, (n, 3)),
            grey=chosen["colour"] & (random.random(n) < 0.1),
            occluded=chosen["occlude"],
            round=random.random(n) < 0.5,
            occluder=np.stack(
                [
                    uniform(0.1 * w, 0.9 * w, n),
                    uniform(0.1 * h, 0.9 * h, n),
                    h * uniform(0.06, 0.25, n),
                    h * uniform(0.03, 0.1, n),
                    uniform(0, math.pi, n),
                ],
                axis=1,
            ),
            tint=uniform(0.5, 1.2, (n, 3)),
            blur_px=h * uniform(0.002, 0.008, n) * (chosen["blur"] & ~moving),
            motion_px=np.maximum(3, np.floor(h * uniform(0.01, 0.04, n))).astype(np.int64) * moving,
            motion_angle=uniform(0, math.pi, n),
            light=np.where(chosen["dark"], uniform(0.12, 0.5, n), 1.0),
            noise=noise,
            noise_seed=random.integers(0, 2**31 - 1, n),
            coarse=np.where(chosen["coarse"], random.integers(2, 4, n), 1),
            quality=np.where(chosen["jpeg"], random.integers(10, 70, n), 0),
            erased=np.stack([left, top, left + ew, top + eh], axis=1).astype(np.int64) * chosen["erase"][:, None],
            erase_colour=random.integers(0, 256, (n, 3)),
            frame=np.where(chosen["cut"][:, None], _frames(n, input_hw, random), (0, 0, w, h)).astype(np.int64),
        )

    def appearance(self, crop: ImageArray, random: np.random.Generator) -> ImageArray:
        """*crop* (H, W, 3) as a bad camera in a bad place would see it."""
        return self.appearances(1, (crop.shape[0], crop.shape[1]), random).apply(crop)


# Geometry alone.
PLAIN = Augment(colour_p=0, blur_p=0, noise_p=0, jpeg_p=0, erase_p=0, dark_p=0, coarse_p=0, occlude_p=0, cut_p=0)


def half_bodies(joints: FloatArray, skeleton: Skeleton, input_hw: tuple[int, int]) -> Floats:
    """Boxes (2, N, 4) around the lower and the upper half of people (N, K, 3): a webcam sees a head and shoulders.

    NaN where fewer than three joints, or joints in a line along an axis, do not tell.
    """
    lower = _lower_body(skeleton)
    known = joints[..., 2] > 0
    out = np.full((2, len(joints), 4), np.nan)
    for boxes, part in zip(out, (lower, ~lower), strict=True):
        seen = known & part
        low = np.where(seen[..., None], joints[..., :2], np.inf).min(axis=1)
        high = np.where(seen[..., None], joints[..., :2], -np.inf).max(axis=1)
        good = seen.sum(axis=1) >= 3
        good[good] = (high - low)[good].min(axis=1) >= 2
        boxes[good] = fit_aspect(np.concatenate([low, high - low], axis=1)[good], input_hw, HALF_BODY_PADDING)
    return out


@functools.cache
def _lower_body(skeleton: Skeleton) -> Bools:
    return np.array([any(part in name for part in _LOWER_BODY) for name in skeleton.keypoints])


def _frames(n: int, input_hw: tuple[int, int], random: np.random.Generator) -> Floats:
    """What is left (n, 4) of crops when the frame ends inside: left, top, right, bottom. Mostly it ends below."""
    h, w = input_hw
    side = random.choice(4, n, p=(0.2, 0.1, 0.2, 0.5))
    share = random.uniform(0.1, 0.45, n)
    whole = np.tile(np.array([0.0, 0.0, w, h]), (n, 1))
    cut = np.stack([share * w, share * h, w - share * w, h - share * h], axis=1)
    return np.where(np.arange(4) == side[:, None], cut, whole)


@dataclass(frozen=True)
class Appearance:
    """What N crops (H, W, 3) are to look like, in the order in which it is applied; every array has N in front.

    ``coloured``: ``gamma``, ``contrast``, ``brightness`` and ``gains`` (N, 3), then ``grey``. ``occluded``: an ellipse
    (``round``) or a box ``occluder`` (N, 5), centre x, y, half sizes in px and angle, of the picture turned round and
    tinted. ``blur_px`` and ``motion_px``: sigma, and length along ``motion_angle``; 0 is none. ``light`` multiplies.
    ``noise`` is its deviation in grey levels. ``coarse``: through a size so many times smaller. ``quality`` of JPEG, 0 is
    none. ``erased`` (N, 4) left, top, right, bottom gets ``erase_colour``. Outside ``frame`` (N, 4) it is black.
    """

    coloured: Bools
    gamma: Floats
    contrast: Floats
    brightness: Floats
    gains: Floats
    grey: Bools
    occluded: Bools
    round: Bools
    occluder: Floats
    tint: Floats
    blur_px: Floats
    motion_px: Ints
    motion_angle: Floats
    light: Floats
    noise: Floats
    noise_seed: Ints
    coarse: Ints
    quality: Ints
    erased: Ints
    erase_colour: Ints
    frame: Ints

    def apply(self, crop: ImageArray, n: int = 0) -> ImageArray:
        """*crop* (H, W, 3) uint8 BGR with the looks of sample *n*."""
        h, w = crop.shape[:2]
        if self.coloured[n]:
            crop = self._colour(crop, n)
        if self.occluded[n]:
            crop = self._occlude(crop, n)
        if self.blur_px[n]:
            crop = cv2.GaussianBlur(crop, (0, 0), float(self.blur_px[n])).astype(np.uint8, copy=False)
        if self.motion_px[n]:
            kernel = motion_kernel(int(self.motion_px[n]), float(self.motion_angle[n]))
            crop = cv2.filter2D(crop, -1, kernel).astype(np.uint8, copy=False)
        if self.light[n] != 1:
            crop = cv2.convertScaleAbs(crop, alpha=float(self.light[n])).astype(np.uint8, copy=False)
        if self.noise[n]:
            noise = np.empty(crop.shape, np.int16)
            cv2.setRNGSeed(int(self.noise_seed[n]))  # of this thread; a tenth of the time that numpy takes
            cv2.randn(noise, np.zeros(3), np.full(3, self.noise[n]))
            crop = cv2.add(crop, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
        if self.coarse[n] > 1:
            small = cv2.resize(crop, (w // int(self.coarse[n]), h // int(self.coarse[n])), interpolation=cv2.INTER_AREA)
            crop = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
        if self.quality[n]:
            crop = _compress(crop, int(self.quality[n]))
        left, top, right, bottom = self.erased[n].tolist()
        x0, y0, x1, y1 = self.frame[n].tolist()
        if right > left or (x0, y0, x1, y1) != (0, 0, w, h):
            crop = crop.copy()
            crop[top:bottom, left:right] = self.erase_colour[n]
            crop[:y0], crop[y1:], crop[:, :x0], crop[:, x1:] = 0, 0, 0, 0
        return crop

    def without_what_is_cut(self, xy: NDArray[np.floating], n: int = 0) -> NDArray[np.floating]:
        """Joints (K, 2) in input px of sample *n*, NaN where the frame ends before them."""
        x0, y0, x1, y1 = self.frame[n] - 0.5  # edges of pixels
        inside = (xy[:, 0] >= x0) & (xy[:, 0] <= x1) & (xy[:, 1] >= y0) & (xy[:, 1] <= y1)
        return np.where(inside[:, None], xy, np.nan).astype(xy.dtype)

    def _colour(self, crop: ImageArray, n: int) -> ImageArray:
        """Brightness, contrast, gamma and channel gains through one table a channel."""
        levels = np.arange(256, dtype=np.float32) / 255
        base = (levels ** self.gamma[n] - 0.5) * self.contrast[n] + 0.5 + self.brightness[n]
        table = np.clip(base[:, None] * self.gains[n] * 255, 0, 255).astype(np.uint8)  # (256, 3)
        out = cv2.LUT(crop, table[None])
        if self.grey[n]:
            out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        return out.astype(np.uint8, copy=False)

    def _occlude(self, crop: ImageArray, n: int) -> ImageArray:
        x, y, a, b, angle = self.occluder[n].tolist()
        mask = np.zeros(crop.shape[:2], np.uint8)
        if self.round[n]:
            cv2.ellipse(mask, ((x, y), (2 * a, 2 * b), math.degrees(angle)), 255, -1)
        else:
            along, across = np.array([math.cos(angle), math.sin(angle)]) * a, np.array([-math.sin(angle), math.cos(angle)]) * b
            corners = np.stack([along + across, along - across, -along - across, -along + across])
            cv2.fillConvexPoly(mask, np.rint(corners + np.array([x, y])).astype(np.int32), 255)
        texture = np.clip(crop[::-1, ::-1] * self.tint[n].astype(np.float32), 0, 255).astype(np.uint8)
        return cv2.copyTo(texture, mask, crop.copy()).astype(np.uint8, copy=False)


def motion_kernel(length_px: int, angle: float) -> FloatArray:
    """A line (length, length) that adds up to 1: what a pixel becomes when the camera moves along it."""
    kernel = np.zeros((length_px, length_px), np.float32)
    middle = (length_px - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    start, end = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    kernel /= kernel.sum()
    return kernel


def _compress(crop: ImageArray, quality: int) -> ImageArray:
    """Through JPEG and back."""
    decoded = cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.astype(np.uint8, copy=False)
