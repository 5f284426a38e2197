"""Heatmaps averaged over scales: the maps of all scales lie on each other."""

from __future__ import annotations

import numpy as np
import pytest

from poseapp.core import multiscale
from poseapp.core.types import FloatArray, ImageArray

HW = (64, 48)
INPUT_HW = (256, 192)


def _perfect(joints_px: FloatArray) -> multiscale.Beliefs:
    """A network that finds a white blob for each joint: heatmaps by looking at the crop's brightest pixels."""

    def infer(crops: ImageArray) -> FloatArray:
        grey = crops[0, :, :, 0].astype(np.float32) / 255
        h, w = grey.shape
        small = grey.reshape(h // 4, 4, w // 4, 4).mean(axis=(1, 3))
        return np.broadcast_to(small, (1, 1, *small.shape)).copy()

    return infer


@pytest.mark.parametrize("scales", [(1.0,), (0.8, 1.0, 1.25), multiscale.SCALES])
def test_beliefs_of_several_scales_lie_on_each_other(scales: tuple[float, ...]) -> None:
    y, x = np.mgrid[:480, :640]
    truth = np.array([351.0, 222.0])
    blob = 255 * np.exp(-((x - truth[0]) ** 2 + (y - truth[1]) ** 2) / (2 * 14**2))
    image = np.repeat(blob[..., None], 3, axis=2).astype(np.uint8)
    box = (250.0, 100.0, 150.0, 260.0)
    mean, to_frame = multiscale.average_beliefs(_perfect(truth), image, box, INPUT_HW, HW, "centre", scales)
    assert mean.shape == (1, *HW)
    joints = multiscale.joints_of(mean, to_frame, "dark", 2.0)
    assert np.abs(joints[0, :2] - truth).max() < 0.5
    assert 0.9 < joints[0, 2] <= 1.0


def test_a_scale_that_does_not_see_the_rim_does_not_darken_it() -> None:
    image = np.full((300, 300, 3), 255, np.uint8)
    infer = _perfect(np.zeros(2, np.float32))
    mean, _ = multiscale.average_beliefs(infer, image, (100, 60, 90, 120), INPUT_HW, HW, "udp", (1.0, 1.3))
    assert mean.min() > 0.95
