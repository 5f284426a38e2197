"""Random variation of a sample: geometry as one affine, appearance as a webcam makes it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine, crop_affine, fit_aspect
from poseapp.core.types import FloatArray, ImageArray

_LOWER_BODY = ("hip", "knee", "ankle")


@dataclass(frozen=True)
class Augment:
    """Ranges and probabilities. Geometry after Newell et al. 2016, Sec. 4.1, and Sun et al. 2019, Sec. 4.1."""

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

    def geometry(
        self,
        box: NDArray[np.floating],
        joints: FloatArray,
        skeleton: Skeleton,
        input_hw: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[Affine, bool]:
        """A random affine from frame px to input px around *box*, and whether it mirrors."""
        if random.random() < self.half_body_p and np.count_nonzero(joints[:, 2]) > self.half_body_min_joints:
            box = self._half_body(box, joints, skeleton, input_hw, random)
        x, y, w, h = box
        scale = np.clip(1 + 0.25 * random.standard_normal(), *self.scale)
        dx, dy = np.clip(random.standard_normal(2) * self.shift / 2, -self.shift, self.shift)
        centre = (x + w / 2 + dx * w, y + h / 2 + dy * h)
        size = (w * scale, h * scale)
        rotation = 0.0
        if random.random() < self.rotation_p:
            rotation = float(np.clip(random.standard_normal() * self.rotation_deg / 2, -self.rotation_deg, self.rotation_deg))
        flip = bool(random.random() < self.flip_p)
        around = (centre[0] - size[0] / 2, centre[1] - size[1] / 2, *size)
        return crop_affine(around, input_hw, rotation, flip), flip

    def _half_body(
        self,
        box: NDArray[np.floating],
        joints: FloatArray,
        skeleton: Skeleton,
        input_hw: tuple[int, int],
        random: np.random.Generator,
    ) -> NDArray[np.floating]:
        """A box around the upper or the lower half: a webcam sees a head and shoulders."""
        lower = np.array([any(part in name for part in _LOWER_BODY) for name in skeleton.keypoints])
        half = lower if random.random() < 0.3 else ~lower
        xy = joints[half & (joints[:, 2] > 0), :2]
        if len(xy) < 3:
            return box
        low, high = xy.min(axis=0), xy.max(axis=0)
        if (high - low).min() < 2:
            return box
        return fit_aspect((*low, *(high - low)), input_hw, 1.5)

    def appearance(self, crop: ImageArray, random: np.random.Generator) -> ImageArray:
        """*crop* with random colour, blur, noise, compression and an erased patch."""
        if random.random() < self.colour_p:
            crop = _colour(crop, random)
        if random.random() < self.blur_p:
            crop = _blur(crop, random)
        if random.random() < self.noise_p:
            noise = random.standard_normal(crop.shape, np.float32) * np.float32(random.uniform(2, 12))
            crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
        if random.random() < self.jpeg_p:
            quality = int(random.integers(20, 70))
            crop = _compress(crop, quality)
        if random.random() < self.erase_p:
            crop = _erase(crop, random)
        return crop


def _colour(crop: ImageArray, random: np.random.Generator) -> ImageArray:
    """Brightness, contrast, gamma and channel gains through one table a channel; now and then grey."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(random.uniform(-0.4, 0.4))
    contrast, brightness = random.uniform(0.7, 1.3), random.uniform(-0.15, 0.15)
    gains = random.uniform(0.85, 1.15, 3)
    base = (levels**gamma - 0.5) * contrast + 0.5 + brightness
    table = np.clip(base[:, None] * gains * 255, 0, 255).astype(np.uint8)  # (256, 3)
    out = cv2.LUT(crop, table[None])
    if random.random() < 0.1:
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return out.astype(np.uint8, copy=False)


def _blur(crop: ImageArray, random: np.random.Generator) -> ImageArray:
    """Out of focus, or moving along a line; by a share of the height, so that every input size looks alike."""
    h = crop.shape[0]
    if random.random() < 0.5:
        return cv2.GaussianBlur(crop, (0, 0), h * random.uniform(0.002, 0.008)).astype(np.uint8, copy=False)
    length = max(3, int(h * random.uniform(0.01, 0.04)))
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = (length - 1) / 2
    start, end = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return cv2.filter2D(crop, -1, kernel / kernel.sum()).astype(np.uint8, copy=False)


def _compress(crop: ImageArray, quality: int) -> ImageArray:
    """Through JPEG and back."""
    decoded = cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.astype(np.uint8, copy=False)


def _erase(crop: ImageArray, random: np.random.Generator) -> ImageArray:
    """One rectangle of a random colour in front of the person."""
    h, w = crop.shape[:2]
    eh, ew = int(h * random.uniform(0.08, 0.3)), int(w * random.uniform(0.08, 0.4))
    y, x = int(random.integers(0, h - eh)), int(random.integers(0, w - ew))
    out = crop.copy()
    out[y : y + eh, x : x + ew] = random.integers(0, 256, 3)
    return out
