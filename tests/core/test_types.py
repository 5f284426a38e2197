"""Frame and Poses: what they take and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses


def test_a_frame_cannot_be_written_to() -> None:
    frame = Frame(np.zeros((4, 6, 3), np.uint8), 0, 0.0)
    assert frame.hw == (4, 6)
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0] = 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6, 4), np.uint8),
        np.zeros((4, 6, 3), np.uint16),
        np.zeros((0, 6, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
        np.zeros((6, 4, 3), np.uint8).transpose(1, 0, 2),
        np.zeros((4, 12, 3), np.uint8)[:, ::2],
    ],
    ids=["grey", "four channels", "16 bit", "no rows", "no columns", "transposed", "strided"],
)
def test_a_frame_refuses_what_is_no_whole_bgr_picture(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    with pytest.raises(ValueError, match="frame: expected"):
        Frame(image, 0, 0.0)


def test_nobody_has_every_shape_of_somebody() -> None:
    nobody = Poses.none(COCO_17)
    assert len(nobody) == 0
    assert nobody.xy.shape == (0, 17, 2)
    assert nobody.score.shape == (0, 17)


def test_poses_refuse_another_number_of_joints() -> None:
    with pytest.raises(ValueError, match=r"poses.xy: expected 1×17×2 float32, got 1×16×2 float32"):
        Poses(
            xy=np.zeros((1, 16, 2), np.float32),
            score=np.zeros((1, 16), np.float32),
            person_score=np.zeros(1, np.float32),
            ids=np.zeros(1, np.int64),
            skeleton=COCO_17,
        )


def test_poses_refuse_double_precision() -> None:
    with pytest.raises(ValueError, match=r"poses.xy: expected 1×17×2 float32, got 1×17×2 float64"):
        Poses(
            xy=np.zeros((1, 17, 2)),  # type: ignore[arg-type]
            score=np.zeros((1, 17), np.float32),
            person_score=np.zeros(1, np.float32),
            ids=np.zeros(1, np.int64),
            skeleton=COCO_17,
        )
