"""Makes verify-crops.jpg: 32 looks at the person of demo.mp4, on which a compiled model is compared with the original.

The room of the clip stands still, so the person is what differs from its median picture. Each crop is a square of 256 px
around the person as the app would take it (whole, tight, cut off, far), every second one mirrored, some dark or blurred::

    python assets/make_crops.py
"""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import cv2
import numpy as np

ASSETS = Path(__file__).resolve().parent
CELL = 256
COLUMNS, ROWS = 8, 4
# Of each crop: side of the square in heights of the person, and its shift (right, down) in the same.
LOOKS = [
    (1.25, 0.0, 0.0),
    (1.0, 0.1, 0.0),
    (0.7, 0.0, -0.2),
    (2.0, 0.2, 0.0),
    (1.5, -0.2, 0.15),
    (1.1, 0.0, 0.3),
    (0.55, 0.05, -0.25),
    (1.6, 0.1, 0.05),
]


def main() -> None:
    """Cut, stack, write."""
    with av.open(str(ASSETS / "demo.mp4")) as clip:
        twice_a_second = itertools.islice(clip.decode(video=0), 7, None, 15)
        frames = [frame.to_ndarray(format="bgr24") for frame in twice_a_second][: COLUMNS * ROWS]
    frames[4] = cv2.imread(str(ASSETS / "sample.jpg"))
    room = np.median(frames[::2], axis=0).astype(np.uint8)
    cells = [cut(frame, box_of_person(frame, room), i) for i, frame in enumerate(frames)]
    sheet = np.vstack([np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)])
    cv2.imwrite(str(ASSETS / "verify-crops.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])


def box_of_person(frame: np.ndarray, room: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, width, height of the largest part that is not the room."""
    differs = (cv2.absdiff(frame, room).max(axis=2) > 24).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(differs)
    x, y, w, h, _ = max(stats[1:], key=lambda s: s[4])
    return int(x), int(y), int(w), int(h)


def cut(frame: np.ndarray, box: tuple[int, int, int, int], i: int) -> np.ndarray:
    """Crop *i* of *frame*, (256, 256, 3); what lies outside is black."""
    x, y, w, h = box
    look, right, down = LOOKS[i % len(LOOKS)]
    size = max(w, h)
    side, centre = look * size, (x + w / 2 + right * size, y + h / 2 + down * size)
    scale = CELL / side
    affine = np.array([[scale, 0, CELL / 2 - scale * centre[0]], [0, scale, CELL / 2 - scale * centre[1]]])
    cell = cv2.warpAffine(frame, affine, (CELL, CELL), flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if i % 2:
        cell = cell[:, ::-1]
    if i % 8 == 5:
        cell = (cell * 0.45).astype(np.uint8)
    if i % 8 == 2:
        cell = cv2.GaussianBlur(cell, (0, 0), 2.0)
    return np.ascontiguousarray(cell)


if __name__ == "__main__":
    main()
