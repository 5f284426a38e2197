"""Numbers that decoding within a graph needs: DARK's blur and derivatives as matrices, and where mirrored maps come from."""

from __future__ import annotations

import cv2
import numpy as np

from poseapp.core.errors import ModelError
from poseapp.core.heatmap import blur_size
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray


def blur_around(cells: int, sigma_px: float) -> FloatArray:
    """The blur of DARK along a side of *cells* px, as matrices: row (i, j) gives the blurred value at i + j − 2 (kept inside)."""
    size = blur_size(sigma_px)
    kernel = cv2.getGaussianKernel(size, 0, cv2.CV_64F).ravel()  # the sigma is OpenCV's for this size, as in the reference
    middle = np.clip(np.arange(cells), 2, cells - 3)[:, None] + np.arange(-2, 3)  # (cells, 5)
    tap = np.arange(cells) - middle[..., None] + size // 2  # (cells, 5, cells)
    rows: FloatArray = np.where((tap >= 0) & (tap < size), kernel[tap.clip(0, size - 1)], 0).astype(np.float32)
    return rows


def derivatives() -> FloatArray:
    """What 5×5 values, row by row, count in their derivatives in the middle: x, y, xx, yy and xy, as core.heatmap takes them."""
    taps = {
        0: {(1, 0): 0.5, (-1, 0): -0.5},
        1: {(0, 1): 0.5, (0, -1): -0.5},
        2: {(2, 0): 0.25, (0, 0): -0.5, (-2, 0): 0.25},
        3: {(0, 2): 0.25, (0, 0): -0.5, (0, -2): 0.25},
        4: {(1, 1): 0.25, (-1, 1): -0.25, (1, -1): -0.25, (-1, -1): 0.25},
    }
    out = np.zeros((5, 5, 5), np.float32)  # row, column, derivative
    for derivative, weights in taps.items():
        for (dx, dy), weight in weights.items():
            out[2 + dy, 2 + dx, derivative] = weight
    return out.reshape(25, 5)


def mirrored_maps(skeleton: Skeleton, joints: int, fields: int) -> tuple[list[int], list[float]]:
    """Where the map of a mirrored crop comes from, and by what it is multiplied, for each of joints + fields maps.

    In a mirror, a field of the left arm is one of the right arm, and its x points the other way; where the mirrored limb is
    listed from its other end, both do. Raises ModelError on a limb without a mirrored one.
    """
    index, sign = skeleton.flip_index[:joints].tolist(), [1.0] * joints
    for a, b in skeleton.limbs[: fields // 2]:
        mirrored = skeleton.flip[a], skeleton.flip[b]
        if mirrored not in skeleton.limbs and mirrored[::-1] not in skeleton.limbs:
            names = skeleton.keypoints[a], skeleton.keypoints[b]
            raise ModelError(f"{skeleton.name}: the limb {'-'.join(names)} has no mirrored one. Leave out the flip test.")
        same = mirrored in skeleton.limbs
        at = skeleton.limbs.index(mirrored if same else mirrored[::-1])
        index += [joints + 2 * at, joints + 2 * at + 1]
        sign += [-1.0, 1.0] if same else [1.0, -1.0]
    return index, sign
