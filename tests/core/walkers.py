"""People for the tests of tracking and smoothing: COCO's joints of somebody who stands, moved about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Poses

# Somebody who stands, 1 high, with the middle at 0.
STANDING = np.array(
    [
        (0, -0.42), (0.02, -0.44), (-0.02, -0.44), (0.04, -0.43), (-0.04, -0.43), (0.11, -0.31), (-0.11, -0.31), (0.16, -0.15),
        (-0.16, -0.15), (0.18, 0.0), (-0.18, 0.0), (0.07, 0.02), (-0.07, 0.02), (0.08, 0.26), (-0.08, 0.26), (0.08, 0.5),
        (-0.08, 0.5),
    ]
)  # fmt: skip


def standing_at(x: float, y: float, height: float = 200.0) -> NDArray[np.float64]:
    """Joints (17, 2)."""
    joints: NDArray[np.float64] = np.array([x, y]) + height * STANDING
    return joints


def poses_of(*people: NDArray[np.floating], score: float = 0.8) -> Poses:
    """Poses of the joints (17, 2) of *people*, without identities."""
    n = len(people)
    xy = np.stack(people).astype(np.float32) if people else np.empty((0, 17, 2), np.float32)
    return Poses(
        xy=xy,
        score=np.full((n, 17), score, np.float32),
        person_score=np.full(n, score, np.float32),
        ids=np.zeros(n, np.int64),
        skeleton=COCO_17,
    )
