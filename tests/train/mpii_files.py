"""MPII's annotation file in the structure it was published in, with a few people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat


def structs(*rows: dict[str, Any]) -> np.ndarray[Any, Any]:
    """A MATLAB array of structures, 1×N; a field that a row lacks is empty, as MATLAB has it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    array = np.empty((1, len(rows)), [(name, object) for name in names])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row.get(name, np.empty((0, 0))) for name in names)
    return array


def mpii_person(shift: float, scale: float = 0.5, **more: Any) -> dict[str, Any]:
    points = [{"x": 10.0 + k + shift, "y": 20.0 + 2 * k, "id": k, "is_visible": k % 2} for k in range(16)]
    points[9].pop("is_visible")  # the head has none
    return {
        "x1": 5, "y1": 6, "x2": 5 + 30, "y2": 6 + 40, "annopoints": {"point": structs(*points)}, "scale": scale,
        "objpos": {"x": 50 + shift, "y": 60}, **more,
    }  # fmt: skip


def write_mpii(folder: Path) -> Path:
    """Five pictures in the published structure: three to train on, one whose video validates, and one of the test part."""
    whole = mpii_person(0)
    lone = {key: value for key, value in mpii_person(5).items() if key not in ("x1", "y1", "x2", "y2")}
    placed = {"scale": 1.0, "objpos": {"x": 1, "y": 1}}  # nobody labelled its joints
    pictures = structs(
        {"image": {"name": "a.jpg"}, "annorect": structs(whole, mpii_person(7, scale=2.0)), "frame_sec": 1, "vididx": 3},
        {"image": {"name": "b.jpg"}, "annorect": structs(lone), "vididx": 4},
        {"image": {"name": "c.jpg"}, "annorect": structs(whole, placed), "vididx": 20},
        {"image": {"name": "d.jpg"}, "annorect": structs(placed), "vididx": 5},
        {"image": {"name": "e.jpg"}, "annorect": np.empty((0, 0)), "vididx": 6},
    )
    release = {"annolist": pictures, "img_train": np.array([[1, 1, 1, 0, 1]]), "version": "12"}
    path = folder / "mpii_human_pose_v1_u12_1.mat"
    savemat(path, {"RELEASE": release})
    (folder / "images").mkdir()
    for name in "abcde":
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), np.full((120, 100, 3), 90, np.uint8))
    return path
